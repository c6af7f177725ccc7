"""Frames from a pipe or a camera through a model, to a pipe or a video."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from reskin.config import BASIC, Settings
from reskin.errors import SettingsError
from reskin.parsing import spelling
from reskin.progress import Progress

if TYPE_CHECKING:
    from reskin.images import Picture
    from reskin.methods.translator import Translator
    from reskin.translation.live import LiveFrame, LiveReport
    from reskin.types import Direction
    from reskin.video.raw import Camera, RawFormat
    from reskin.workflows.translate import FaceSettings, FilmSettings

PIPE = Path("-")

_FOR_WHOLE_FILMS = ("start", "bars", "deinterlace")


class LiveSettings(Settings):
    """What comes through standard input, or from a camera."""

    input_size: Annotated[str | None, BASIC] = None
    """Size of the raw frames on standard input, such as 640x360."""
    pixel_format: Literal["rgb24", "bgr24"] = "rgb24"
    """Order of the bytes of raw frames, in and out, by FFmpeg's names."""
    rate: float = Field(default=25.0, gt=0, le=1000)
    """Frames a second on standard input, for a video that is written and for following faces."""
    camera: int | None = Field(default=None, ge=0)
    """Number of a camera, from 0, instead of IN; frames that come while others are translated are
    dropped."""

    @field_validator("input_size")
    @classmethod
    def _is_a_size(cls, value: str | None) -> str | None:
        if value is not None:
            width, x, height = value.lower().partition("x")
            if not x or not width.isdecimal() or not height.isdecimal():
                raise ValueError("it is no size; write width and height, such as 640x360")
        return value

    def format(self) -> RawFormat:
        """What standard input holds.

        Raises:
            SettingsError: the size is missing or there is no such size.
        """
        from reskin.video.raw import RawFormat

        if self.input_size is None:
            raise SettingsError(
                "raw frames on standard input have no size of their own",
                "Add it, such as --input-size 640x360.",
            )
        width, _, height = self.input_size.lower().partition("x")
        return RawFormat(int(width), int(height), self.pixel_format)


def is_live(source: Path, out: Path, live: LiveSettings) -> bool:
    """Whether frames are to be translated as they come."""
    return live.camera is not None or PIPE in (source, out)


def translate_live_any(
    model: Translator,
    source: Path,
    out: Path,
    direction: Direction,
    *,
    live: LiveSettings,
    **options: Any,
) -> LiveReport:
    """Translate frames from standard input or a camera, to standard output or into a video.

    Args:
        model: any translator.
        source: `PIPE`; not looked at where a camera is given.
        out: `PIPE`, or a video to write.
        direction: one of the model's.
        live: what comes.
        options: `film` as `FilmSettings`, `faces` as `FaceSettings`, `overwrite`; the rest is for
            `translate_live`.

    Raises:
        SettingsError: the frames have no size, an option is given that live frames cannot have, standard
            input or output is a terminal, or the source is a file.
        VideoError: there is no such camera, or standard input ends in the middle of a frame.
        PartialError: whoever read standard output has gone.
        ReskinError: as `translate_live` and `VideoWriter`.
    """
    from reskin.translation.live import translate_live

    film: FilmSettings = options.pop("film")
    faces: FaceSettings = options.pop("faces")
    overwrite: bool = options.pop("overwrite", False)
    _check(source, out, live, film)
    with ExitStack() as held, Progress("frames") as progress:
        camera = held.enter_context(_camera(live.camera)) if live.camera is not None else None
        size = (camera.width, camera.height) if camera else (live.format().width, live.format().height)
        write = held.enter_context(_sink(out, size, live, film, overwrite=overwrite))
        stopped = threading.Event()
        frames = _camera_frames(camera) if camera else _piped_frames(live, stopped)
        options |= {"film": film.options(faces.options()), "size": size, "stopped": stopped}
        last: LiveReport | None = None

        def tell(report: LiveReport) -> None:
            nonlocal last
            last = report
            report.dropped = camera.dropped if camera else 0
            note = f"latency {1000 * report.lately():.0f} ms, {report.dropped} dropped"
            progress(report.frames, None, "frames", note=note)

        try:
            return translate_live(model, _limited(frames, film), write, direction, report=tell, **options)
        except KeyboardInterrupt:
            if camera is None or last is None:
                raise
            return last  # Ctrl-C is how a recording ends: what was written so far is whole


def _check(source: Path, out: Path, live: LiveSettings, film: FilmSettings) -> None:
    if live.camera is None and source != PIPE:
        raise SettingsError(
            f"{source} to standard output",
            f"Type: ffmpeg -i {source} -f rawvideo -pix_fmt rgb24 - | reskin ...",
        )
    given = live.model_fields_set & {"input_size", "rate"} if live.camera is not None else set()
    for name in sorted(given):
        flag = spelling(name, type(live).model_fields[name])
        raise SettingsError(f"{flag} with --camera", "Leave it out: a camera has its own.")
    for name in _FOR_WHOLE_FILMS:
        if name in film.model_fields_set:
            flag = spelling(name, type(film).model_fields[name])
            raise SettingsError(f"{flag} for frames that come live", "Leave it out, or translate a file.")
    if film.steady == "best":
        raise SettingsError(
            "--steady best for frames that come live", "Give 0 to 1: those to come are not known."
        )
    if out == PIPE and film.model_fields_set & {"codec", "quality"}:
        raise SettingsError("--codec or --quality for raw frames", "Leave it out, or give a video as OUT.")
    if live.camera is None:
        live.format()
        _refuse_terminal(sys.stdin, "input", "ffmpeg -i clip.mp4 -f rawvideo -pix_fmt rgb24 - | reskin ...")
    if out == PIPE:
        _refuse_terminal(sys.stdout, "output", "reskin ... | ffplay -f rawvideo -pixel_format rgb24 -")


def _refuse_terminal(stream: Any, name: str, example: str) -> None:
    if stream is None:
        raise SettingsError(f"standard {name} is closed", f"Type: {example}")
    if stream.isatty():
        raise SettingsError(f"standard {name} is a terminal, not raw frames", f"Type: {example}")


def _limited(frames: Iterator[LiveFrame], film: FilmSettings) -> Iterator[LiveFrame]:
    """The frames of the first --seconds, or all."""
    first: float | None = None
    for frame in frames:
        first = frame.time if first is None else first
        if film.seconds is not None and frame.time - first >= film.seconds - 1e-9:
            return
        yield frame


def _piped_frames(live: LiveSettings, stopped: threading.Event) -> Iterator[LiveFrame]:
    from reskin.translation.live import LiveFrame

    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stream:
        for number, picture in enumerate(live.format().read(stream, stopped)):
            yield LiveFrame(picture, number / live.rate, time.monotonic())


def _camera(number: int) -> Camera:
    from reskin.video.raw import Camera

    return Camera(number)


def _camera_frames(camera: Camera) -> Iterator[LiveFrame]:
    """Frames of a camera until it ends."""
    from reskin.translation.live import LiveFrame

    first: float | None = None
    for picture, arrival in camera.frames():
        first = arrival if first is None else first
        yield LiveFrame(picture, arrival - first, arrival)


@contextmanager
def _sink(
    out: Path, size: tuple[int, int], live: LiveSettings, film: FilmSettings, *, overwrite: bool
) -> Iterator[Callable[[Picture, Fraction], None]]:
    """Where frames go: a function that takes each and its time."""
    from reskin.translation.targets import check_target
    from reskin.video.raw import RawFormat
    from reskin.video.writer import VideoWriter

    if out == PIPE:
        raw = RawFormat(*size, live.pixel_format)
        with _raw_output() as stream:
            yield lambda picture, moment: raw.write(stream, picture)
        return
    check_target(PIPE, out, overwrite=overwrite)
    rate = Fraction(live.rate).limit_denominator(1001)
    with VideoWriter(out, size=size, frame_rate=rate, encoding=film.options().encoding) as writer:
        yield writer.write


@contextmanager
def _raw_output() -> Iterator[RawIOBase]:
    """Standard output for frames alone: what anything else prints there goes to standard error."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(own, "wb", buffering=0, closefd=False) as stream:
            yield stream
    finally:
        os.dup2(own, 1)
        os.close(own)
