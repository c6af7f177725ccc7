"""A video through a model: the same frames, times, size and sound in the other look."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import chain, count, groupby, islice
from pathlib import Path
from typing import TypedDict

import numpy as np

from reskin.device import Compute, give_back_memory
from reskin.errors import RunError, SettingsError, VideoError
from reskin.inference.engine import Engine
from reskin.inference.pipeline import pipeline
from reskin.inference.rendering import Rendering, check_single_look
from reskin.methods.translator import Translator
from reskin.progress import Report, silent
from reskin.renames import noted
from reskin.translation.face_search import FilmFaces
from reskin.translation.film import Film, FilmOptions, Frames
from reskin.translation.job import SEGMENT_SECONDS, Behind, Job, earlier_engine, open_job, was_finished
from reskin.translation.masks import open_film_mask
from reskin.translation.part import Part, part_of_film
from reskin.translation.targets import check_target
from reskin.translation.two_sided import TwoSided
from reskin.types import Direction
from reskin.video.encoding import Encoding, keeps_alpha
from reskin.video.nvenc import by_gpu
from reskin.video.reader import Frame, VideoReader
from reskin.video.survey import survey
from reskin.video.writer import VideoWriter, check_can_write, encoding_for

_BATCH_PIXELS = 1_000_000
"""A GPU is given small frames together, up to about this many pixels; larger ones one by one."""

_CHECKED_SECONDS = 10
"""Of films that are longer, a second is written by way of trial before the first frame is translated."""

_WAITING_PIXELS = 16_000_000
"""Pixels that may wait before the model (3 bytes each) and behind it (6); never fewer than two batches."""


_PARTS = ("decoding", "making frames smaller", "the model", "finishing frames at full size", "encoding")
"""What works at the same time on a film, in the order of the stages."""

_END = Frames([], [], [])
"""Follows the last frames where some wait for those to come."""


@dataclass(frozen=True)
class VideoResult:
    """What became of a video.

    Attributes:
        frames: frames translated; where `damaged` is empty, all there are.
        seconds: what it took.
        notes: what the user should know about the output, such as sound that had to be converted.
        damaged: parts of the source that could not be read; they are not in the output.
        bound: frames a second, and what the others waited for, in words; empty where nothing was left to do.
    """

    frames: int
    seconds: float
    notes: list[str]
    damaged: list[str]
    bound: str = ""


def translate_video(  # noqa: PLR0913 - each is a choice of the caller
    model: Translator,
    source: Path | str,
    out: Path | str,
    direction: Direction,
    *,
    report: Report = silent,
    compute: Compute | None = None,
    batch: int | None = None,
    rendering: Rendering | None = None,
    film: FilmOptions | None = None,
    overwrite: bool = False,
) -> VideoResult:
    """Translate a video, or a part of it; size, frame times and sound stay as they are.

    Frames are read, translated and written at the same time, and memory does not grow with the length. `out`
    appears when it is complete. Stopped before that, the same call goes on where it was: what is done lies in
    a hidden folder beside `out` until then. What is sound in a damaged source is translated.

    Args:
        model: any translator.
        source: the video; it is not changed.
        out: the video to write; the ending chooses its container.
        direction: one of the model's.
        report: called in this thread at the start and after each batch.
        compute: where and how; by default the model's own device in the precision that is fast there.
        batch: frames given to the model at once; by default 1 on a CPU, on a GPU more where frames are small.
        rendering: one style for all frames; a mask for all, or one for each.
        film: borders, work size, stabiliser, encoding and which part; `AS_IT_IS` for every frame by itself.
        overwrite: replace `out` if it is there.

    Raises:
        VideoError: the source cannot be read or the output not written; the subclass says why.
        RunError: another process translates to `out`, or what it had kept is damaged while it is read.
        SettingsError: `out` is the source, or is there already; the model does not translate this way.
        StorageError: the disk refuses the write.
    """
    started = time.monotonic()
    source, out, film = Path(source), Path(out), film or FilmOptions()
    check_target(source, out, overwrite=overwrite or was_finished(out))
    how: How = {"compute": compute, "batch": batch, "rendering": rendering, "film": film}
    with open_film(model, source, out, direction, how) as opened:
        reader, part = opened.reader, opened.part
        writer = film_writer(opened, out, source=source)
        if part.numbers is not None:
            writer.keep_only(part.start, part.end)
        if (reader.info.duration or 0) > _CHECKED_SECONDS:
            check_can_write(source, out, opened.film.options.encoding)  # in seconds, and not after hours
        with open_job(out, opened.key, opened.computed()) as job:
            if not job.has_finished(out):
                check_target(source, out, overwrite=overwrite)
                Translation(opened, writer, job).make(report)
            facts = job.finished
            assert facts is not None, "noted before the film got its name"
            job.clear()
        took = time.monotonic() - started
        told = facts.get("bound", "")  # versions before noted none
        return VideoResult(facts["frames"], took, list(facts["notes"]), list(facts["damaged"]), told)


class How(TypedDict, total=False):
    """How a film is translated; see `translate_video`."""

    compute: Compute | None
    batch: int | None
    rendering: Rendering | None
    film: FilmOptions | None


@dataclass(frozen=True)
class Opened:
    """A film that is about to be translated.

    Attributes:
        film: how its frames are treated.
        reader: of the source.
        part: which of its frames.
        faces: what finds them, where those are translated; else None.
        batch: frames given to the model at once; None for the usual number.
        key: digest of everything that the encoded pictures depend on.
    """

    film: Film
    reader: VideoReader
    part: Part
    faces: FilmFaces | None
    batch: int | None
    key: str

    @property
    def remembers(self) -> bool:
        """Whether a frame depends on those before it in its shot."""
        return self.film.options.steady > 0 or self.film.engine.remembers

    def computed(self) -> dict[str, str]:
        """What computes, for who goes on with the film; see `Job.engine`."""
        return self.film.engine.used.facts() | {"asked": self.film.engine.asked()}


def check_film(model: Translator, source: Path, direction: Direction, how: How) -> None:
    """Refuse now what `translate_video` would refuse: for who has other work to do before.

    Args:
        model: any translator.
        source: the video.
        direction: one of the model's.
        how: as for `translate_video`.

    Raises:
        VideoError, SettingsError: as `translate_video`.
    """
    film = how.get("film") or FilmOptions()
    engine = Engine(model, direction, how.get("compute"), how.get("rendering"))
    check_single_look(engine.rendering)
    with VideoReader(source, deinterlace=film.deinterlace) as reader:
        part_of_film(reader, film)
        Film(engine, film, []).check_options(reader.info.width, reader.info.height, str(reader.path))


@contextmanager
def open_film(model: Translator, source: Path, out: Path, direction: Direction, how: How) -> Iterator[Opened]:
    """A film with all that is known before its first frame is translated; what computes is settled.

    Raises:
        VideoError, SettingsError: as `translate_video`.
    """
    batch, film = how.get("batch"), how.get("film") or FilmOptions()
    if batch is not None and batch < 1:
        raise SettingsError(f"a batch of {batch} frames", "Give 1 or more.")
    engine = Engine(model, direction, how.get("compute"), how.get("rendering"))
    check_single_look(engine.rendering)
    faces = FilmFaces.open(film.faces) if film.faces is not None else None
    with VideoReader(source, deinterlace=film.deinterlace) as reader:
        part = part_of_film(reader, film)
        if engine.compute.device.type == "cuda":
            film = replace(film, encoding=_by_gpu(film, reader, out))
        treated = Film(engine, film, [])
        treated.check_options(reader.info.width, reader.info.height, str(reader.path))
        more: list[object] = [batch]
        if engine.rendering.mask is not None:
            mask = open_film_mask(engine.rendering.mask, reader, part, engine.rendering.feather)
            treated.mask_at = mask.at
            more += mask.facts()
        if faces is not None:
            more += [*faces.facts(), repr(treated.framing)]
        _settle(treated, reader, part, out)
        yield Opened(treated, reader, part, faces, batch, _key(engine, film, source, out, more))


def _by_gpu(film: FilmOptions, reader: VideoReader, out: Path) -> Encoding:
    """How a film is encoded that a GPU translates; transparency is left to codecs that have it."""
    if keeps_alpha(out.suffix, film.encoding.codec) and reader.is_transparent():
        return film.encoding
    return by_gpu(film.encoding, out, (reader.info.width, reader.info.height))


def _settle(film: Film, reader: VideoReader, part: Part, out: Path) -> None:
    """Find the engine: that of the segments that are there, else what a frame of the middle shows."""
    engine = film.engine
    if film.is_grading:
        engine.stay_with_torch("what is computed of a frame is small, and colours follow from that")
    if engine.is_settled:
        return
    numbers = part.numbers or range(len(reader.times()))
    middle = numbers[len(numbers) // 2] if numbers else 0
    try:
        with VideoReader(reader.path, deinterlace=film.options.deinterlace) as beside:
            picture = next(iter(beside.frames_at(range(middle, middle + 1)))).image
    except (VideoError, StopIteration):  # a damaged film: a grey frame takes as long
        picture = np.full((reader.info.height, reader.info.width, 3), 127, np.uint8)
    engine.settle(film.sample(picture), number=len(numbers), earlier=earlier_engine(out, engine.asked()))


def _key(engine: Engine, film: FilmOptions, source: Path, out: Path, more: list[object]) -> str:
    """Digest of everything that the encoded pictures depend on."""
    facts: list[object] = [engine.identity(), repr(film), out.suffix.lower(), more]
    status = source.stat()
    facts += [os.path.abspath(source), status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(facts).encode("utf-8", "backslashreplace")).hexdigest()


def find_shots(opened: Opened, job: Job) -> None:
    """Have the film cut at its shots, where anything depends on them; a stopped job knows them already."""
    film, options = opened.film, opened.film.options
    if job.shots is None:
        needs_shots = options.has_bars or opened.remembers or options.faces is not None
        path, numbers = opened.reader.path, opened.part.numbers
        job.keep_shots(survey(path, part=numbers, has_bars=options.has_bars) if needs_shots else [])
    film.cut_at(job.shots or [])


def film_writer(opened: Opened, path: Path, *, source: Path | None) -> VideoWriter:
    """What encodes the film, with the sound, subtitles and labels of `source`, or with none."""
    reader = opened.reader
    return VideoWriter(
        path,
        size=(reader.info.width, reader.info.height),
        frame_rate=reader.info.frame_rate,
        source=source,
        encoding=encoding_for(reader, path, opened.film.options.encoding),
        start=opened.part.start,
    )


class Translation:
    """The frames of one film on their way from the reader to the writer.

    Args:
        opened: the film.
        writer: what encodes it, opened by `make`.
        job: what is done of it, held.

    Attributes:
        done: frames translated, by earlier processes too.
        bound: frames a second, and what the others waited for, in words.
    """

    def __init__(self, opened: Opened, writer: VideoWriter, job: Job) -> None:
        self.film, self.reader, self.part = opened.film, opened.reader, opened.part
        self.opened, self.writer, self.job = opened, writer, job
        self.done = self._first_frame = self._segments = 0
        self.bound = ""
        # VP9 keeps transparency beside its packets, where no file but the video itself can hold it.
        self._can_resume = self.film.engine.can_resume and not writer.has_alpha
        self._around = TwoSided(self.film.shot_of) if self.film.is_averaging else None

    def take_up(self) -> None:
        """Put what earlier processes have done into the writer."""
        behind = self.job.resumable(count()) if self._can_resume else None
        if behind is None:
            return
        for number in range(behind.segment + 1):
            segment = self.job.segment(number)
            if segment is None:
                what = f"a part of {self.writer.path} was damaged while it was read"
                raise RunError(what, "Run the same command again.")
            self.writer.add_segment(segment)
            self.done += len(segment.times)
        self._go_on(behind)

    def _go_on(self, behind: Behind) -> None:
        """Begin with the first frame that is left, with what the stages remembered behind the one before."""
        self._first_frame, self._segments = behind.frame + 1, behind.segment + 1
        self.film.restore(behind.state, behind.frame)
        if self._around is not None:
            self._around.restore(behind.state, behind.frame)

    def make(self, report: Report) -> None:
        """The whole film; what is to be said of it is kept in the job before it gets its name."""
        find_shots(self.opened, self.job)
        faces = self.opened.faces
        if faces is not None:
            faces.find(self.film, self.reader, self.part.numbers, self.job, report=report)
        keep = partial(self._keep_finished, faces)
        with noted(self.writer.path, keep), self.writer:
            self.take_up()
            self.run(report)
            self.writer.ends_at(self.part.end)

    def _keep_finished(self, faces: FilmFaces | None, status: os.stat_result) -> None:
        notes = [*self.reader.notes, *self.writer.notes]
        notes += [faces.note(self.done)] if faces is not None else []
        facts = {
            "frames": self.done,
            "notes": notes,
            "damaged": list(self.reader.damaged),
            "bound": self.bound,
        }
        self.job.keep_finished(facts, status)

    def run(self, report: Report) -> None:
        """Send every frame that is left through the stages."""
        pixels = self.reader.info.width * self.reader.info.height
        size = self.opened.batch or _batch_size(self.film.engine, pixels)
        total = self.reader.info.frames if self.part.numbers is None else len(self.part.numbers)

        def translate(frames: Frames) -> Frames:
            self.film.translate(frames)
            if frames.is_last and self._can_resume:
                self.film.keep_model(frames)
            self.done += len(frames.times)
            report(self.done, total, what="frames")
            return frames

        report(self.done, total, what="frames")
        ahead = max(2, min(4, _WAITING_PIXELS // (size * pixels)))
        batches = _batches(self._read(), size, self.part.start)
        if self._around is not None:
            batches = chain(batches, [_END])
        before, begun, busy = self.done, time.perf_counter(), [0.0]
        stages = (self.film.shrink, translate, self._finish)
        pipeline(batches, *stages, sink=self._write, ahead=ahead, busy=busy)
        self.bound = _speed(self.done - before, busy, time.perf_counter() - begun)

    def _read(self) -> Iterator[Frame]:
        if self.part.numbers is not None:
            return self.reader.frames_at(
                range(max(self._first_frame, self.part.numbers.start), self.part.numbers.stop)
            )
        return self.reader.frames(self._first_frame) if self._first_frame else iter(self.reader)

    def _finish(self, frames: Frames) -> list[Frames]:
        """Those that can be finished now; what is averaged waits for the frames to come."""
        ready = [frames]
        if self._around is not None:
            ready = self._around.end() if frames is _END else self._around.add(frames)
        for group in ready:
            self.film.finish(group)
            if group.is_last and self._can_resume:
                self.film.keep_finish(group)
        return ready

    def _write(self, ready: list[Frames]) -> None:
        for frames in ready:
            for image, moment, alpha in zip(frames.result, frames.times, frames.alpha, strict=True):
                self.writer.write(image, moment, alpha)
            if frames.is_last:
                segment = self.writer.end_segment(frames.numbers[-1])
                if self._can_resume:
                    self.job.save(self._segments, segment, frames.state)
                self._segments += 1
                give_back_memory()


def _speed(frames: int, busy: list[float], seconds: float) -> str:
    """Frames a second, and which part worked longest of the `seconds` that all took together.

    >>> _speed(24, [1.0, 0.5, 7.2, 1.0, 2.0], 8.0)
    '3 frames a second, 90 % of the time in the model'
    """
    if not frames or seconds <= 0:
        return ""
    longest, part = max(zip(busy, _PARTS, strict=True))
    percent = min(100, round(100 * longest / seconds))
    return f"{frames / seconds:.3g} frames a second, {percent} % of the time in {part}"


def segment_of(time: Fraction, start: Fraction) -> int:
    """In which span of `SEGMENT_SECONDS` a frame lies that is shown at `time`, both in seconds."""
    return int((time - start) // SEGMENT_SECONDS)


def _batches(frames: Iterable[Frame], size: int, start: Fraction) -> Iterator[Frames]:
    """Frames in groups, none of which lies in two segments."""

    for _, members in groupby(frames, key=lambda frame: segment_of(frame.time, start)):
        held: Frames | None = None
        while group := list(islice(members, size)):
            if held is not None:
                yield held
            images, times, numbers, alphas = zip(
                *((f.image, f.time, f.index, f.alpha) for f in group), strict=True
            )
            held = Frames(list(images), list(times), list(numbers), list(alphas))
        assert held is not None, "a group of groupby holds at least one"
        held.is_last = True
        yield held


def _batch_size(engine: Engine, pixels: int) -> int:
    # On a CPU the cores are full with one frame, and the next one is only further away in memory.
    return 1 if engine.compute.device.type == "cpu" else max(1, min(16, _BATCH_PIXELS // pixels))
