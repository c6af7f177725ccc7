"""A film before it is translated: where its shots begin, and the borders of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from reskin.spread import spread
from reskin.types import NO_BARS, Bars
from reskin.video.bars import BorderFinder
from reskin.video.reader import VideoReader
from reskin.video.scenes import find_shots

LOOKS_A_SHOT = 8
"""Frames of each shot that are looked at for borders, spread over it."""

LOOKS_A_FILM = 16
"""Key frames that are looked at first: where none of them has a border, no shot is taken to have one."""


@dataclass(frozen=True)
class Shot:
    """Frames between two cuts.

    Attributes:
        first: number of its first frame.
        bars: px of border at the left, top, right and bottom.
    """

    first: int
    bars: Bars = NO_BARS


def survey(path: Path | str, *, progress: Callable[[int, int], None] | None = None) -> list[Shot]:
    """The shots of a video and their borders.

    Args:
        path: a local file.
        progress: told after each frame how many of how many have been looked at.

    Returns:
        At least one shot; the first begins at frame 0.

    Raises:
        VideoError: the file cannot be read; see `VideoReader`.
        SettingsError: PySceneDetect is not installed.
    """
    starts = find_shots(path, progress=progress)
    with VideoReader(path, deinterlace="off") as reader:
        total = len(reader.times())
        keys = reader.key_frames() or list(range(total))
        # A single frame cannot show that a border on one edge alone stands still: looks that lie apart can.
        alone = (_looked_at(reader, [key]).bars() for key in _looks(keys, LOOKS_A_FILM))
        whole = _looked_at(reader, _looks(range(total), LOOKS_A_FILM)).bars()
        if whole == NO_BARS and all(bars == NO_BARS for bars in alone):
            return [Shot(first) for first in starts]
        spans = [range(first, last) for first, last in pairwise([*starts, max(total, starts[-1] + 1)])]
        return [Shot(span.start, _bars_of(reader, span, whole)) for span in spans]


def _bars_of(reader: VideoReader, span: range, whole: Bars) -> Bars:
    """The borders of a shot; where it shows none of its own, those of the film if they are dark in it too."""
    found = _looked_at(reader, _looks(span, LOOKS_A_SHOT))
    bars = found.bars()
    return whole if bars == NO_BARS and found.agrees(whole) else bars


def _looked_at(reader: VideoReader, numbers: Sequence[int]) -> BorderFinder:
    finder = BorderFinder()
    for frame in reader.frames_at(list(numbers)):
        finder.add(frame.image)
    return finder


def _looks(numbers: Sequence[int], most: int) -> list[int]:
    return [numbers[index] for index in spread(len(numbers), most)]
