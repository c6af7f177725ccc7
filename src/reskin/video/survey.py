"""A film before it is translated: where its shots begin, and the borders of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from reskin.errors import NoFramesError
from reskin.progress import Report
from reskin.spread import spread
from reskin.types import NO_BARS, Bars
from reskin.video.bars import DARK_LEVEL, BorderFinder
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


def survey(
    path: Path | str,
    *,
    part: range | None = None,
    has_bars: bool = True,
    progress: Report | None = None,
) -> list[Shot]:
    """The shots of a video and their borders.

    Args:
        path: a local file.
        part: numbers of the frames to look at; by default all.
        has_bars: whether borders are looked for; if not, no shot has any.
        progress: called after each frame with how many of how many have been looked at.

    Returns:
        At least one shot; the first begins at frame 0, or at the first of `part`.

    Raises:
        VideoError: the file cannot be read; see `VideoReader`.
        NoFramesError: borders are looked for, and the film is black all over.
        SettingsError: PySceneDetect is not installed.
    """
    starts = find_shots(path, part=part, progress=progress)
    if not has_bars:
        return [Shot(first) for first in starts]
    with VideoReader(path, deinterlace="off") as reader:
        numbers = part if part is not None else range(len(reader.times()))
        keys = [key for key in reader.key_frames() if key in numbers] or list(numbers)
        # A single frame cannot show that a border on one edge alone stands still: looks that lie apart can.
        alone = (_looked_at(reader, [key]).bars() for key in _looks(keys, LOOKS_A_FILM))
        whole = _looked_at(reader, _looks(numbers, LOOKS_A_FILM)).bars()
        if whole == NO_BARS and all(bars == NO_BARS for bars in alone):
            check_shows_something(
                reader, numbers, fix="Check the source, choose another --start, or add --bars translate."
            )
            return [Shot(first) for first in starts]
        spans = [range(first, last) for first, last in pairwise([*starts, max(numbers.stop, starts[-1] + 1)])]
        return [Shot(span.start, _bars_of(reader, span, whole)) for span in spans]


def check_shows_something(reader: VideoReader, numbers: range, *, fix: str) -> None:
    """Refuse frames that are black all over, of which nothing lies within borders (NoFramesError).

    Args:
        reader: of the film.
        numbers: of the frames; some are looked at, evenly spread.
        fix: what to do about it, for the error.
    """
    looks = reader.frames_at(list(_looks(numbers, LOOKS_A_SHOT)))
    if all(int(np.percentile(frame.image, 99.9)) <= DARK_LEVEL for frame in looks):
        what = f"{reader.path} is black all over: there is no picture within its borders"
        raise NoFramesError(what, fix)


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
