"""Sound tracks for a video that is being written: copied packet for packet where the container allows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np

from reskin.errors import VideoError
from reskin.video.speakers import Speakers, kept

# Layouts by number of channels, the best first, as encoders and players know them; stereo where none fits.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

_NAMED = {"aac": frozenset({"mono", "stereo", "2.1", "3.0", "4.0", "quad", "5.0", "5.1", "7.1"})}
"""Layouts that a codec writes so that players know which speaker is which: of others AAC states no names."""

_EVERYWHERE = {"aac", "mp3", "ac3", "eac3", "alac"}
_PCM = {"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"}
COPIED = {
    ".mp4": _EVERYWHERE | {"opus", "flac"},
    ".m4v": _EVERYWHERE,
    ".mov": _EVERYWHERE | _PCM | {"pcm_s16be", "pcm_s24be"},
    ".mkv": _EVERYWHERE | _PCM | {"opus", "flac", "vorbis", "dts", "truehd", "mp2"},
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
    """One track of the file being written, `stream` in the output."""

    stream: Any

    def accept(self, packet: Any, shift: Fraction) -> Iterator[Any]:
        """The packets to write for one of the source, `shift` seconds later; an empty one ends the track."""
        ...

    def losses(self) -> Iterator[str]:
        """What was lost, one line each."""
        ...


class CopiedTrack:
    """A track whose packets are written as they are, byte for byte and with their times.

    Args:
        output: the PyAV output container.
        stream: the source's stream.
        drops_early: whether packets before time zero are left out. Matroska has no room for them, and FFmpeg
            would make all other tracks later instead.
    """

    def __init__(self, output: Any, stream: Any, *, drops_early: bool) -> None:
        self.stream = output.add_stream_from_template(stream)
        self._early = self._overlapping = 0
        self._drops_early = drops_early
        self._last: int | None = None

    def accept(self, packet: Any, shift: Fraction) -> Iterator[Any]:
        """See `Track`."""
        if not packet.size:
            return
        if shift:
            moved = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + moved
            packet.dts = None if packet.dts is None else packet.dts + moved
        if self._drops_early and packet.pts is not None and packet.pts < 0:
            self._early += 1
            return
        if packet.dts is not None:
            if self._last is not None and packet.dts < self._last:
                self._overlapping += 1
                return
            self._last = packet.dts
        packet.stream = self.stream
        yield packet

    def losses(self) -> Iterator[str]:
        """See `Track`."""
        if self._early:
            yield f"{self._early} sound packets before time zero left out: the container holds none"
        if self._overlapping:
            yield f"{self._overlapping} sound packets left out that begin before the one before them"


class EncodedTrack:
    """A track that is decoded and encoded anew, with its times kept.

    Args:
        output: the PyAV output container.
        codec: FFmpeg's name of the encoder.
        sample_rate: of the source, per second; the nearest one that the encoder knows is taken.
        speakers: of the source.

    Attributes:
        mixed: what became of the channels and the rate where they had to change, else empty.

    Raises:
        VideoError: the encoder takes nothing of the kind.
    """

    def __init__(self, output: Any, codec: str, sample_rate: int, speakers: Speakers) -> None:
        rate, channels = _nearest_rate(codec, sample_rate), speakers.count
        self._damaged = 0
        chosen = _layout_for(codec, rate, speakers.layout, channels)
        _check_mixing(speakers, chosen)
        self.stream = output.add_stream(codec, rate=rate)
        context = self.stream.codec_context
        context.layout = chosen
        context.bit_rate = 96_000 * context.layout.nb_channels
        context.open()
        left = context.layout.nb_channels
        changes = [f"{channels} channels mixed to {left}"] if left != channels else []
        if rate < sample_rate and not codec.startswith("libopus"):
            changes.append(f"{sample_rate} Hz brought to {rate} Hz")
        self.mixed = ", ".join(changes)
        self._resampler = av.AudioResampler(
            format=context.format, layout=context.layout, rate=rate, frame_size=context.frame_size or 1024
        )

    def accept(self, packet: Any, shift: Fraction) -> Iterator[Any]:
        """See `Track`."""
        try:
            frames = kept(packet.decode())  # A packet without data drains the decoder.
        except av.error.FFmpegError:
            self._damaged += 1
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

    def losses(self) -> Iterator[str]:
        """See `Track`."""
        if self._damaged:
            yield f"{self._damaged} damaged sound packets of the source left out"


def _check_mixing(speakers: Speakers, layout: str) -> None:
    """Refuse sound that FFmpeg cannot mix, such as of 9 speakers whose positions are not stated."""
    silence = av.AudioFrame(format="s16", layout=speakers.layout, samples=16)
    silence.sample_rate = 48_000
    try:
        av.AudioResampler(format="s16", layout=layout).resample(silence)
    except av.error.FFmpegError:
        what = f"nothing says where its {speakers.count} speakers stand"
        raise VideoError(what, "Write .mkv, which keeps the channels as they are.") from None


def _nearest_rate(codec: str, rate: int) -> int:
    """The encoder's rate that holds `rate`, or its highest.

    >>> [_nearest_rate("aac", rate) for rate in (44100, 192000, 11000)], _nearest_rate("libopus", 44100)
    ([44100, 96000, 11025], 48000)
    """
    known = av.Codec(codec, "w").audio_rates
    if not known or rate in known:
        return rate
    if rate % 44100 == 0 and 88200 in known:
        return 88200  # An even division resamples best.
    return min((one for one in known if one >= rate), default=max(known))


def _layout_for(codec: str, rate: int, layout: str, channels: int) -> str:
    """The layout to encode in: the source's own, the nearest that players know, else stereo or mono."""
    named = _NAMED.get(codec)
    nearest = [_LAYOUTS.get(channels), _wider(layout, channels)]
    if nearest[0] and _is_stated(layout) and _has_bass(layout) != _has_bass(nearest[0]):
        nearest.reverse()
    own, fewer = layout if _is_stated(layout) else None, "5.1" if channels > 6 else None
    for name in (own, *nearest, fewer, "stereo", "mono"):
        if name is None or (named and name not in named):
            continue
        context: Any = av.CodecContext.create(codec, "w")
        context.sample_rate, context.layout = rate, name
        context.format = (av.Codec(codec, "w").audio_formats or [av.AudioFormat("fltp")])[0].name
        context.time_base = Fraction(1, rate)
        try:
            context.open()
        except (av.error.FFmpegError, ValueError):
            continue
        return name
    raise VideoError(f"{codec} takes no sound of {channels} channels at {rate} Hz", "Write .mkv instead.")


def _wider(layout: str, channels: int) -> str | None:
    """The layout that has room for every speaker of a stated one."""
    if not _is_stated(layout) or not 2 < channels <= 8:
        return None
    return "5.1" if channels - _has_bass(layout) <= 5 else "7.1"


def _has_bass(layout: str) -> bool:
    return any(channel.name == "LFE" for channel in av.AudioLayout(layout).channels)


def _is_stated(layout: str) -> bool:
    """Whether a name of FFmpeg's says where the speakers stand; "6 channels" does not."""
    return bool(layout) and "channel" not in layout


def memory_track(output: Any, codec: str, sound: Sound) -> EncodedTrack:
    """A track for sound in memory.

    Raises:
        VideoError: the array is not (n, 1 or 2) numbers, or the sample rate is not positive.
    """
    samples = np.asarray(sound.samples)
    if samples.ndim != 2 or samples.shape[1] not in (1, 2) or sound.sample_rate <= 0:
        raise VideoError(
            f"sound of shape {samples.shape} at {sound.sample_rate} Hz cannot be written",
            "Give (n, 1) or (n, 2) samples and a positive rate.",
        )
    channels = samples.shape[1]
    return EncodedTrack(output, codec, sound.sample_rate, Speakers(_LAYOUTS[channels], channels))


def memory_packets(sound: Sound, track: EncodedTrack) -> Iterator[Any]:
    """The packets of sound in memory, beginning at time zero."""
    layout = _LAYOUTS[sound.samples.shape[1]]
    for start in range(0, len(sound.samples), _CHUNK):
        piece = np.clip(np.nan_to_num(sound.samples[start : start + _CHUNK]), -1, 1).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece).reshape(1, -1), "flt", layout)
        frame.sample_rate, frame.pts = sound.sample_rate, start
        frame.time_base = Fraction(1, sound.sample_rate)
        yield from track.encode(frame)
    yield from track.encode(None)
