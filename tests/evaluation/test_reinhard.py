"""Colour transfer: the set gets the target's mean and deviation."""

from __future__ import annotations

import numpy as np
import pytest

from reskin.colour import to_lab
from reskin.errors import DataError
from reskin.evaluation.reinhard import Reinhard, measure


def pictures(seed: int, low: int, high: int, count: int = 4) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.integers(low, high, (24, 30, 3), dtype=np.uint8) for _ in range(count)]


def test_statistics_are_those_of_all_pixels_together() -> None:
    images = pictures(0, 10, 90) + pictures(1, 100, 250)
    pixels = np.concatenate([to_lab(image).reshape(-1, 3).astype(np.float64) for image in images])
    found = measure(iter(images))
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.deviation, pixels.std(axis=0), rtol=1e-9)
    assert found.pictures == 8


def test_the_set_takes_the_colours_of_the_target() -> None:
    source, target = pictures(0, 60, 140), pictures(1, 100, 160)
    transfer = Reinhard().fit(target, source)
    after, wanted = measure(transfer.transfer(image) for image in source), measure(target)
    np.testing.assert_allclose(after.mean, wanted.mean, atol=0.3)
    np.testing.assert_allclose(after.deviation, wanted.deviation, atol=0.3)


def test_order_of_lightness_is_kept_over_the_set_only() -> None:
    dark, light = pictures(0, 20, 60, 1)[0], pictures(1, 150, 200, 1)[0]
    target = pictures(2, 80, 180)
    together, alone = Reinhard().fit(target, [dark, light]), Reinhard().fit(target)
    assert together.transfer(light).mean() > together.transfer(dark).mean() + 40
    assert abs(alone.transfer(light).mean() - alone.transfer(dark).mean()) < 5


def test_own_colours_change_nothing() -> None:
    images = pictures(0, 0, 256)
    np.testing.assert_array_equal(Reinhard().fit(images, images).transfer(images[0]), images[0])


def test_wrong_use_is_refused() -> None:
    with pytest.raises(DataError):
        measure([])
    with pytest.raises(DataError, match="fit first"):
        Reinhard().transfer(pictures(0, 0, 9, 1)[0])
