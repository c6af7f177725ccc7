"""Writing a video whole or not at all: exact times, exact size, true colours, the sound of the source."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np

from reskin.errors import NoFramesError, ReskinError, VideoError
from reskin.storage import commit, storage_error
from reskin.video.encoding import FORMATS, Encoding, add_pictures, check_size, chosen_codec, keeps_alpha
from reskin.video.labels import copy_file_labels, lost_labels, timecode_of
from reskin.video.pixels import FrameMaker
from reskin.video.segments import Segment
from reskin.video.sound import Sound
from reskin.video.source import check_is_file, open_container
from reskin.video.spool import FrameTimes, Spool
from reskin.video.tracks import Tracks

if TYPE_CHECKING:
    from reskin.video.reader import VideoReader

__all__ = ["Encoding", "Sound", "VideoWriter", "check_can_write", "encoding_for"]

_MILLISECONDS = (".mkv", ".webm")  # Matroska knows no finer unit, as FFmpeg writes it.
_LARGEST_TIMESCALE = 2**31 - 1
_FALLBACK_TIMESCALE = 1_000_000
_CHECK_SECONDS = Fraction(1)


class _AbandonedError(Exception):
    """Makes `commit` drop its temporary file."""


class VideoWriter:
    """Writes frames to a video file; the file appears at `path` when the `with` block ends without an error.

    Pictures are tagged as what they are: BT.709, limited range (RGB in FFV1). Encoded frames wait in a file
    beside the target until all times are known: only then can a unit of time be chosen that holds each of
    them exactly. In .mkv and .webm that unit is always a millisecond. H.264 and HEVC frames with an odd edge
    are stored as 4:4:4, since neither has an odd 4:2:0; `notes` says so.

    Args:
        path: the file; its ending decides the container: .mp4, .m4v, .mov, .mkv or .webm.
        size: (width, height) of every frame, px.
        frame_rate: average frames per second, for the encoder and for a last frame whose end is not given.
        source: a film that this one is made of: its sound tracks and subtitles go in at the times they have
            there, copied packet for packet where the container allows it, and its languages, titles, flags,
            chapters and timecode. What cannot be kept is in `notes`.
        sound: a sound track from memory, encoded to AAC (Opus in .webm); not together with `source`.
        encoding: codec, quality and transparency.
        start: seconds on the clock of the frames and of `source` that become time zero.

    Attributes:
        notes: what a user should know about the file, such as sound that could not be copied; complete
            when the `with` block has ended.

    Raises:
        VideoError: an ending, size, codec or rate that cannot be written; a `source` that cannot be read.
        StorageError: the disk refuses the write; what was at `path` before is intact.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        size: tuple[int, int],
        frame_rate: Fraction,
        source: Path | None = None,
        sound: Sound | None = None,
        encoding: Encoding | None = None,
        start: Fraction = Fraction(0),
    ) -> None:
        self.path, self.size = Path(path), size
        self.frame_rate = Fraction(frame_rate)
        self.notes: list[str] = []
        self._encoding = encoding or Encoding()
        self._source = None if source is None else Path(source)
        self._sound, self._begin = sound, start
        self._since: Fraction | None = None
        self._until: Fraction | None = None
        self._end: Fraction | None = None
        self._check()
        self._stack, self._scratch = ExitStack(), ExitStack()
        self._open = False
        self._segment_frame = self._segment_packet = 0

    def _check(self) -> None:
        self._codec = chosen_codec(self.path, self._encoding)
        check_size(self.path, self._codec, self.size)
        if self.frame_rate <= 0:
            raise VideoError(
                f"{self.path}: a frame rate of {self.frame_rate} is not possible", "Use more than 0."
            )
        if self._sound is not None and self._source is not None:
            raise VideoError(f"{self.path}: sound was given twice", "Give either sound or source.")
        if self._source is not None:
            check_is_file(self._source)

    @property
    def has_alpha(self) -> bool:
        """Whether the frames come with transparency."""
        return self._encoding.has_alpha

    def keep_only(self, since: Fraction | None, until: Fraction | None) -> None:
        """Leave out sound, subtitles and chapters of the source before and after these seconds of its clock.

        To be called before the `with` block.
        """
        self._since, self._until = since, until

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
        self._spool = self._stack.enter_context(Spool(self._temporary, self.path))
        self._output = av.open(
            str(self._temporary), "w", format=FORMATS[suffix], container_options=_container_options(suffix)
        )
        rate = self.frame_rate.limit_denominator(1 << 20)
        self._stream = add_pictures(self._output, self._codec, rate, self.size, self._encoding)
        self._stack.enter_context(self._scratch)
        self._new_encoder()
        form = self._stream.pix_fmt
        if form == "yuv444p":
            name = "H.264" if self._codec.startswith("h264") else "HEVC"
            width, height = self.size
            self.notes.append(
                f"{width}x{height} has an odd edge: stored as {name} 4:4:4, which some players cannot show"
            )
        self._tracks = Tracks(self._output, suffix, since=self._since, until=self._until)
        self._stack.callback(self._tracks.close)
        if self._source is not None:
            self._tracks.add_file(self._source)
        if self._sound is not None:
            self._tracks.add_samples(self._sound)
        self._maker = FrameMaker(*self.size, form, has_alpha=self._encoding.has_alpha)
        self._times = FrameTimes(self._begin)
        self._open = True

    def write(self, image: np.ndarray, time: Fraction, alpha: np.ndarray | None = None) -> None:
        """Add a frame.

        Args:
            image: (H, W, 3), uint8, RGB, of the writer's size.
            time: seconds at which the frame is first shown; later than that of the frame before.
            alpha: (H, W), uint8, 0 for transparent; only where the encoding has it, opaque by default.

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
        if alpha is not None and not self._encoding.has_alpha:
            raise VideoError(f"{self.path} is written without transparency", "Give Encoding(has_alpha=True).")
        last = self._times.last
        if last is not None and time <= last:
            raise VideoError(
                f"{self.path}: frame at {time} s does not come after {last} s", "Write frames in order."
            )
        index = self._times.add(Fraction(time))
        frame = self._maker.frame(image, alpha)
        frame.pts = index - self._segment_frame
        frame.time_base = 1 / Fraction(self._stream.codec_context.framerate)
        self._encode(frame)

    def end_segment(self, last: int) -> Segment:
        """End a segment: the frames that follow are encoded as if they were the first ones.

        Args:
            last: number of the last frame in the source, to be kept with the segment.

        Returns:
            The frames since the segment before.
        """
        self._encode(None)
        first = self._segment_frame
        segment = self._spool.segment(self._segment_packet, self._times.since(first), first=first, last=last)
        self._begin_segment()
        return segment

    def add_segment(self, segment: Segment) -> None:
        """Add the frames of a segment that another writer of the same size, rate and encoding has ended.

        Raises:
            StorageError: the disk refuses the write.
        """
        first = len(self._times)
        for time in segment.times:
            self._times.add(time)
        try:
            self._spool.add_segment(segment, first)
        except OSError as error:
            raise storage_error(self.path, error) from error
        self._segment_frame, self._segment_packet = len(self._times), len(self._spool)

    def _begin_segment(self) -> None:
        self._segment_frame, self._segment_packet = len(self._times), len(self._spool)
        self._new_encoder()

    def _new_encoder(self) -> None:
        """An encoder of its own for each segment; that of the file itself only states what they have in
        common."""
        suffix = self.path.suffix.lower()
        self._scratch.close()  # streams and container hold each other: else the encoder would stay
        scratch = self._scratch.enter_context(av.open(io.BytesIO(), "w", format=FORMATS[suffix]))
        rate = self.frame_rate.limit_denominator(1 << 20)
        self._encoder = add_pictures(scratch, self._codec, rate, self.size, self._encoding)

    def ends_at(self, end: Fraction | None) -> None:
        """Say when the last frame ceases to be shown, in seconds; None or no call: one frame's length on."""
        self._end = end

    def _encode(self, frame: Any) -> None:
        try:
            for packet in self._encoder.encode(frame):
                self._spool.add(packet, self._segment_frame)
        except OSError as error:
            raise storage_error(self.path, error) from error
        except av.error.FFmpegError as error:
            raise VideoError(
                f"{self.path}: the encoder gave up ({error.strerror})", "Try another codec."
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
        if self._segment_frame < len(self._times):
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
        timescale = 1000 if suffix in _MILLISECONDS else self._unit()
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
        if self._begin + shift > 0:
            late = float(self._begin + shift)
            self.notes.append(f"pictures and sound begin {late:.3f} s later: no file holds negative times")
        if self._source is not None:
            with open_container(self._source) as source:
                copy_file_labels(
                    source, self._output, self._stream, shift=shift, part=(self._since, self._until)
                )
                if timecode_of(source) and self._since is None and suffix in (".mp4", ".m4v"):
                    self._output.container_options["write_tmcd"] = "1"
        self._stream.time_base = Fraction(1, timescale)
        step = round(timescale / self.frame_rate)
        ticks = self._times.ticks(timescale)
        end = ticks[-1] + step
        if self._end is not None:
            end = max(ticks[-1] + 1, round((self._end + shift) * timescale))
        packets = self._spool.packets(self._stream, ticks, step, end=end, sums_up=suffix not in _MILLISECONDS)
        for packet in _merged(packets, self._tracks.packets(shift)):
            self._output.mux_one(packet)
        self._output.close()
        self.notes += self._tracks.notes
        if self._source is not None:
            is_part = self._since is not None
            self.notes += lost_labels(self._source, self._temporary, suffix, is_part=is_part)

    def _unit(self) -> int:
        """Units a second that hold every time, and the end of the last frame where that is possible."""
        exact = self._times.denominator
        end = self._end - self._begin if self._end is not None else 1 / self.frame_rate
        finer = math.lcm(exact, end.denominator)
        return finer if finer <= _LARGEST_TIMESCALE else exact

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


def encoding_for(reader: VideoReader, path: Path, encoding: Encoding) -> Encoding:
    """How a film made of another is encoded: with transparency where that has it and the file can hold it.

    The reader is asked to give transparency in that case, and else not to.

    Raises:
        VideoError: the source cannot be read.
    """
    reader.keeps_alpha = keeps_alpha(path.suffix, encoding.codec) and reader.is_transparent()
    return replace(encoding, has_alpha=reader.keeps_alpha)


def check_can_write(source: Path | str, target: Path | str, encoding: Encoding | None = None) -> list[str]:
    """Write the first second of a film, sound and all, to a file that is thrown away, before hours of work.

    Args:
        source: the film that is to be translated.
        target: where the translation is to go; only its ending counts, nothing is written there.
        encoding: codec and quality.

    Returns:
        What a user should know about the file that will come out of it.

    Raises:
        VideoError: the source cannot be read, or such a file not be written; the message says why.
        StorageError: the disk of temporary files refuses the write.
    """
    from reskin.video.reader import VideoReader

    with tempfile.TemporaryDirectory(prefix="reskin-check-") as folder, VideoReader(source) as reader:
        path = Path(folder) / f"check{Path(target).suffix}"
        try:
            return _checked(reader, path, encoding or Encoding())
        except VideoError as error:
            if folder not in error.what:
                raise
            raise VideoError(error.what.replace(str(path), str(target)), error.fix) from error


def _checked(reader: VideoReader, path: Path, encoding: Encoding) -> list[str]:
    """Write the first second of a film; what is to be said of it."""
    info, start = reader.info, reader.start()
    writer = VideoWriter(
        path,
        size=(info.width, info.height),
        frame_rate=info.frame_rate,
        source=reader.path,
        encoding=encoding_for(reader, path, encoding),
        start=start,
    )
    writer.keep_only(None, start + _CHECK_SECONDS)
    with writer:
        for frame in _first_second(reader):
            writer.write(frame.image, frame.time, frame.alpha)
    return [*reader.notes, *writer.notes]


def _first_second(frames: Iterable[Any]) -> Iterator[Any]:
    first: Fraction | None = None
    for frame in frames:
        first = frame.time if first is None else first
        yield frame
        if frame.time >= first + _CHECK_SECONDS:
            return
