"""Black bars of a film: found in several frames, so that a night scene is not taken for one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from reskin.images import Picture
from reskin.spread import spread
from reskin.types import NO_BARS, Bars
from reskin.video.bars import BorderFinder

SAMPLES = 16
"""Frames that are looked at, at most; a film whose edges are bright in the first ones is believed at once."""

_DARK = 16
"""A row belongs to a bar while 98 of 100 of its pixels are not above this level, 0 to 255."""

_LEAST_SHARE = 0.015
_MOST_SHARE = 0.4
"""A bar takes at least and at most this share of the edge; what is outside is taken for picture."""

_SOFT_PX = 2
"""Cut more than is black: scaling and compression blur the border."""


def sample_frames(inside: range, keys: list[int]) -> list[int]:
    """Which frames to look at: key frames, which are cheap to decode, spread over the film.

    Where there are few key frames the film is short, and frames spread over it are taken besides.

    Args:
        inside: the frames that may be taken.
        keys: the key frames among them, rising.

    Returns:
        Numbers in the order in which to look: the key frames first, then the others.
    """
    cheap = [keys[i] for i in spread(len(keys), SAMPLES)]
    if len(cheap) >= SAMPLES // 2:
        return cheap
    others = [inside[i] for i in spread(len(inside), SAMPLES)]
    return cheap + sorted(set(others) - set(cheap))


def find_bars(frames: Iterable[Picture]) -> Bars:
    """The borders that all frames have; no more frames are taken than are needed to know that there are none.

    A border is a segment of rows (or columns) at an edge that is black in every frame that is not black all
    over. Pairs of about equal borders count, above and below or left and right, as film is framed. One alone,
    as around a captured window, counts where it never changes: a dark floor does.

    Args:
        frames: RGB, uint8, (H, W, 3), all of one size; two thirds of them should show more than black.

    Returns:
        Px at the left, top, right and bottom, each a little more than is black.

    >>> film = np.full((100, 80, 3), 200, np.uint8)
    >>> film[:12] = film[-12:] = 2
    >>> find_bars([film])
    (0, 14, 0, 14)
    """
    least: NDArray[np.int64] | None = None
    height = width = 0
    still = BorderFinder()
    for frame in chain(frames):
        height, width = frame.shape[:2]
        dark = _dark_edges(frame)
        if dark is None:
            continue
        least = dark if least is None else np.minimum(least, dark)
        if least.max() < 2:
            return NO_BARS
        still.add(frame)
    if least is None:
        return NO_BARS
    left, top, right, bottom = (int(edge) for edge in least)
    alone = still.bars()
    across = (left, right) if _pair(left, right, width) else (alone[0], alone[2])
    down = (top, bottom) if _pair(top, bottom, height) else (alone[1], alone[3])
    return _cut(across[0]), _cut(down[0]), _cut(across[1]), _cut(down[1])


def _cut(edge: int) -> int:
    return edge + _SOFT_PX if edge else 0


def _pair(one: int, other: int, side: int) -> bool:
    """Whether two dark edges are bars."""
    smaller, larger = sorted((int(one), int(other)))
    is_size = smaller >= max(2, _LEAST_SHARE * side) and larger <= _MOST_SHARE * side
    return is_size and larger - smaller <= max(3, 0.15 * larger)


def _dark_edges(frame: Picture) -> NDArray[np.int64] | None:
    """Dark px at the left, top, right and bottom; None for a frame that is dark all over."""
    bright = frame.max(axis=2) > _DARK
    rows = bright.sum(axis=1) > 0.02 * bright.shape[1]
    if not rows.any():
        return None
    top, bottom = int(rows.argmax()), int(rows[::-1].argmax())
    # Columns are judged between the bars, else a picture within four bars would look darker than it is.
    inside = bright[top : bright.shape[0] - bottom]
    columns = inside.sum(axis=0) > 0.02 * inside.shape[0]
    if not columns.any():
        return None
    return np.array([int(columns.argmax()), top, int(columns[::-1].argmax()), bottom])
