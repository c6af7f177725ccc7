"""A film in chunks, each of whole segments, that processes of their own translate.

A chunk begins where nothing is remembered of the frames before: at a cut, or anywhere where each frame
stands by itself. So what lies beside the target afterwards is what one process would have left there, and
`translate_video` makes the film of it.
"""

from __future__ import annotations

import math
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from reskin.errors import VideoError
from reskin.methods.translator import Translator
from reskin.progress import silent
from reskin.translation.clips import How, Opened, Translation, film_writer, find_shots, open_film, segment_of
from reskin.translation.film import Frames
from reskin.translation.job import Job, open_job, shared_job
from reskin.translation.two_sided import REACH
from reskin.types import Direction
from reskin.video.reader import Frame
from reskin.video.writer import VideoWriter, encoding_for

A_PROCESS = 2
"""Chunks for each process, so that one that is done early has another to do."""

MOST_TWICE = 0.25
"""Frames between the cut before a chunk and its first are translated twice: at most this share of one."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive segments of a film.

    Attributes:
        segments: their numbers.
        frames: numbers of their frames.
        since: number of the frame, before those or the first of them, behind which nothing is remembered of
            the frames before.
    """

    segments: range
    frames: range
    since: int


@dataclass(frozen=True)
class Plan:
    """What there is to share out.

    Attributes:
        chunks: those of which a segment is missing.
        alone: why the film is one process's work, in words; "" where it is shared out.
    """

    chunks: list[Chunk]
    alone: str = ""


def plan_chunks(
    model: Translator, source: Path, out: Path, direction: Direction, how: How, *, processes: int
) -> Plan:
    """Find the cuts of a film, and note beside `out` what whoever translates a chunk has to know.

    Args:
        model: any translator.
        source: the film.
        out: the film that is to be written.
        direction: one of the model's.
        how: as to `translate_video`.
        processes: how many will work on it.

    Raises:
        VideoError, SettingsError, RunError, StorageError: as `translate_video`.
    """
    with open_film(model, source, out, direction, how) as opened:
        if opened.faces is not None:
            return Plan([], "faces are followed through the whole film")
        with open_job(out, opened.key, opened.computed()) as job:
            if job.has_finished(out):
                return Plan([])
            has_alpha = encoding_for(opened.reader, out, opened.film.options.encoding).has_alpha
            if not opened.film.engine.can_resume or has_alpha:
                return Plan([], "its segments cannot be kept")
            find_shots(opened, job)
            chunks = _planned(opened, processes)
            job.is_shared = len(chunks) > 1
            if not job.is_shared:
                return Plan([], "it is too short, or has no cuts where it could be parted")
            left = [one for one in chunks if not all(map(job.holds, one.segments))]
            return Plan(left)


def _planned(opened: Opened, processes: int) -> list[Chunk]:
    times, part = opened.reader.times(), opened.part
    numbers = part.numbers or range(len(times))
    segments = segments_of(times, numbers, part.start)
    cuts = [shot.first for shot in opened.film.shots] if opened.remembers else None
    return parted(segments, cuts, processes)


def segments_of(times: Sequence[Fraction], numbers: range, start: Fraction) -> list[range]:
    """The frames of each segment of a film.

    Args:
        times: of all its frames, seconds.
        numbers: of the frames that are translated.
        start: seconds at which the first segment begins.
    """
    groups = (list(group) for _, group in groupby(numbers, key=lambda at: segment_of(times[at], start)))
    return [range(group[0], group[-1] + 1) for group in groups]


def parted(segments: Sequence[range], cuts: Sequence[int] | None, processes: int) -> list[Chunk]:
    """Segments in chunks for so many processes.

    Args:
        segments: the frames of each.
        cuts: numbers of the first frames of shots, rising, the first of them that of the film; None where no
            frame depends on another.
        processes: at least 1.

    >>> [list(one.segments) for one in parted([range(0, 10), range(10, 20), range(20, 30)], [0, 9, 19], 1)]
    [[0, 1], [2]]
    """
    wanted = math.ceil(len(segments) / (A_PROCESS * processes))
    begins, since = [0], [segments[0].start]
    for number in range(1, len(segments)):
        first = segments[number].start
        cut = first if cuts is None else cuts[bisect_right(cuts, first) - 1]
        length = first - segments[begins[-1]].start
        if number - begins[-1] >= wanted and first - cut <= MOST_TWICE * length:
            begins.append(number)
            since.append(cut)
    ends = [*begins[1:], len(segments)]
    return [
        Chunk(range(begin, end), range(segments[begin].start, segments[end - 1].stop), cut)
        for begin, end, cut in zip(begins, ends, since, strict=True)
    ]


def translate_chunk(
    model: Translator, source: Path, out: Path, direction: Direction, how: How, *, chunk: Chunk
) -> None:
    """Make the segments of a chunk and keep them beside `out`; those that are there stay.

    Args:
        model: any translator.
        source: the film.
        out: the film that is to be written.
        direction: one of the model's.
        how: as to `plan_chunks`.
        chunk: one of those that it gave.

    Raises:
        RunError: the film is not shared out any more.
        VideoError: the source cannot be read, or holds other frames than it promises.
        SettingsError, StorageError: as `translate_video`.
    """
    with (
        open_film(model, source, out, direction, how) as opened,
        tempfile.TemporaryDirectory(prefix="reskin-chunk-") as folder,
    ):
        job = shared_job(out, opened.key)
        opened.film.cut_at(job.shots or [])
        writer = film_writer(opened, Path(folder) / f"chunk{out.suffix}", source=None)
        _ChunkTranslation(opened, writer, job, chunk).make_segments()


class _ChunkTranslation(Translation):
    """The frames of a chunk, and those around it that they depend on."""

    def __init__(self, opened: Opened, writer: VideoWriter, job: Job, chunk: Chunk) -> None:
        super().__init__(opened, writer, job)
        self._chunk, self._next = chunk, chunk.frames.start

    def make_segments(self) -> None:
        """Those that are missing."""
        self.take_up()
        if self._segments == self._chunk.segments.stop:
            return
        with self.writer:
            self.run(silent)
        if self._next != self._chunk.frames.stop:
            raise self._other_frames()

    def take_up(self) -> None:
        """Go on behind the last segment that is there, the one before the chunk too."""
        first = self._chunk.segments.start
        self._segments, self._first_frame = first, self._chunk.since
        before = range(max(0, first - 1), first)
        behind = self.job.resumable(self._chunk.segments) or self.job.resumable(before)
        if behind is not None:
            self._go_on(behind)
            self._next = max(self._next, self._first_frame)

    def _read(self) -> Iterator[Frame]:
        numbers = self.part.numbers or range(len(self.reader.times()))
        # The two-sided stabiliser looks at frames to come.
        stop = min(numbers.stop, self._chunk.frames.stop + (REACH if self._around is not None else 0))
        return self.reader.frames_at(range(self._first_frame, stop))

    def _write(self, ready: list[Frames]) -> None:
        for frames in ready:
            if frames.numbers[0] < self._chunk.frames.start or frames.numbers[0] >= self._chunk.frames.stop:
                continue
            if frames.numbers != list(range(self._next, self._next + len(frames.numbers))):
                raise self._other_frames()
            self._next += len(frames.numbers)
            super()._write([frames])

    def _other_frames(self) -> VideoError:
        what = f"{self.reader.path} holds other frames than it promises"
        return VideoError(what, "Translate it in one process.")
