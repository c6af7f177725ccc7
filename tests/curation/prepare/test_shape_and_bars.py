"""Sizes and black bars against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reskin.curation.prepare.bars import SAMPLES, find_bars, sample_frames
from reskin.curation.prepare.shape import Shape, lengths_of, shape_of, shaped


def test_fits_by_hand() -> None:
    assert shape_of(1920, 1080, size="640x360") == Shape((640, 360), (0, 0, 1920, 1080))
    assert shape_of(1920, 1080, size="640x360").aspect_change == 0
    assert shape_of(1920, 800, size="640x360").aspect_change == pytest.approx(16 / 9 / 2.4 - 1)
    assert shape_of(1920, 800, size="640x360", fit="inside").size == (640, 267)
    cover = shape_of(1920, 800, size="640x360", fit="cover")
    assert cover.size == (640, 360) and cover.aspect_change == pytest.approx(0)
    assert cover.box == pytest.approx((960 - 800 * 16 / 18, 0, 960 + 800 * 16 / 18, 800))
    assert shape_of(1920, 1080, size="256", bars=(0, 140, 0, 140)).size == (614, 256)
    assert shape_of(100, 50, size=None, bars=(1, 2, 3, 4)) == Shape((96, 44), (1, 2, 97, 46))


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["1", "64", "31x77", "640x1"]))
def test_boxes_lie_inside_and_sizes_are_as_asked(width: int, height: int, size: str) -> None:
    for fit in ("exact", "cover", "inside"):
        shape = shape_of(width, height, size=size, fit=fit)
        left, top, right, bottom = shape.box
        assert 0 <= left < right <= width + 1e-9 and 0 <= top < bottom <= height + 1e-9
        sides = lengths_of(size)
        if len(sides) == 1:
            assert min(shape.size) == sides[0]
        elif fit == "inside":
            assert shape.size[0] <= sides[0] and shape.size[1] <= sides[1]
            assert shape.size[0] == sides[0] or shape.size[1] == sides[1]
        else:
            assert list(shape.size) == sides


def test_cutting_keeps_pixels_and_covering_takes_the_middle() -> None:
    image = np.arange(10 * 12 * 3, dtype=np.uint8).reshape(10, 12, 3)
    assert (shaped(image, shape_of(12, 10, size=None, bars=(1, 2, 3, 4))) == image[2:6, 1:9]).all()
    halves = np.zeros((10, 30, 3), np.uint8)
    halves[:, 10:20] = 200
    assert (shaped(halves, shape_of(30, 10, size="5x5", fit="cover")) == 200).all()


@pytest.mark.parametrize("size", ["0", "3x", "x3", "3x0", "99999", "1x2x3", "-1", "3 x 4", ""])
def test_wrong_sizes(size: str) -> None:
    with pytest.raises(ValueError, match=r"size|height"):
        lengths_of(size)


def scene(seed: int, *, dark: bool = False) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(30, 255, (90, 160, 3), dtype=np.uint8)
    if dark:
        noise[60:] = 5
    return noise


def boxed(image: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    framed = np.full_like(image, 3)
    height, width = image.shape[:2]
    framed[top : height - bottom, left : width - right] = image[top : height - bottom, left : width - right]
    return framed


def test_bars_are_found() -> None:
    assert find_bars([boxed(scene(i), 0, 12, 0, 12) for i in range(4)]) == (0, 14, 0, 14)
    assert find_bars([boxed(scene(i), 20, 0, 19, 0) for i in range(4)]) == (22, 0, 21, 0)
    assert find_bars([boxed(scene(i), 20, 10, 20, 10) for i in range(4)]) == (22, 12, 22, 12)


def test_what_is_no_bar() -> None:
    assert find_bars([]) == find_bars([np.zeros((9, 9, 3), np.uint8)]) == (0, 0, 0, 0)
    assert find_bars([scene(0, dark=True)] * 3) == (0, 0, 0, 0)  # a dark floor without a dark ceiling
    bars = [boxed(scene(i), 0, 12, 0, 12) for i in range(3)]
    assert find_bars([*bars, scene(9)]) == (0, 0, 0, 0)  # one frame fills the picture
    black = np.zeros((90, 160, 3), np.uint8)
    assert find_bars([black, *bars, black]) == (0, 14, 0, 14)  # a fade says nothing
    assert find_bars([boxed(scene(1), 0, 40, 0, 40)]) == (0, 0, 0, 0)  # more than a film ever has


def test_no_more_frames_are_taken_than_needed() -> None:
    taken = []

    def frames():
        for number in range(9):
            taken.append(number)
            yield scene(number)

    assert find_bars(frames()) == (0, 0, 0, 0) and taken == [0]


def test_samples_are_key_frames_where_there_are_enough() -> None:
    keys = list(range(0, 5000, 50))
    samples = sample_frames(range(5000), keys)
    assert len(samples) == SAMPLES and set(samples) <= set(keys)
    few = sample_frames(range(100), [0, 50])
    assert few[:2] == [0, 50] and len(few) > 10 and few[2:] == sorted(few[2:]) and len(set(few)) == len(few)
    assert sample_frames(range(0), []) == []


def test_borders_of_a_captured_window_are_found_on_one_edge() -> None:
    window = [boxed(scene(i), 0, 0, 22, 14) for i in range(4)]
    found = find_bars(window)
    assert (
        found[:2] == (0, 0) and found[2] == pytest.approx(24, abs=1) and found[3] == pytest.approx(16, abs=1)
    )


def test_thin_borders_of_a_captured_window_are_found() -> None:
    """Four px at the left and the top, the last of them half bright, as scaling and compression leave it."""
    window = []
    for number in range(4):
        framed = boxed(np.repeat(np.repeat(scene(number), 2, 0), 2, 1), 4, 4, 44, 28)
        framed[4:-28, 3] = framed[3, 4:-44] = 34
        window.append(framed)
    assert find_bars(window) == pytest.approx((6, 6, 46, 30), abs=1)
