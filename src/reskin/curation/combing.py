"""Combing: two moments in the rows of one picture, as interlaced video has them where something moves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reskin.images import Picture

_CELL_PX = 16
_LEAST_STEP = 12.0
"""Levels by which a row must differ from the ones above and below, which must resemble each other."""
_ALIKE = 0.5
"""Rows two apart differ by at most this share of that step."""
_ROWS_ON_END = 3
"""Rows of one field, on end, that must show it: six px of height."""
_MARGIN_ROWS = 2 * _ROWS_ON_END
"""Rows of one field beyond those that are looked at which their result may depend on."""
_FEWEST_PX = 8
"""Combed px of one field that make a cell of 16 x 16 px part of it."""
_MOST_SHIFT = 1 / 16
"""The share of the width over which something may move from one field to the next; at least 16 px."""
_MENDED = 0.5
"""What is left of the step where the fields are shifted onto each other, at most."""
_MOST_CELLS = 96
"""Cells of a picture that are looked at closely, spread over it."""
_BAND_ROWS = 128
"""Rows of one field that are looked at together, a multiple of half a cell: of a large picture, the wide
numbers of all rows would take more memory than the picture."""


def combed_share(image: Picture) -> float:
    """The share of the picture, 0 to 1, in which its even rows show another moment than its odd rows.

    A pixel may be combed where it differs from the rows above and below, and these, two apart, do not differ
    from each other. Thin horizontal stripes do that too. But what has moved sideways fits again once one
    field is shifted one way; stripes never do, and a texture that repeats does either way. Cells of 16 x 16
    px are counted; motion beside the left and right edges of the picture is not seen.

    Args:
        image: RGB, uint8, (H, W, 3), with its rows as they were decoded: scaling mixes the two fields.

    >>> combed_share(np.zeros((64, 64, 3), np.uint8))
    0.0
    """
    import cv2

    grey: Picture = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[: len(image) // 2 * 2].astype(
        np.uint8, copy=False
    )
    height, width = grey.shape
    if height < 2 * _CELL_PX or width < 2 * _CELL_PX:
        return 0.0
    even, odd = grey[0::2], grey[1::2]
    counts = np.concatenate([_in_cells(band) for band in _bands(even, odd)])
    found = np.argwhere(counts >= _FEWEST_PX)
    if not len(found):
        return 0.0
    chosen = found[np.linspace(0, len(found) - 1, min(len(found), _MOST_CELLS)).astype(int)]
    steps = _Steps(even, odd, most_shift=max(16, round(width * _MOST_SHIFT)))
    is_mended = [steps.is_mended(int(row), int(column)) for row, column in chosen]
    return float(np.mean(is_mended)) * len(found) / counts.size


def _bands(even: Picture, odd: Picture) -> Iterator[NDArray[np.uint8]]:
    """The candidates of all rows, some rows at a time."""
    for start in range(0, len(even), _BAND_ROWS):
        above = min(start, _MARGIN_ROWS)
        rows = slice(start - above, start + _BAND_ROWS + _MARGIN_ROWS)
        found = _candidates(even[rows].astype(np.float32), odd[rows].astype(np.float32))
        yield found[above : above + _BAND_ROWS]


def _candidates(even: NDArray[np.float32], odd: NDArray[np.float32]) -> NDArray[np.uint8]:
    """1 where an odd row stands out from the even ones about it, on end; (H / 2, W)."""
    import cv2

    below = np.concatenate([even[1:], even[-1:]])
    up, down = odd - even, odd - below
    step = np.minimum(np.abs(up), np.abs(down))
    above = np.concatenate([odd[:1], odd[:-1]])
    beneath = np.concatenate([odd[1:], odd[-1:]])
    apart = np.maximum(np.abs(even - below), np.minimum(np.abs(odd - above), np.abs(odd - beneath)))
    stands_out = (up * down > 0) & (step > _LEAST_STEP) & (apart < _ALIKE * step)
    # Two px wide at least: a checkerboard of single px is a dither, not a comb.
    on_end = np.ones((_ROWS_ON_END, 2), np.uint8)
    maps = [(stands_out & (up > 0)).astype(np.uint8), (stands_out & (up < 0)).astype(np.uint8)]
    lighter, darker = (cv2.morphologyEx(one, cv2.MORPH_OPEN, on_end) for one in maps)
    return np.asarray(cv2.bitwise_or(lighter, darker), np.uint8)


def _in_cells(marks: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many px are marked in each cell, (rows, columns); a cell has 8 rows of one field."""
    rows, columns = marks.shape[0] // (_CELL_PX // 2), marks.shape[1] // _CELL_PX
    cut = marks[: rows * (_CELL_PX // 2), : columns * _CELL_PX]
    return cut.reshape(rows, _CELL_PX // 2, columns, _CELL_PX).sum(axis=(1, 3), dtype=np.int64)


class _Steps:
    """The step between the fields about a cell, as they are and with one of them shifted sideways."""

    def __init__(self, even: Picture, odd: Picture, *, most_shift: int) -> None:
        self._even, self._odd, self._most = even, odd, most_shift

    def is_mended(self, row: int, column: int) -> bool:
        """Whether a shift makes most of the step vanish."""
        width = self._odd.shape[1]
        rows = slice(row * _CELL_PX // 2, (row + 1) * _CELL_PX // 2)
        left = max(0, column * _CELL_PX - _CELL_PX)
        right = min(width, (column + 2) * _CELL_PX)
        mine = self._odd[rows, left:right].astype(np.float32)
        upper = self._even[rows].astype(np.float32)
        lower = self._even[rows.start + 1 : rows.stop + 1].astype(np.float32)
        between = (upper + np.concatenate([lower, upper[len(lower) :]])) / 2  # what an odd row should be
        before = self._step(mine, between, left)
        # As far as there is room on both sides: what moved fits after a shift in one direction, a texture
        # that repeats fits after one in either.
        farthest = min(self._most, left, width - right)
        forth, back = (
            min(
                (self._step(mine, between, left + sign * shift) for shift in range(1, farthest + 1)),
                default=0.0,
            )
            for sign in (1, -1)
        )
        return min(forth, back) < _MENDED * before <= max(forth, back)

    @staticmethod
    def _step(mine: NDArray[np.float32], between: NDArray[np.float32], start: int) -> float:
        return float(np.abs(mine - between[:, start : start + mine.shape[1]]).mean())
