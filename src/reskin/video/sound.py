"""Sound tracks for a video that is being written: copied packet for packet where the container allows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from reskin.errors import VideoError
from reskin.video.source import codec_name, open_container, typed_errors

_EVERYWHERE = {"aac", "mp3", "ac3", "eac3", "alac"}
_PCM = {"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"}
_COPIED = {
    ".mp4": _EVERYWHERE | {"opus", "flac"},
    ".m4v": _EVERYWHERE,
    ".mov": _EVERYWHERE | _PCM | {"pcm_s16be", "pcm_s24be"},
    ".mkv": _EVERYWHERE
    | {"opus", "flac", "vorbis", "dts", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"},
    ".webm": {"opus", "vorbis"},
}
"""Sound codecs that a container stores so that common players play them."""

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Sound:
    """A sound track in memory, beginning at time zero.

    Attributes:
        samples: (n, channels), float32, in [-1, 1]; what is beyond is clipped.
        sample_rate: samples per second, such as 48000.
    """

    samples: np.ndarray
    sample_rate: int


class Track(Protocol):
    """One sound track of the file being written, `stream` in the output."""

    stream: Any

    def accept(self, packet: Any, shift: Fraction) -> Iterator[Any]:
        """The packets to write for one of the source, `shift` seconds later; an empty one ends the track."""
        ...


class CopiedTrack:
    """A track whose packets are written as they are, byte for byte and with their times.

    Args:
        output: the PyAV output container.
        stream: the source's stream.
        drops_early: whether packets before time zero are left out. Matroska has no place for them, and FFmpeg
            would make all other tracks later instead.

    Attributes:
        dropped: how many packets were left out.
    """

    def __init__(self, output: Any, stream: Any, *, drops_early: bool) -> None:
        self.stream = output.add_stream_from_template(stream)
        self.dropped = 0
        self._drops_early = drops_early

    def accept(self, packet: Any, shift: Fraction) -> Iterator[Any]:
        """See `Track`."""
        if not packet.size:
            return
        if shift:
            moved = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + moved
            packet.dts = None if packet.dts is None else packet.dts + moved
        if self._drops_early and packet.pts is not None and packet.pts < 0:
            self.dropped += 1
            return
        packet.stream = self.stream
        yield packet


class EncodedTrack:
    """A track that is decoded and encoded anew, with its times kept.

    Attributes:
        damaged: how many packets of the source could not be decoded.
    """

    def __init__(self, output: Any, codec: str, sample_rate: int, layout: str) -> None:
        # Opus knows only a few sample rates; the others are resampled to 48 kHz.
        rate = 48000 if codec == "libopus" else sample_rate
        self.damaged = 0
        self.stream = output.add_stream(codec, rate=rate)
        self.stream.codec_context.layout = layout
        self.stream.codec_context.bit_rate = 96_000 * len(self.stream.codec_context.layout.channels)
        self.stream.codec_context.open()
        context = self.stream.codec_context
        self._resampler = av.AudioResampler(
            format=context.format, layout=context.layout, rate=rate, frame_size=context.frame_size or 1024
        )

    def accept(self, packet: Any, shift: Fraction) -> Iterator[Any]:
        """See `Track`."""
        try:
            frames = packet.decode()  # A packet without data drains the decoder.
        except av.error.InvalidDataError:
            self.damaged += 1
            frames = []
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts += round(shift / frame.time_base)
            yield from self.encode(frame)
        if not packet.size:
            yield from self.encode(None)

    def encode(self, frame: Any) -> Iterator[Any]:
        """The packets that an audio frame gives; None ends the track."""
        for piece in self._resampler.resample(frame):
            if piece is not None:
                yield from self.stream.encode(piece)
        if frame is None:
            yield from self.stream.encode(None)


class SoundTracks:
    """All sound tracks that go into one output file.

    Args:
        output: the PyAV output container.
        suffix: ending of the file being written; it decides which codecs can be copied.
    """

    def __init__(self, output: Any, suffix: str) -> None:
        self.notes: list[str] = []
        self._output, self._suffix = output, suffix
        self._codec = "libopus" if suffix == ".webm" else "aac"
        self._source: Any = None
        self._tracks: dict[int, Track] = {}
        self._sound: tuple[Sound, EncodedTrack] | None = None

    def add_file(self, path: Path) -> None:
        """Take every sound track of a file; `close` when done.

        Raises:
            VideoError: the file cannot be opened.
        """
        self._path, self._source = path, open_container(path)
        with typed_errors(path):
            for stream in self._source.streams.audio:
                track = self._track_for(stream, path)
                if track is not None:
                    self._tracks[stream.index] = track
        if self._source.streams.subtitles:
            self.notes.append(f"subtitles of {path.name} are left out: only pictures and sound are written")

    def _track_for(self, stream: Any, path: Path) -> Track | None:
        name = codec_name(stream)
        if name is None:
            self.notes.append(f"sound track {stream.index} of {path.name} left out: no decoder for it")
            return None
        if name in _COPIED[self._suffix]:
            try:
                # Opus knows its own lead-in, and Matroska has a place for that.
                early = self._suffix == ".mkv" and name != "opus"
                return CopiedTrack(self._output, stream, drops_early=early)
            except ValueError:
                pass  # This FFmpeg's muxer refuses the codec; encoding anew is said below.
        shown = "PCM" if name.startswith("pcm_") else name.upper()
        new = "Opus" if self._codec == "libopus" else "AAC"
        self.notes.append(f"sound re-encoded to {new}: {shown} cannot be stored in {self._suffix}")
        context = stream.codec_context
        layout = context.layout.name if len(context.layout.channels) <= 2 else "stereo"
        return EncodedTrack(self._output, self._codec, context.sample_rate, layout)

    def add_samples(self, sound: Sound) -> None:
        """Take a sound track from memory.

        Raises:
            VideoError: the array is not (n, 1 or 2) numbers, or the sample rate is not positive.
        """
        samples = np.asarray(sound.samples)
        if samples.ndim != 2 or samples.shape[1] not in (1, 2) or sound.sample_rate <= 0:
            raise VideoError(
                f"sound of shape {samples.shape} at {sound.sample_rate} Hz cannot be written",
                "Give (n, 1) or (n, 2) samples and a positive rate.",
            )
        layout = "mono" if samples.shape[1] == 1 else "stereo"
        self._sound = (sound, EncodedTrack(self._output, self._codec, sound.sample_rate, layout))

    def sample_rates(self) -> set[int]:
        """Samples per second of the tracks."""
        tracks = list(self._tracks.values()) + ([self._sound[1]] if self._sound else [])
        return {int(track.stream.codec_context.sample_rate) for track in tracks} - {0}

    def packets(self, shift: Fraction) -> Iterator[Any]:
        """The packets of all tracks in the order of the source; only a few are in memory at a time.

        Args:
            shift: seconds by which the sound is moved to later times.
        """
        if self._sound is not None:
            yield from self._packets_from_memory(*self._sound)
        if self._tracks:
            with typed_errors(self._path):
                yield from self._packets_of_source(shift)
        self._note_losses()

    def _packets_of_source(self, shift: Fraction) -> Iterator[Any]:
        streams = [s for s in self._source.streams.audio if s.index in self._tracks]
        try:
            for packet in self._source.demux(*streams):
                yield from self._tracks[packet.stream.index].accept(packet, shift)
        except av.error.InvalidDataError:
            self.notes.append("the sound of the source is damaged and ends early")

    def _note_losses(self) -> None:
        for track in self._tracks.values():
            if isinstance(track, CopiedTrack) and track.dropped:
                self.notes.append(
                    f"{track.dropped} sound packet before time zero left out: {self._suffix} holds none"
                )
            if isinstance(track, EncodedTrack) and track.damaged:
                self.notes.append(f"{track.damaged} damaged sound packets of the source left out")

    def _packets_from_memory(self, sound: Sound, track: EncodedTrack) -> Iterator[Any]:
        layout = "mono" if sound.samples.shape[1] == 1 else "stereo"
        for start in range(0, len(sound.samples), _CHUNK):
            piece = np.clip(np.nan_to_num(sound.samples[start : start + _CHUNK]), -1, 1).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece).reshape(1, -1), "flt", layout)
            frame.sample_rate, frame.pts = sound.sample_rate, start
            frame.time_base = Fraction(1, sound.sample_rate)
            yield from track.encode(frame)
        yield from track.encode(None)

    def close(self) -> None:
        """Let go of the source file."""
        if self._source is not None:
            self._source.close()
