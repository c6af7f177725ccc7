"""Letterbox, pillarbox and other black borders of a shot, exact to the pixel.

Unlike the search of dataset preparation, which cuts a little more than is black, this one says where the
picture
itself begins, since what lies outside of it is given back to the film untouched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reskin.types import NO_BARS, Bars

DARK_LEVEL = 24
"""A pixel of a border is not above this level (0 to 255) after a 3 px blur, so that film grain does not
matter."""

_LINE_SHARE = 0.85
"""A line of pixels is dark when at least this share of it is: a logo or a subtitle may lie in a bar."""

_SCENE_SHARE = 0.02
"""A frame with no more bright pixels than this share is black all over and says nothing."""

_FRAMES_SHARE = 0.9
"""A border is dark in at least this share of the frames of a shot."""

_LEAST_SHARE, _MOST_SHARE = 0.006, 0.42
"""A border takes at least and at most this share of the edge it lies across; else it is taken for picture."""

_STILL_LEVELS = 3.0
"""A border on one edge alone must be so still and so even, in levels, since a dark floor is dark too."""


_MOVED_LEVELS, _MOVED_SHARE = 10, 0.002
"""Something moves in a shot where at least this share of its pixels changes by more than so many levels."""


class BorderFinder:
    """Takes the frames of one shot and says which borders they share."""

    def __init__(self) -> None:
        self.frames = 0
        self._rows: NDArray[np.int64] | None = None
        self._columns: NDArray[np.int64] | None = None
        self._low: NDArray[np.uint8] | None = None
        self._high: NDArray[np.uint8] | None = None

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Look at a frame, (H, W, 3) uint8; all of one size."""
        import cv2

        level = np.asarray(cv2.blur(frame.max(axis=2), (3, 3)), np.uint8)
        dark = level <= DARK_LEVEL
        if 1 - dark.mean() <= _SCENE_SHARE:
            return
        self.frames += 1
        rows = dark.mean(axis=1) >= _LINE_SHARE
        inside = dark[_first(~rows) : len(rows) - _first(~rows[::-1])]
        columns = inside.mean(axis=0) >= _LINE_SHARE
        if self._rows is None or self._columns is None or self._low is None or self._high is None:
            self._rows, self._columns = rows.astype(np.int64), columns.astype(np.int64)
            self._low, self._high = level.copy(), level.copy()
            return
        self._rows += rows
        self._columns += columns
        np.minimum(self._low, level, out=self._low)
        np.maximum(self._high, level, out=self._high)

    def bars(self) -> Bars:
        """Px of border at the left, top, right and bottom; none where no frame showed more than black."""
        if self._rows is None or self._columns is None:
            return NO_BARS
        needed = _FRAMES_SHARE * self.frames
        is_row, is_column = self._rows >= needed, self._columns >= needed
        top, bottom = _first(~is_row), _first(~is_row[::-1])
        left, right = _first(~is_column), _first(~is_column[::-1])
        top, bottom = self._believed(top, bottom, axis=0)
        left, right = self._believed(left, right, axis=1)
        return left, top, right, bottom

    def agrees(self, bars: Bars) -> bool:
        """Whether what a whole film has as borders is dark in these frames too."""
        if self._rows is None or self._columns is None:
            return True  # nothing but black
        left, top, right, bottom = bars
        needed = _FRAMES_SHARE * self.frames
        rows, columns = self._rows >= needed, self._columns >= needed
        edges = (rows[:top], rows[len(rows) - bottom :], columns[:left], columns[len(columns) - right :])
        return all(bool(edge.all()) for edge in edges)

    def _believed(self, before: int, after: int, *, axis: int) -> tuple[int, int]:
        """Of two opposite borders those that are one: a matching pair, or each that is perfectly still and
        even."""
        assert self._low is not None and self._high is not None
        edge = self._low.shape[axis]
        sizes = [
            width if _LEAST_SHARE * edge <= width <= _MOST_SHARE * edge else 0 for width in (before, after)
        ]
        smaller, larger = sorted(sizes)
        if smaller and larger - smaller <= max(3, 0.15 * larger):
            return sizes[0], sizes[1]
        low, high = (np.moveaxis(level, axis, 0) for level in (self._low, self._high))
        if float((high.astype(np.int64) - low > _MOVED_LEVELS).mean()) < _MOVED_SHARE:
            return 0, 0  # nothing moves anywhere, so that a border is still says nothing
        # The line next to the picture is blurred with it: of a thin border it would be a large part.
        outer = (slice(0, max(1, before - 1)), slice(edge - max(1, after - 1), edge))
        kept = [
            width if width and self._is_still(low[part], high[part]) else 0
            for width, part in zip(sizes, outer, strict=True)
        ]
        return kept[0], kept[1]

    def _is_still(self, low: NDArray[np.uint8], high: NDArray[np.uint8]) -> bool:
        """Whether nearly all of a border never changed and has one level."""
        calm = (high.astype(np.int64) - low) <= _STILL_LEVELS
        even = np.abs(high.astype(np.float64) - np.median(high)) <= _STILL_LEVELS
        return self.frames > 1 and float((calm & even).mean()) >= _LINE_SHARE


def _first(flags: NDArray[np.bool_]) -> int:
    """Position of the first True; 0 where there is none, since then nothing is picture."""
    return int(flags.argmax())
