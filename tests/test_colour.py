"""CIELAB against its definition, published values and OpenCV's other path."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reskin.colour import from_lab, to_lab
from reskin.errors import ShapeError

EVERY_FIFTEENTH = np.arange(0, 256, 15, dtype=np.uint8)


def by_definition(image: np.ndarray) -> np.ndarray:
    """CIE 15:2004 in float64, with the matrix of IEC 61966-2-1."""
    levels = image / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[41.24564, 35.75761, 18.04375], [21.26729, 71.5175, 7.2175], [1.93339, 11.9192, 95.03041]]
    )
    xyz = linear @ (matrix / matrix.sum(axis=1, keepdims=True)).T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def test_lab_is_that_of_the_standard_all_over_the_cube() -> None:
    cube = np.stack(np.meshgrid(*[EVERY_FIFTEENTH] * 3), axis=-1).reshape(18, -1, 3)
    assert np.abs(to_lab(cube) - by_definition(cube)).max() < 0.05


def test_lab_agrees_with_opencv() -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    theirs = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    assert np.abs(to_lab(image) - theirs).max() < 0.45  # it looks its values up in a coarse table


def test_lab_of_known_colours() -> None:
    image = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], dtype=np.uint8)
    wanted = [[0, 0, 0], [100, 0, 0], [53.24, 80.09, 67.20]]  # red: Lindbloom's tables for sRGB, D65
    np.testing.assert_allclose(to_lab(image)[0], wanted, atol=0.05)


def test_every_byte_comes_back() -> None:
    cube = np.stack(np.meshgrid(*[EVERY_FIFTEENTH] * 3), axis=-1).reshape(18, -1, 3)
    np.testing.assert_array_equal(from_lab(to_lab(cube)), cube)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError):
        to_lab(np.zeros((4, 4), np.uint8))
