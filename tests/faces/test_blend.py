"""Put back without a seam: the mask, the border's colours, and what lies where in the frame."""

from __future__ import annotations

import numpy as np
import pytest

from reskin.errors import ShapeError
from reskin.faces.alignment import box_matrix
from reskin.faces.blend import INWARD, border_correction, corrected, face_mask, region_of, seen_in


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("size", [16, 64, 129])
def test_the_mask_holds_the_face_and_ends_within_the_picture(size: int, margin: float) -> None:
    mask = face_mask(size, margin)
    assert mask.shape == (size, size) and mask.min() == 0 and mask.max() <= 1
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert edge.max() < (0.02 if size > 16 else 0.1)
    assert mask[size // 2, size // 2] > 0.9
    assert np.array_equal(mask, mask[:, ::-1]) and np.array_equal(mask, mask[::-1])
    steps = np.abs(np.diff(mask, axis=0)).max()
    assert steps < 3.2 / (size * 0.25) * (1 + 2 * margin)  # no edge anywhere


def noise(seed: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 190, (size, size, 3)).astype(np.uint8)


def test_what_is_equal_needs_no_correction() -> None:
    assert not border_correction(noise(0), noise(0), face_mask(64, 0.25)).any()


def test_a_change_of_light_is_undone_at_the_border_and_for_the_most_part_in_the_middle() -> None:
    mask = face_mask(64, 0.25)
    source = noise(0)
    factors = np.array([0.5, 0.8, 1.2], np.float32)
    made = np.rint((source + 12) * factors - 12).clip(0, 255).astype(np.uint8)
    found = np.exp(border_correction(source, made, mask))
    assert np.allclose(found[mask < 0.5], 1 / factors, rtol=0.02)
    assert np.allclose(found[32, 32], (1 / factors) ** INWARD, rtol=0.02)
    back = corrected(made, border_correction(source, made, mask)).astype(int) - source
    assert np.abs(back[(mask > 0) & (mask < 0.5)]).max() <= 3


def test_a_flat_dark_face_gets_the_contrast_of_a_bright_film() -> None:
    """With a difference in levels it would stay as flat as it was."""
    mask = face_mask(64, 0.25)
    source = np.full((64, 64, 3), 188, np.uint8)
    made = np.full((64, 64, 3), 38, np.uint8)
    made[28:36, 28:36] = 28  # a feature of the face: 10 levels
    found = corrected(made, border_correction(source, made, mask)).astype(int)
    expected = 10 * (200 / 50) ** INWARD
    assert found[20, 32, 0] - found[32, 32, 0] == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("skin_px", [8, 0])
def test_the_skin_of_the_border_decides_for_the_skin(skin_px: int) -> None:
    """A neck below and a bright wall around it: the wall was darkened more, and is no skin."""
    mask = face_mask(64, 0.25)
    shown = np.where(mask > 0.5, np.float32(1), np.float32(0))
    shown[50:, 32 - skin_px : 32 + skin_px] = 1
    source = np.where(shown[..., None] > 0, np.uint8(150), np.uint8(230)).repeat(3, axis=2)
    made = np.where(shown[..., None] > 0, np.uint8(100), np.uint8(60)).repeat(3, axis=2)
    found = corrected(made, border_correction(source, made, mask, shown)).astype(int)[..., 0]
    wall = (mask > 0.02) & (mask < 0.5) & (shown == 0)
    assert np.abs(found[wall] - 230).max() <= 1  # what a soft mask shows of the wall is the wall
    without = corrected(made, border_correction(source, made, mask)).astype(int)[..., 0]
    if skin_px:
        assert abs(found[60, 32] - 150) <= 1 and abs(found[32, 32] - 150) < abs(without[32, 32] - 150)
        assert found[32, 32] == pytest.approx(112 * (162 / 112) ** INWARD - 12, abs=2)
    else:  # a face without any skin at its border goes by all of it
        assert found[32, 32] == without[32, 32]


def test_only_the_border_counts() -> None:
    mask = face_mask(64, 0.25)
    source = noise(0)
    made = source.copy()
    made[mask > 0.6] = 255 - made[mask > 0.6]
    assert np.abs(border_correction(source, made, mask)).max() < 1e-3


def test_a_slope_along_the_border_is_followed() -> None:
    mask = face_mask(64, 0.25)
    source = np.full((64, 64, 3), 120, np.uint8)
    slope = np.linspace(-30, 30, 64)[None, :, None]
    made = np.rint(source + slope).astype(np.uint8)
    left = corrected(made, border_correction(source, made, mask)).astype(int) - source
    ring = (mask > 0.02) & (mask < 0.5)
    assert np.abs(left[ring]).max() < 2.5


def test_sizes_must_agree() -> None:
    with pytest.raises(ShapeError):
        border_correction(noise(0), noise(0, 32), face_mask(64, 0.25))


def test_the_region_is_the_square_within_frame_and_borders() -> None:
    matrix = box_matrix((10.3, 20.3, 40, 40), size=64, margin=0.0)
    assert region_of(matrix, 64, 200, 100) == (slice(20, 62), slice(10, 52))
    assert region_of(matrix, 64, 40, 100, bars=(15, 0, 5, 45)) == (slice(20, 55), slice(15, 35))
    _, columns = region_of(box_matrix((300, 20, 40, 40), size=64, margin=0.0), 64, 200, 100)
    assert columns.start >= columns.stop


def test_planes_are_seen_where_they_were_cut_out() -> None:
    matrix = box_matrix((10, 20, 32, 32), size=64, margin=0.0)  # twice the size
    down, across = np.indices((64, 64), dtype=np.float32)
    rows, columns = slice(20, 52), slice(10, 42)
    seen = seen_in(np.dstack([across, down]), matrix, (rows, columns), repeats=True)
    assert np.allclose(seen[4, 7], (2 * 7 - 0.5, 2 * 4 - 0.5), atol=0.05)
    outside = seen_in(np.ones((64, 64), np.float32), matrix, (slice(0, 100), slice(0, 100)), repeats=False)
    assert outside[0].max() == 0 and outside[30, 20] == 1
