"""Borders of a shot: exact, with noise, logos and subtitles; never a dark floor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reskin.types import Bars
from reskin.video.bars import BorderFinder

Change = Callable[[np.ndarray, int], None]


def shot(bars: Bars, *, frames: int = 6, level: int = 2, change: Change | None = None) -> list[np.ndarray]:
    """Frames of 90x160 with moving texture inside of borders."""
    left, top, right, bottom = bars
    drawn = []
    for number in range(frames):
        draw = np.random.default_rng(number)
        frame = np.full((90, 160, 3), level, np.uint8)
        frame[top : 90 - bottom, left : 160 - right] = draw.integers(
            60, 220, (90 - top - bottom, 160 - left - right, 3)
        )
        if change:
            change(frame, number)
        drawn.append(frame)
    return drawn


def found(frames: list[np.ndarray]) -> Bars:
    finder = BorderFinder()
    for frame in frames:
        finder.add(frame)
    return finder.bars()


@pytest.mark.parametrize("bars", [(0, 11, 0, 11), (20, 0, 20, 0), (16, 9, 16, 9), (0, 0, 0, 0)])
@pytest.mark.parametrize("level", [0, 16])
def test_exact_to_the_pixel(bars: Bars, level: int) -> None:
    assert found(shot(bars, level=level)) == pytest.approx(bars, abs=1)


def test_grain_in_the_bars() -> None:
    def grain(frame: np.ndarray, number: int) -> None:
        noise = np.random.default_rng([7, number]).normal(16, 3, (12, 160, 3))
        frame[:12] = frame[-12:] = np.clip(noise, 0, 255)

    assert found(shot((0, 12, 0, 12), change=grain)) == pytest.approx((0, 12, 0, 12), abs=1)


def test_a_logo_and_a_subtitle_in_the_bars() -> None:
    def written(frame: np.ndarray, number: int) -> None:
        frame[3:9, 140:156] = 230
        if number > 2:
            frame[-9:-5, 60:80] = 255

    assert found(shot((0, 12, 0, 12), change=written)) == pytest.approx((0, 12, 0, 12), abs=1)


def test_a_border_on_two_edges_only_as_of_a_captured_window() -> None:
    assert found(shot((0, 0, 33, 20))) == pytest.approx((0, 0, 33, 20), abs=1)


def test_a_dark_floor_is_picture() -> None:
    def floor(frame: np.ndarray, number: int) -> None:
        frame[-20:] = np.random.default_rng([3, number]).integers(0, 16, (20, 160, 3))

    assert found(shot((0, 0, 0, 0), change=floor)) == (0, 0, 0, 0)


def test_black_frames_say_nothing() -> None:
    black = [np.zeros((90, 160, 3), np.uint8)] * 5
    assert found(black) == (0, 0, 0, 0)
    assert found(black + shot((0, 11, 0, 11)) + black) == pytest.approx((0, 11, 0, 11), abs=1)


def test_no_frames_no_borders() -> None:
    assert found([]) == (0, 0, 0, 0)


def test_a_still_shot_agrees_with_the_borders_of_its_film() -> None:
    finder = BorderFinder()
    for frame in [shot((0, 0, 33, 20), frames=1)[0]] * 4:
        finder.add(frame)
    assert finder.bars() == (0, 0, 0, 0) and finder.agrees((0, 0, 32, 19))
    assert not finder.agrees((5, 0, 0, 0))
