"""The rule about bars: even stripes above and below or left and right, as of a film in another shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reskin.curation.screen.rule import PictureView, Rule
from reskin.images import Picture
from reskin.types import Bars

_BLACK = 24
_FLAT = 3.0
_SOFT_PX = 3
"""Compression blurs the border of a bar over this many px."""
_STEP = 12


def bars_share(seen: PictureView) -> float:
    """The share of the picture that bars take, 0 to 1; only even stripes along opposite edges count."""
    left, top, right, bottom = find_bars(seen.grey)
    height, width = seen.grey.shape
    return 1 - (height - top - bottom) * (width - left - right) / (height * width)


def find_bars(grey: Picture) -> Bars:
    """Widths of the bars of a picture, (H, W), in px: left, top, right, bottom."""
    top, bottom = _pair(grey)
    inner = grey[top : grey.shape[0] - bottom]
    left, right = _pair(inner.T)
    return left, top, right, bottom


def _pair(grey: Picture) -> tuple[int, int]:
    """Rows that the bars above and below take; 0 for both where there are no two alike."""
    height = grey.shape[0]
    means, spreads = grey.mean(axis=1), grey.std(axis=1)
    top, bottom = _flat_rows(means, spreads), _flat_rows(means[::-1], spreads[::-1])
    if min(top, bottom) < 2 or top + bottom > 0.9 * height or abs(top - bottom) > max(2, 0.1 * top):
        return 0, 0
    is_black = max(means[0], means[-1]) <= _BLACK
    if not is_black and abs(means[0] - means[-1]) > _FLAT:
        return 0, 0
    steps = [_step(grey, top), _step(grey[::-1], bottom)]
    # White paper around a thing is no bar: a bar ends along a straight line.
    return (top, bottom) if max(steps) > (0.25 if is_black else 0.8) else (0, 0)


def _flat_rows(means: NDArray[np.floating], spreads: NDArray[np.floating]) -> int:
    """How many rows from the first on have one and the same brightness all over."""
    flat = (spreads < _FLAT) & (np.abs(means - means[0]) < _FLAT)
    return len(flat) if flat.all() else int(flat.argmin())


def _step(grey: Picture, rows: int) -> float:
    """The share of the columns in which brightness jumps where the bar ends."""
    beyond = min(rows + _SOFT_PX, grey.shape[0] - 1)
    jump = np.abs(grey[beyond].astype(np.int16) - grey[rows - 1])
    return float((jump > _STEP).mean())


BARS = Rule("bars", "above", 0.05, "bars or a frame take this share of it", bars_share)
