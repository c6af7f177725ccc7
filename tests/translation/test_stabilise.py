"""The stabiliser: raw at strength 0, steadier where the film stands still, no worse where it moves."""

from __future__ import annotations

import numpy as np
import pytest

from reskin.errors import SettingsError, ShapeError
from reskin.translation.stabilise import Stabiliser, resized_flow, warped


def textured(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Smooth random texture, (H, W, 3) uint8."""
    import cv2

    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def flickering(film: np.ndarray, seed: int) -> np.ndarray:
    """A fixed colour curve of the film and fresh noise, as a model that draws texture anew in every frame."""
    noise = np.random.default_rng(seed).normal(0, 14, film.shape)
    return np.clip(curve(film) + noise, 0, 255).astype(np.uint8)


def curve(film: np.ndarray) -> np.ndarray:
    return 40 + 0.6 * film.astype(float)


def error(made: np.ndarray, film: np.ndarray) -> float:
    return float(np.square(made - curve(film)).mean())


@pytest.mark.parametrize("size", [(96, 128), (400, 500), (37, 51)])
def test_strength_0_and_the_first_frame_are_the_translation_itself(size: tuple[int, int]) -> None:
    film, other = textured(0, *size), textured(1, *size)
    assert np.array_equal(Stabiliser().step(film, other), other)
    off = Stabiliser(0.0)
    assert all(np.array_equal(off.step(film, made), made) for made in (other, film, other))


@pytest.mark.parametrize("size", [(96, 128), (340, 460)])
def test_a_still_film_loses_most_of_its_flicker(size: tuple[int, int]) -> None:
    film, stabiliser = textured(0, *size), Stabiliser()
    made = [stabiliser.step(film, flickering(film, number)) for number in range(8)]
    assert error(made[-1], film) < 0.25 * error(flickering(film, 7), film)


def test_a_moving_film_is_followed() -> None:
    wide, stabiliser = textured(0, 96, 200), Stabiliser()
    frames = [wide[:, 3 * number : 3 * number + 128] for number in range(8)]
    made = [stabiliser.step(film, flickering(film, number)) for number, film in enumerate(frames)]
    assert error(made[-1], frames[-1]) < 0.5 * error(flickering(frames[-1], 7), frames[-1])


@pytest.mark.parametrize("size", [(1, 50), (9, 60), (12, 40), (17, 400), (31, 1500), (40, 6)])
@pytest.mark.thinned(3)
def test_frames_of_any_size_are_followed(size: tuple[int, int]) -> None:
    """Frames this small or flat ended the process, or gave a flow that is no number."""
    film, stabiliser = textured(0, *size), Stabiliser()
    made = [stabiliser.step(film, flickering(film, number)) for number in range(8)]
    assert made[-1].shape == film.shape
    assert error(made[-1], film) < 0.5 * error(flickering(film, 7), film)


def test_another_picture_is_not_mixed_in_even_without_a_reset() -> None:
    before, after, stabiliser = textured(0), textured(5), Stabiliser()
    stabiliser.step(before, flickering(before, 0))
    made = stabiliser.step(after, flickering(after, 1))
    assert error(made, after) < 1.2 * error(flickering(after, 1), after)


def test_after_a_reset_the_frame_is_the_translation_itself() -> None:
    film, stabiliser = textured(0), Stabiliser()
    stabiliser.step(film, film)
    stabiliser.reset()
    assert np.array_equal(stabiliser.step(film, 255 - film), 255 - film)


def test_warping_by_whole_pixels_is_exact_away_from_the_border() -> None:
    picture = textured(0)
    flow = np.zeros((96, 128, 2), np.float32)
    flow[..., 0], flow[..., 1] = 4, -3
    assert np.array_equal(warped(picture, flow)[3:, :-4], picture[:-3, 4:])
    assert np.array_equal(resized_flow(flow, 48, 256)[0, 0], [8.0, -1.5])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"strength 1\.5"):
        Stabiliser(1.5)
    with pytest.raises(ShapeError, match="translation of"):
        Stabiliser().step(textured(0), textured(0, 90, 128))
