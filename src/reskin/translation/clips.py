"""A video through a model: the same frames, times, size and sound in the other look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.inference.engine import Engine
from reskin.inference.pipeline import pipeline
from reskin.inference.rendering import Rendering, read_mask
from reskin.methods.translator import Translator
from reskin.translation.targets import check_target
from reskin.types import Direction
from reskin.video.probe import VideoInfo
from reskin.video.reader import Frame, VideoReader
from reskin.video.writer import VideoWriter

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


@dataclass
class _Batch:
    """Neighbouring frames on their way.

    Attributes:
        source: as they were read, RGB, uint8, (N, H, W, 3); nothing is written over them, since later stages
            compare with them.
        times: of each, in seconds.
        made: their translations, same shape and type.
    """

    source: NDArray[np.uint8]
    times: list[Fraction]
    made: NDArray[np.uint8] | None = None


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
    with VideoReader(source) as reader:
        with _writer(reader.info, source, out) as writer:
            frames = _translate_frames(engine, reader, writer, report=report, batch=batch)
        notes = [*reader.notes, *writer.notes]
        return VideoResult(frames, time.monotonic() - started, notes, list(reader.damaged))


def _check_rendering(rendering: Rendering) -> None:
    if rendering.parts != ("",):
        raise SettingsError(
            "a video is made in one style, without masks",
            "Give --styles 1 or one --style and no --save-masks, or translate its frames as pictures.",
        )
    if rendering.mask is not None and not rendering.mask.is_file():
        raise SettingsError(f"{rendering.mask} is a folder", "For a video give one picture as --mask.")


def _writer(info: VideoInfo, source: Path, out: Path) -> VideoWriter:
    sound = source if info.has_sound else None
    return VideoWriter(out, size=(info.width, info.height), frame_rate=info.frame_rate, sound_from=sound)


def _translate_frames(
    engine: Engine,
    reader: VideoReader,
    writer: VideoWriter,
    *,
    report: Callable[[VideoProgress], None] | None,
    batch: int | None,
) -> int:
    """Every frame from the reader through the engine to the writer; how many there were."""
    started = time.monotonic()
    pixels = reader.info.width * reader.info.height
    size = batch or _batch_size(engine, pixels)
    done = 0
    mask = None
    if engine.rendering.mask is not None:
        mask = read_mask(engine.rendering.mask, Path(), reader.info.height, reader.info.width)

    def translate(frames: _Batch) -> _Batch:
        nonlocal done
        frames.made = engine.translate_parts(frames.source, mask, is_video=True)[0]
        done += len(frames.times)
        if report is not None:
            report(VideoProgress(done, reader.info.frames, time.monotonic() - started))
        return frames

    def write(frames: _Batch) -> None:
        assert frames.made is not None, "the writer comes after the model"
        for image, moment in zip(frames.made, frames.times, strict=True):
            writer.write(image, moment)

    ahead = max(2, min(8, _WAITING_PIXELS // (size * pixels)))
    pipeline(_batches(reader, size), translate, sink=write, ahead=ahead)
    return done


def _batches(frames: Iterable[Frame], size: int) -> Iterator[_Batch]:
    iterator = iter(frames)
    while group := list(islice(iterator, size)):
        yield _Batch(np.stack([frame.image for frame in group]), [frame.time for frame in group])


def _batch_size(engine: Engine, pixels: int) -> int:
    # On a CPU the cores are full with one frame, and the next one is only further away in memory.
    return 1 if engine.compute.device.type == "cpu" else max(1, min(16, _BATCH_PIXELS // pixels))
