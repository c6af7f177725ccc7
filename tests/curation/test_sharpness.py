"""Sharpness: it falls with blur, and knows nothing of contrast, brightness and noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reskin.curation.sharpness import sharpness


def blocks(seed: int = 0) -> np.ndarray:
    """A drawn picture with hard edges, (192, 256), away from black and white."""
    draw = np.random.default_rng(seed).choice([80, 170], (12, 16))
    return np.kron(draw, np.ones((16, 16))).astype(np.uint8)


def test_it_falls_with_blur_and_crosses_the_limit_where_edges_are_soft() -> None:
    values = [sharpness(cv2.GaussianBlur(blocks(), (0, 0), sigma)) for sigma in (0.5, 1.0, 2.0, 3.0, 5.0)]
    assert values == sorted(values, reverse=True)
    assert values[1] > 0.03 > values[3]


@pytest.mark.parametrize("shift", [-40, 0, 40])
def test_it_does_not_depend_on_contrast_and_brightness(shift: int) -> None:
    weak = np.rint(125 + shift + (blocks() - 125.0) * 0.5).astype(np.uint8)
    assert sharpness(weak) == pytest.approx(sharpness(blocks()), rel=0.05)


def test_noise_is_no_detail() -> None:
    soft = cv2.GaussianBlur(blocks(), (0, 0), 4).astype(float)
    noisy = np.clip(soft + np.random.default_rng(1).normal(0, 4, soft.shape), 0, 255).astype(np.uint8)
    assert sharpness(noisy) < 0.03


def test_by_hand() -> None:
    """An edge in the middle of one tile of 32 px, softened by (1, 2, 1) / 4 along it and across."""
    edge = np.full((32, 32), 10, np.uint8)
    edge[:, 16:] = 240
    # Across, the softened edge is 0, 1/4, 3/4, 1 of 230, its Laplacian 1/4, 1/4, -1/4, -1/4 in four columns
    # of 28 rows (filters lose 2 px at each end); the mean goes over 32 x 32 px, the variance is (230 / 2)^2.
    wanted = 4 * 28 * (230 / 4) ** 2 / (32 * 32) / (230 / 2) ** 2
    assert sharpness(edge) == pytest.approx(wanted, rel=1e-5)


def test_what_shows_nothing_has_the_value_that_is_asked_for() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    assert sharpness(flat) == 1.0 and sharpness(flat, if_flat=0.0) == 0.0
    assert sharpness(np.zeros((4, 300), np.uint8), if_flat=0.5) == 0.5
