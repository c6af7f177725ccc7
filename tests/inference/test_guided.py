"""Guided upsampling: exact for a linear map of colour, sharper than interpolation, detail given back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reskin.errors import ShapeError
from reskin.inference.guided import guided_filter, guided_upsample


@pytest.fixture
def frame() -> np.ndarray:
    """A picture of hard-edged discs and stripes, (120, 200, 3)."""
    picture = np.full((120, 200, 3), (60, 90, 140), np.uint8)
    for index, colour in enumerate([(200, 40, 60), (40, 180, 90), (220, 210, 80)]):
        cv2.circle(picture, (40 + 60 * index, 60), 25, colour, -1)
    picture[::7] = picture[::7] // 2 + 60
    return picture


def shrunk(picture: np.ndarray, factor: int = 4) -> np.ndarray:
    size = (picture.shape[1] // factor, picture.shape[0] // factor)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def test_one_linear_map_of_colour_is_exact(frame: np.ndarray) -> None:
    matrix = np.array([[0.5, 0.2, 0.0], [0.1, 0.6, 0.1], [0.0, 0.2, 0.7]], np.float32)

    def mapped(picture: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(picture @ matrix.T + 20), 0, 255).astype(np.uint8)

    made = guided_upsample(frame, shrunk(frame), mapped(shrunk(frame)))
    assert made.dtype == np.uint8 and np.abs(made.astype(int) - mapped(frame)).mean() < 1.5


def test_it_is_sharper_than_bicubic(frame: np.ndarray) -> None:
    wanted = 255 - frame
    small = shrunk(frame)
    guided = guided_upsample(frame, small, 255 - small)
    bicubic = cv2.resize(255 - small, (200, 120), interpolation=cv2.INTER_CUBIC)
    errors = [np.square(made.astype(float) - wanted).mean() for made in (guided, bicubic)]
    assert errors[0] < errors[1] / 4


def test_detail_gives_back_what_the_map_leaves_out(frame: np.ndarray) -> None:
    small = shrunk(frame)
    drawn = small.copy()
    drawn[10:14, 5:9] = 255 - drawn[10:14, 5:9]  # a shape that the frame does not have
    plain, detailed = (guided_upsample(frame, small, drawn, detail=share) for share in (0.0, 1.0))
    wanted = cv2.resize(drawn, (200, 120), interpolation=cv2.INTER_CUBIC)[40:56, 20:36].astype(float)
    errors = [np.abs(made[40:56, 20:36] - wanted).mean() for made in (plain, detailed)]
    assert errors[1] < errors[0]


def test_sizes_that_do_not_fit_are_refused(frame: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="translation of"):
        guided_upsample(frame, shrunk(frame), shrunk(frame, 5))


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (121, 77)])
def test_any_size(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    small = cv2.resize(picture, (9, 8), interpolation=cv2.INTER_AREA)
    assert guided_upsample(picture, small, small, detail=0.5).shape == picture.shape


def test_a_plane_follows_its_guide_as_windows_of_pixels_are_fitted_one_by_one() -> None:
    rng = np.random.default_rng(3)
    guide = rng.integers(90, 110, (14, 14, 3)).astype(np.uint8)
    plane = rng.random((14, 14)).astype(np.float32)
    values = guide / 255
    values = (values - values.mean()) * 0.25 / values.std()
    around = np.pad(values, ((2, 2), (2, 2), (0, 0)), "reflect")  # without the edge pixel, as below
    wanted, slopes = np.pad(plane, 2, "reflect"), np.zeros((14, 14, 4))
    for y, x in np.ndindex(14, 14):
        inside, aim = around[y : y + 5, x : x + 5].reshape(-1, 3), wanted[y : y + 5, x : x + 5].ravel()
        covariance = np.cov(inside.T, bias=True) + 0.01 * np.eye(3)
        slope = np.linalg.solve(covariance, (inside * aim[:, None]).mean(0) - inside.mean(0) * aim.mean())
        slopes[y, x] = [*slope, aim.mean() - slope @ inside.mean(0)]
    middle = slopes[3:8, 3:8].reshape(-1, 4).mean(0)  # of the windows that hold the pixel (5, 5)
    expected = middle[:3] @ values[5, 5] + middle[3]
    made = guided_filter(guide, plane, radius=2, epsilon=0.01)
    assert made[5, 5] == pytest.approx(expected, abs=1e-4)


def test_a_plane_of_another_size_has_no_guide(frame: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="a plane of"):
        guided_filter(frame, np.zeros((3, 3), np.float32), radius=2, epsilon=0.01)
