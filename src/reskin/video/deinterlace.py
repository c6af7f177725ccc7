"""Interlaced pictures as whole ones: found by flag and measurement, and filled with FFmpeg's bwdif or yadif.

An interlaced frame holds two moments, one in its even and one in its odd lines, so that what moves is combed.
The filter keeps the lines of the first moment and makes the others from them and from the frames before and
behind. One frame comes out for each that goes in, so that numbers and times stay.

Many recorders mark progressive pictures as interlaced (MBAFF, progressive segmented frames). These are
recognised apart by what is seen: a pixel is combed where it differs from the lines above and below in one
direction, and where something moved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

Deinterlace = Literal["auto", "on", "off"]
"""Whether interlaced pictures are filled: where marked and seen to be combed (auto), always or never."""

LOOKS = 12
"""Positions of a film that are looked at, two neighbouring frames each."""

_STEP = 12.0
"""Levels by which a line must stand out from both its neighbours, and by which a pixel must have moved."""

_COMBED_SHARE = 0.0015
"""A frame is combed where at least this share of its pixels is ..."""

_TIMES_FIELD = 3.0
"""... and so many times as many as within either of its two moments, where fine patterns comb as well."""


def comb_measures(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> tuple[float, float]:
    """Share of combed pixels of a frame, and the same within the moments that it holds.

    Args:
        before: luma of the frame before, (H, W).
        now: luma of the frame, (H, W).

    Returns:
        Between neighbouring lines, and between the lines of one moment, 0 to 1.
    """
    moved = np.abs(now.astype(np.float32) - before) > _STEP
    fields = [(now[parity::2], moved[parity::2]) for parity in (0, 1)]
    return _combed(now, moved), max(_combed(*field) for field in fields)


def _combed(lines: NDArray[np.uint8], moved: NDArray[np.bool_]) -> float:
    if len(lines) < 3:
        return 0.0
    wide = lines.astype(np.float32)
    above, below = wide[:-2] - wide[1:-1], wide[2:] - wide[1:-1]
    is_line = (above * below > 0) & (np.minimum(np.abs(above), np.abs(below)) > _STEP)
    return float((is_line & moved[1:-1]).mean())


def looks_interlaced(pairs: Iterable[tuple[Any, Any]]) -> bool:
    """Whether neighbouring frames, decoded by PyAV, are marked as interlaced and seen to be.

    One combed frame is enough, since most of a film may stand still.
    """
    for before, now in pairs:
        if not now.interlaced_frame or (before.width, before.height) != (now.width, now.height):
            continue
        share, within = comb_measures(_luma(before), _luma(now))
        if share >= _COMBED_SHARE and share >= _TIMES_FIELD * within:
            return True
    return False


def _luma(frame: Any) -> NDArray[np.uint8]:
    return np.asarray(frame.reformat(format="gray").to_ndarray(), np.uint8)


def filled(pictures: Iterable[tuple[int, Any]], *, all_of_them: bool) -> Iterator[tuple[int, Any]]:
    """Numbered frames, those that are interlaced filled.

    Args:
        pictures: number and PyAV frame, rising; where a number is missing the filter begins anew.
        all_of_them: those as well that are not marked.
    """
    graph: _Filter | None = None
    last: tuple[int, Any] | None = None
    for index, frame in pictures:
        kind = (frame.width, frame.height, frame.format.name)
        if graph is None or last != (index - 1, kind):
            yield from graph.rest() if graph else ()
            graph = _Filter(frame, all_of_them)
        yield from graph.put(index, frame)
        last = index, kind
    yield from graph.rest() if graph else ()


class _Filter:
    """FFmpeg's filter for a run of frames of one size and format."""

    def __init__(self, frame: Any, all_of_them: bool) -> None:
        self._graph, self._numbers, self._count = Graph(), deque[int](), 0
        name = "bwdif" if "bwdif" in av.filter.filters_available else "yadif"
        size = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        colours = f"colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"
        nodes = [
            self._graph.add("buffer", f"{size}:time_base=1/1:pixel_aspect=1/1:{colours}"),
            self._graph.add(name, f"mode=send_frame:deint={'all' if all_of_them else 'interlaced'}"),
            self._graph.add("buffersink"),
        ]
        for first, second in pairwise(nodes):
            first.link_to(second)
        self._graph.configure()

    def put(self, index: int, frame: Any) -> Iterator[tuple[int, Any]]:
        """Give it the next frame; what comes out, numbered."""
        self._numbers.append(index)
        frame.pts = self._count  # Times of damaged files may repeat; the filter is to see even steps.
        self._count += 1
        self._graph.push(frame)
        yield from self._made()

    def rest(self) -> Iterator[tuple[int, Any]]:
        """What is still inside."""
        self._graph.push(None)
        yield from self._made()

    def _made(self) -> Iterator[tuple[int, Any]]:
        while True:
            try:
                made = self._graph.pull()
            except (av.error.BlockingIOError, EOFError):
                return
            yield self._numbers.popleft(), made
