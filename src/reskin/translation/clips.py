"""A video through a model: the same frames, times, size and sound in the other look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.inference.engine import Engine
from reskin.inference.pipeline import pipeline
from reskin.inference.rendering import Rendering
from reskin.methods.translator import Translator
from reskin.translation.film import AS_IT_IS, Film, FilmOptions, Frames
from reskin.translation.targets import check_target
from reskin.types import Direction
from reskin.video.reader import Frame, VideoReader
from reskin.video.survey import survey
from reskin.video.writer import Encoding, VideoWriter, encoding_for

_BATCH_PIXELS = 1_000_000
"""A GPU is given small frames together, up to about this many pixels; larger ones one by one."""

_WAITING_PIXELS = 16_000_000
"""Pixels that may wait before the model (3 bytes each) and behind it (6); never fewer than two batches."""


@dataclass(frozen=True)
class VideoProgress:
    """How far the work is.

    Attributes:
        frame: frames translated so far.
        frames: frames in all, or None where the file does not say; a guess in damaged files.
        seconds: since the start.
    """

    frame: int
    frames: int | None
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at the speed so far; None where that is not known.

        >>> VideoProgress(frame=10, frames=40, seconds=2.0).seconds_left
        6.0
        """
        if self.frames is None or self.frame == 0:
            return None
        return self.seconds / self.frame * max(0, self.frames - self.frame)


@dataclass(frozen=True)
class VideoResult:
    """What became of a video.

    Attributes:
        frames: frames translated; where `damaged` is empty, all there are.
        seconds: what it took.
        notes: what the user should know about the output, such as sound that had to be converted.
        damaged: parts of the source that could not be read; they are not in the output.
    """

    frames: int
    seconds: float
    notes: list[str]
    damaged: list[str]


def translate_video(  # noqa: PLR0913 - each is a choice of the caller
    model: Translator,
    source: Path | str,
    out: Path | str,
    direction: Direction,
    *,
    report: Callable[[VideoProgress], None] | None = None,
    compute: Compute | None = None,
    batch: int | None = None,
    rendering: Rendering | None = None,
    film: FilmOptions | None = None,
    overwrite: bool = False,
) -> VideoResult:
    """Translate a video frame by frame; size, frame times and sound stay as they are.

    Frames are read, translated and written at the same time, and memory does not grow with the length. `out`
    appears when it is complete; stopped before that, nothing is there and the next run starts anew. What is
    sound in a damaged source is translated.

    Args:
        model: any translator.
        source: the video; it is not changed.
        out: the video to write; the ending chooses its container.
        direction: one of the model's.
        report: called in this thread after each batch.
        compute: where and how; by default the model's own device in the precision that is fast there.
        batch: frames given to the model at once; by default 1 on a CPU, on a GPU more where frames are small.
        rendering: one style for all frames; a mask that is one picture.
        film: borders, work size, stabiliser and encoding; by default every frame as it is, by itself.
        overwrite: replace `out` if it is there.

    Raises:
        VideoError: the source cannot be read or the output not written; the subclass says why.
        SettingsError: `out` is the source, or is there already; the model does not translate this way.
        StorageError: the disk refuses the write.
    """
    started = time.monotonic()
    source, out = Path(source), Path(out)
    check_target(source, out, overwrite=overwrite)
    if batch is not None and batch < 1:
        raise SettingsError(f"a batch of {batch} frames", "Give 1 or more.")
    engine = Engine(model, direction, compute, rendering)
    _check_rendering(engine.rendering)
    treated = _film(engine, film or AS_IT_IS, source)
    with VideoReader(source, deinterlace=(film or AS_IT_IS).deinterlace) as reader:
        with _writer(reader, out, (film or AS_IT_IS).encoding) as writer:
            frames = _translate_frames(treated, reader, writer, report=report, batch=batch)
            writer.ends_at(reader.end())
        notes = [*reader.notes, *writer.notes]
        return VideoResult(frames, time.monotonic() - started, notes, list(reader.damaged))


def _film(engine: Engine, options: FilmOptions, source: Path) -> Film:
    """The stages of this film; its shots are looked for where anything depends on them."""
    needs_shots = options.has_bars or options.steady > 0 or engine.remembers
    return Film(engine, options, survey(source) if needs_shots else [])


def _check_rendering(rendering: Rendering) -> None:
    if rendering.parts != ("",):
        raise SettingsError(
            "a video is made in one style, without masks",
            "Give --styles 1 or one --style and no --save-masks, or translate its frames as pictures.",
        )
    if rendering.mask is not None and not rendering.mask.is_file():
        raise SettingsError(f"{rendering.mask} is a folder", "For a video give one picture as --mask.")


def _writer(reader: VideoReader, out: Path, encoding: Encoding) -> VideoWriter:
    info = reader.info
    return VideoWriter(
        out,
        size=(info.width, info.height),
        frame_rate=info.frame_rate,
        source=reader.path,
        encoding=encoding_for(reader, out, encoding),
        start=reader.start(),
    )


def _translate_frames(
    film: Film,
    reader: VideoReader,
    writer: VideoWriter,
    *,
    report: Callable[[VideoProgress], None] | None,
    batch: int | None,
) -> int:
    """Every frame from the reader through the film's stages to the writer; how many there were."""
    started = time.monotonic()
    pixels = reader.info.width * reader.info.height
    size = batch or _batch_size(film.engine, pixels)
    done = 0

    def translate(frames: Frames) -> Frames:
        nonlocal done
        film.translate(frames)
        done += len(frames.times)
        if report is not None:
            report(VideoProgress(done, reader.info.frames, time.monotonic() - started))
        return frames

    def write(frames: Frames) -> None:
        for image, moment, alpha in zip(frames.result, frames.times, frames.alpha, strict=True):
            writer.write(image, moment, alpha)

    ahead = max(2, min(4, _WAITING_PIXELS // (size * pixels)))
    pipeline(_batches(reader, size), film.shrink, translate, film.finish, sink=write, ahead=ahead)
    return done


def _batches(frames: Iterable[Frame], size: int) -> Iterator[Frames]:
    iterator = iter(frames)
    while group := list(islice(iterator, size)):
        images, times, numbers, alphas = zip(
            *((f.image, f.time, f.index, f.alpha) for f in group), strict=True
        )
        yield Frames(list(images), list(times), list(numbers), list(alphas))


def _batch_size(engine: Engine, pixels: int) -> int:
    # On a CPU the cores are full with one frame, and the next one is only further away in memory.
    return 1 if engine.compute.device.type == "cpu" else max(1, min(16, _BATCH_PIXELS // pixels))
