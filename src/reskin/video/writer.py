"""Writing a video whole or not at all: exact times, exact size, true colours, the sound of the source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from reskin.errors import CodecError, NoFramesError, ReskinError, VideoError
from reskin.storage import commit, storage_error
from reskin.video.pixels import YuvMaker
from reskin.video.sound import Sound, SoundTracks
from reskin.video.source import check_is_file
from reskin.video.spool import FrameTimes, Spool

__all__ = ["Sound", "VideoWriter"]

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_MILLISECONDS = (".mkv", ".webm")  # Matroska knows no finer unit, as FFmpeg writes it.
_LARGEST_TIMESCALE = 2**31 - 1
_FALLBACK_TIMESCALE = 1_000_000

_BT709 = 1
_LIMITED = 1


class _AbandonedError(Exception):
    """Makes `commit` drop its temporary file."""


class VideoWriter:
    """Writes frames to a video file; the file appears at `path` when the `with` block ends without an error.

    Pictures are H.264 (VP9 in .webm), BT.709, limited range, and tagged so. Encoded frames wait in a file
    beside the target until all times are known: only then can a unit of time be chosen that holds each of
    them exactly. In .mkv and .webm that unit is always a millisecond. Frames with an odd side are stored as
    4:4:4, since H.264 has no odd 4:2:0; `notes` says so.

    Args:
        path: the file; its ending decides the container: .mp4, .m4v, .mov, .mkv or .webm.
        size: (width, height) of every frame, pixels.
        frame_rate: average frames per second; only the last frame's duration and the encoder follow it.
        sound_from: a file whose sound tracks go in at the times they have there, copied packet for packet
            where the container allows it.
        sound: a sound track from memory, encoded to AAC (Opus in .webm); not together with `sound_from`.
        quality: constant rate factor, 0 (perfect) to 51; 18 looks like the source.
        speed: x264's preset, "ultrafast" to "veryslow".

    Attributes:
        notes: what a user should be told about the file, such as sound that could not be copied; complete
            when the `with` block has ended.

    Raises:
        VideoError: an ending, size or rate that cannot be written; a `sound_from` that cannot be read.
        StorageError: the disk refuses the write; what was at `path` before is intact.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        size: tuple[int, int],
        frame_rate: Fraction,
        sound_from: Path | None = None,
        sound: Sound | None = None,
        quality: int = 18,
        speed: str = "veryfast",
    ) -> None:
        self.path, self.size = Path(path), size
        self.frame_rate = Fraction(frame_rate)
        self.notes: list[str] = []
        self._quality, self._speed = quality, speed
        self._sound_from = None if sound_from is None else Path(sound_from)
        self._sound = sound
        self._check()
        self._stack = ExitStack()
        self._open = False

    def _check(self) -> None:
        if self.path.suffix.lower() not in _FORMATS:
            raise VideoError(
                f"{self.path} cannot be written: unknown ending '{self.path.suffix}'",
                f"Choose one of {', '.join(_FORMATS)}.",
            )
        if min(self.size) < 2 or max(self.size) > 16384:
            raise VideoError(
                f"{self.path}: frames of {self.size[0]}x{self.size[1]} cannot be written", "Use 2 to 16384."
            )
        if self.frame_rate <= 0:
            raise VideoError(
                f"{self.path}: a frame rate of {self.frame_rate} is not possible", "Use more than 0."
            )
        if self._sound is not None and self._sound_from is not None:
            raise VideoError(f"{self.path}: sound was given twice", "Give either sound or sound_from.")
        if self._sound_from is not None:
            check_is_file(self._sound_from)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._abandon()
            raise
        return self

    def _start(self) -> None:
        suffix = self.path.suffix.lower()
        self._temporary = self._stack.enter_context(commit(self.path))
        self._spool = self._stack.enter_context(Spool(self._temporary))
        self._output = av.open(
            str(self._temporary), "w", format=_FORMATS[suffix], container_options=_container_options(suffix)
        )
        self._stream = self._add_pictures(suffix)
        self._tracks = SoundTracks(self._output, suffix)
        self._stack.callback(self._tracks.close)
        if self._sound_from is not None:
            self._tracks.add_file(self._sound_from)
        if self._sound is not None:
            self._tracks.add_samples(self._sound)
        self._maker = YuvMaker(*self.size, self._pixel_format)
        self._times = FrameTimes()
        self._open = True

    def _add_pictures(self, suffix: str) -> Any:
        width, height = self.size
        codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
        rate = self.frame_rate.limit_denominator(1 << 20)
        try:
            stream = self._output.add_stream(codec, rate=rate, width=width, height=height)
        except av.error.LookupError as error:
            raise CodecError(
                f"this FFmpeg has no {codec} encoder", "Install the wheel: pip install av."
            ) from error
        stream.options = _codec_options(codec, self._quality, self._speed)
        odd = (width % 2 or height % 2) and codec == "libx264"
        if odd:
            self.notes.append(
                f"{width}x{height} has an odd side: stored as H.264 4:4:4, which some players cannot show"
            )
        context = stream.codec_context
        stream.pix_fmt = self._pixel_format = "yuv444p" if odd else "yuv420p"
        context.time_base = 1 / rate
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        context.thread_type = "AUTO"
        return stream

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame.

        Args:
            image: (H, W, 3), uint8, RGB, of the writer's size.
            time: seconds at which the frame is first shown; later than that of the frame before.

        Raises:
            VideoError: another size or type, or a time that does not come after the last one.
            StorageError: the disk refuses the write.
        """
        if not self._open:
            raise VideoError(f"{self.path} is not open for writing", "Use VideoWriter in a with block.")
        width, height = self.size
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise VideoError(
                f"{self.path}: a frame is {image.dtype} of shape {image.shape}",
                f"It must be uint8 of shape {(height, width, 3)}.",
            )
        last = self._times.last
        if last is not None and time <= last:
            raise VideoError(
                f"{self.path}: frame at {time} s does not come after {last} s", "Write frames in order."
            )
        index = self._times.add(Fraction(time))
        frame = self._maker.frame(image)
        frame.pts, frame.time_base = index, 1 / Fraction(self._stream.codec_context.framerate)
        self._encode(frame)

    def _encode(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._spool.add(packet)
        except OSError as error:
            raise storage_error(self.path, error) from error
        except av.error.FFmpegError as error:
            raise VideoError(
                f"{self.path}: the encoder gave up ({error.strerror})", "Try another --speed."
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandon()
            return
        try:
            self._finish()
        except BaseException:
            self._abandon()
            raise
        self._open = False
        self._stack.close()

    def _finish(self) -> None:
        if not len(self._times):
            raise NoFramesError(f"no frame was written to {self.path}", "Check the source.")
        self._encode(None)
        try:
            self._mux()
        except OSError as error:
            raise storage_error(self.path, error) from error
        except ReskinError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError(f"{self.path} cannot be written ({error})", "Try .mkv as the ending.") from error

    def _mux(self) -> None:
        suffix = self.path.suffix.lower()
        timescale = 1000 if suffix in _MILLISECONDS else self._times.denominator
        if timescale > _LARGEST_TIMESCALE:
            timescale = _FALLBACK_TIMESCALE
        if timescale % self._times.denominator:
            self.notes.append(f"times are rounded to 1/{timescale} s: {suffix} holds no finer ones")
        if suffix not in _MILLISECONDS:
            # Where each track begins and ends is kept in a unit of its own: a millisecond unless told.
            whole = math.lcm(timescale, *self._tracks.sample_rates())
            whole = whole if whole <= _LARGEST_TIMESCALE else timescale * max(1, 90_000 // timescale)
            self._output.container_options["movie_timescale"] = str(whole)
        shift = self._times.shift
        if shift:
            self.notes.append(
                f"pictures and sound begin {float(shift):.3f} s later: no file holds negative times"
            )
        self._stream.time_base = Fraction(1, timescale)
        step = round(timescale / self.frame_rate)
        pictures = self._spool.packets(self._stream, self._times.ticks(timescale), step)
        for packet in _merged(pictures, self._tracks.packets(shift)):
            self._output.mux_one(packet)
        self._output.close()
        self.notes += self._tracks.notes

    def _abandon(self) -> None:
        self._open = False
        output = getattr(self, "_output", None)
        if output is not None:
            with suppress(Exception):  # The file is thrown away: the first error is the one to tell.
                output.close()
        with suppress(_AbandonedError):
            self._stack.__exit__(_AbandonedError, _AbandonedError(), None)


def _container_options(suffix: str) -> dict[str, str]:
    return {"movflags": "+faststart"} if suffix in (".mp4", ".m4v", ".mov") else {}


def _codec_options(codec: str, quality: int, speed: str) -> dict[str, str]:
    if codec == "libx264":
        # With x264's macroblock tree the same frames give other bytes each time. Without it a file looks the
        # same at a number higher by two.
        factor = quality + 2 if quality else 0
        return {"crf": str(factor), "preset": speed, "x264-params": "mbtree=0"}
    # VP9 at the same number looks worse; realtime with 8 of 9 speed steps is what two cores can do.
    return {
        "crf": str(min(63, quality + 4)),
        "deadline": "realtime",
        "cpu-used": "6",
        "row-mt": "1",
        "b": "0",
    }


def _merged(first: Iterator[Any], second: Iterator[Any]) -> Iterator[Any]:
    """Two runs of packets as one, by time of decoding, holding one packet of each."""
    a, b = next(first, None), next(second, None)
    while a is not None or b is not None:
        if b is None or (a is not None and _seconds(a) <= _seconds(b)):
            yield a
            a = next(first, None)
        else:
            yield b
            b = next(second, None)


def _seconds(packet: Any) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if stamp is None else stamp * packet.time_base
