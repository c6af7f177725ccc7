"""The rule about text: lines of letters above each other, as in credits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reskin.curation.screen.rule import PictureView, Rule
from reskin.images import Picture

_STROKE_PX = 9
"""Strokes of letters are thinner than this, where the shorter edge has 256 px."""
_CONTRAST = 48
_LOWEST_PX = 3
_HIGHEST = 0.12
"""Lines of text are lower than this share of the height."""
_COMPANIONS = 2
"""A line counts where at least so many others of about its height lie above or below it."""
_FEWEST_STROKES = 25
"""Lines with fewer strokes than this in all are windows or fence posts; three words have more."""


@dataclass(frozen=True)
class _Line:
    left: int
    top: int
    width: int
    height: int
    strokes: float

    def is_stacked(self, other: _Line) -> bool:
        """Whether the other lies above or below this one and is about as high."""
        shared = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        apart = max(self.top, other.top) >= min(self.top + self.height, other.top + other.height) - 1
        low, high = sorted((self.height, other.height))
        return apart and shared >= 0.5 * min(self.width, other.width) and high <= 2 * low


def text_share(seen: PictureView) -> float:
    """The share of the picture that lines of text take, 0 to 1; less than three lines together do not count.

    Letters are thin strokes that stand out from what is behind them, beside each other at one height. Strokes
    are found as what a morphological opening (or, for dark letters, a closing) takes away, and joined
    sideways; what is then low, wide, well filled and often interrupted is a line.
    """
    import cv2

    grey = seen.grey
    if min(grey.shape) < 64:
        return 0.0
    square = np.ones((_STROKE_PX, _STROKE_PX), np.uint8)
    shares = []
    for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        strokes = (cv2.morphologyEx(grey, kind, square) > _CONTRAST).astype(np.uint8)
        lines = _lines(strokes)
        kept = [line for line in lines if sum(map(line.is_stacked, lines)) >= _COMPANIONS]
        is_text = sum(line.strokes for line in kept) >= _FEWEST_STROKES
        shares.append(sum(line.width * line.height for line in kept) / grey.size if is_text else 0.0)
    return max(shares)


def _lines(strokes: Picture) -> list[_Line]:
    import cv2

    joined = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((1, _STROKE_PX), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    # Where each row changes from background to stroke; their sum over a box counts its strokes.
    starts = np.diff(strokes, axis=1, prepend=0) == 1
    highest = _HIGHEST * strokes.shape[0]
    found = []
    for left, top, width, height, area in boxes[1:].tolist():
        if not _LOWEST_PX <= height <= highest or width < 2 * height or area < 0.5 * width * height:
            continue
        inside = (slice(top, top + height), slice(left, left + width))
        number, filled = starts[inside].sum() / height, strokes[inside].mean()
        if number >= max(3.0, 0.6 * width / height) and 0.15 <= filled <= 0.85:
            found.append(_Line(left, top, width, height, float(number)))
    return found


TEXT = Rule("text", "above", 0.012, "lines of text take this share of it, as in credits", text_share)
