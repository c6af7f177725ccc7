"""What has to be known of a video before frames are taken from it: times, size, shots, bars."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, model_validator

from reskin.config import Settings
from reskin.curation.prepare.bars import SAMPLES, find_bars, sample_frames
from reskin.data.manifest import Exact, Number
from reskin.images import Picture
from reskin.progress import Report
from reskin.types import NO_BARS, Bars

if TYPE_CHECKING:
    from reskin.video.reader import VideoReader


MOST_TICKS = 1 << 62
"""Times of a file are whole numbers of 64 bits."""


class Scan(Settings):
    """Facts about one video; JSON-ready, so that they pass between processes and survive a kill."""

    bad: str | None = None
    """Why nothing can be taken from it; the rest is then empty."""
    ticks: list[int] = Field(default=[])
    """When each frame is shown, rising, in units of `unit`."""
    unit: Exact = "1"
    """Seconds of a tick, an exact fraction."""
    duration: float | None = None
    """Length by the file's own account, in seconds."""
    width: Number = 0
    """Px of the upright frame."""
    height: Number = 0
    """Px of the upright frame."""
    shots: list[int] | None = None
    """The first frame of each shot, where shots were asked for."""
    bars: Bars = NO_BARS
    """Black bars: left, top, right, bottom, px."""
    notes: list[str] = Field(default=[])
    """What a user should know that is no damage."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """It may come from a file in somebody else's folder."""
        left, top, right, bottom = self.bars
        if self.bad is not None:
            return self
        if Fraction(self.unit) <= 0 or self.ticks != sorted(self.ticks):
            raise ValueError("the times do not rise")
        if max(map(abs, self.ticks[:1] + self.ticks[-1:]), default=0) > MOST_TICKS:
            raise ValueError("a time is out of range")
        if min(self.bars) < 0 or (
            any(self.bars) and not (left + right < self.width and top + bottom < self.height)
        ):
            raise ValueError("the bars do not lie in the frame")
        shots = self.shots or [0]
        if shots != sorted(shots) or shots[0] < 0 or shots[-1] >= max(1, len(self.ticks)):
            raise ValueError("a shot begins outside of the video")
        return self

    def times(self) -> list[Fraction]:
        """The time of every frame in seconds, rising."""
        unit = Fraction(self.unit)
        return [tick * unit for tick in self.ticks]


def scan_video(
    video: Path,
    *,
    shots: bool,
    bars: bool,
    skip: Sequence[float] = (0.0, 0.0),
    progress: Report | None = None,
) -> Scan:
    """Look through a video.

    Args:
        video: the file.
        shots: look for shots, which decodes every frame.
        bars: look for black bars, which decodes a few.
        skip: seconds at the start and the end in which not to look for bars.
        progress: called after each frame with how many of how many have been looked at for shots.

    Raises:
        VideoError: the file cannot be read.
        SettingsError: shots are asked for and PySceneDetect is not installed.
    """
    from reskin.video.reader import VideoReader
    from reskin.video.scenes import find_shots

    with VideoReader(video) as reader:
        times = reader.times()
        unit = Fraction(1, math.lcm(*(time.denominator for time in times))) if times else Fraction(1)
        duration = reader.info.duration
        found = find_bars(_samples(reader, frames_between(times, *skip))) if bars else NO_BARS
        return Scan(
            ticks=[int(time / unit) for time in times],
            unit=str(unit),
            duration=None if duration is None else float(duration),
            width=reader.info.width,
            height=reader.info.height,
            shots=find_shots(video, progress=progress) if shots else None,
            bars=found,
            notes=reader.notes,
        )


def frames_between(times: Sequence[Fraction], skip_start: float, skip_end: float) -> range:
    """The frames that are left when so many seconds are skipped; perhaps none.

    Args:
        times: of every frame, in seconds, rising.
        skip_start: seconds from the first frame on.
        skip_end: seconds before the time of the last frame.

    >>> frames_between([Fraction(i) for i in range(10)], 2, 3)
    range(2, 7)
    """
    if not times:
        return range(0)
    start = bisect_left(times, times[0] + Fraction(skip_start))
    end = bisect_right(times, times[-1] - Fraction(skip_end))
    return range(start, max(start, end))


def _samples(reader: VideoReader, inside: range) -> Iterator[Picture]:
    """Frames to look for bars in: key frames one by one, then, if need be, others in one pass."""
    keys = [key for key in reader.key_frames() if key in inside]
    order = sample_frames(inside, keys)
    cheap = set(keys).intersection(order[:SAMPLES])
    for index in order:
        if index in cheap:
            yield from (np.asarray(frame.image) for frame in reader.frames_at([index]))
    rest = [index for index in order if index not in cheap]
    if rest:
        yield from (np.asarray(frame.image) for frame in reader.frames_at(rest))
