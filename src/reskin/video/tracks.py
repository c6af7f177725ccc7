"""Sound and subtitles of a source file on their way into the file that is being written."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from reskin.errors import VideoError
from reskin.video.damage import Damage
from reskin.video.labels import copy_labels
from reskin.video.packets import read_packets
from reskin.video.sound import (
    COPIED,
    CopiedTrack,
    EncodedTrack,
    Sound,
    Track,
    memory_packets,
    memory_track,
)
from reskin.video.source import codec_name, find_pictures, open_container, typed_errors
from reskin.video.speakers import speakers_of
from reskin.video.timeline import Timeline

_SUBTITLES = {
    ".mp4": {"mov_text"},
    ".m4v": {"mov_text"},
    ".mov": {"mov_text"},
    ".mkv": {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "text"},
    ".webm": {"webvtt"},
}
"""Subtitle codecs that a container stores so that common players show them."""

_SEEK_SECONDS = 5
"""Sound is read from so long before a part on: containers find a position by their key frames."""

_RESTARTING = frozenset({"mpegts", "mpeg", "flv", "avi", "asf"})
"""Containers whose pieces can be joined by their bytes, so that the clock may begin anew."""


class Tracks:
    """All tracks besides the pictures that go into one output file.

    Args:
        output: the PyAV output container.
        suffix: ending of the file being written; it decides which codecs can be copied.
        since: seconds of the source before which everything is left out; None for none of it.
        until: seconds of the source at which to stop; None for all of it.

    Attributes:
        notes: what a user should know about them; complete when the packets are through.
    """

    def __init__(
        self,
        output: Any,
        suffix: str,
        *,
        since: Fraction | None = None,
        until: Fraction | None = None,
    ) -> None:
        self.notes: list[str] = []
        self._output, self._suffix, self._since, self._until = output, suffix, since, until
        self._codec = "libopus" if suffix == ".webm" else "aac"
        self._source: Any = None
        self._tracks: dict[int, Track] = {}
        self._sound: tuple[Sound, EncodedTrack] | None = None

    def add_file(self, path: Path) -> None:
        """Take every sound track and subtitle of a file that can be kept; `close` when done.

        Raises:
            VideoError: the file cannot be opened.
        """
        self._path, self._source = path, open_container(path)
        with typed_errors(path):
            streams = [*self._source.streams.audio, *self._source.streams.subtitles]
        for stream in streams:
            track = self._sound_track(stream) if stream.type == "audio" else self._subtitle_track(stream)
            if track is not None:
                copy_labels(stream, track.stream)
                self._tracks[stream.index] = track
        self._note_other_streams()

    def _sound_track(self, stream: Any) -> Track | None:
        name = codec_name(stream)
        where = f"sound track {stream.index} of {self._path.name}"
        if name is None:
            self.notes.append(f"{where} left out: no decoder for it")
            return None
        if name in COPIED[self._suffix]:
            try:
                # Opus knows its own lead-in, and Matroska has room for that.
                early = self._suffix == ".mkv" and name != "opus"
                return CopiedTrack(self._output, stream, drops_early=early)
            except ValueError:
                pass  # This FFmpeg's muxer refuses the codec; encoding anew is said below.
        shown = "PCM" if name.startswith("pcm_") else name.upper()
        new = "Opus" if self._codec == "libopus" else "AAC"
        context = stream.codec_context
        try:
            speakers = speakers_of(context)
            track = EncodedTrack(self._output, self._codec, context.sample_rate, speakers)
        except (VideoError, av.error.FFmpegError, ValueError) as error:
            reason = getattr(error, "what", None) or getattr(error, "strerror", None) or str(error)
            self.notes.append(f"{where} left out: {shown} cannot be re-encoded to {new} ({reason})")
            return None
        mixed = f", {track.mixed}" if track.mixed else ""
        self.notes.append(f"sound re-encoded to {new}: {shown} cannot be stored in {self._suffix}{mixed}")
        return track

    def _subtitle_track(self, stream: Any) -> Track | None:
        name = codec_name(stream) or "unknown"
        if name in _SUBTITLES[self._suffix]:
            try:
                return CopiedTrack(self._output, stream, drops_early=True)
            except ValueError:
                pass  # This FFmpeg's muxer refuses the codec; said below.
        self.notes.append(
            f"subtitles of {self._path.name} (track {stream.index}, {name}) are left out: "
            f"{self._suffix} holds none of their kind"
        )
        return None

    def _note_other_streams(self) -> None:
        counts = {
            "cover pictures or further video tracks": len(self._source.streams.video) - 1,
            "attachments": len(self._source.streams.attachments),
        }
        for what, count in counts.items():
            if count > 0:
                self.notes.append(f"{what} of {self._path.name} are left out ({count})")

    def add_samples(self, sound: Sound) -> None:
        """Take a sound track from memory.

        Raises:
            VideoError: the array is not (n, 1 or 2) numbers, or the sample rate is not positive.
        """
        self._sound = (sound, memory_track(self._output, self._codec, sound))

    def sample_rates(self) -> set[int]:
        """Samples per second of the tracks."""
        tracks = list(self._tracks.values()) + ([self._sound[1]] if self._sound else [])
        rates = {int(getattr(track.stream.codec_context, "sample_rate", 0) or 0) for track in tracks}
        return rates - {0}

    def packets(self, shift: Fraction) -> Iterator[Any]:
        """The packets of all tracks in the order of the source; only a few are in memory at a time.

        Args:
            shift: seconds by which the tracks are moved to later times.
        """
        if self._sound is not None:
            yield from memory_packets(*self._sound)
        if self._tracks:
            with typed_errors(self._path):
                timeline = self._timeline()
            yield from self._packets_of_source(shift, timeline)
        for track in self._tracks.values():
            self.notes += track.losses()

    def _timeline(self) -> Timeline:
        """The joined clock of the source, the same as the pictures'."""
        timeline = Timeline()
        if self._source.format.name in _RESTARTING:
            with open_container(self._path) as again:
                pictures = [stream for stream in [find_pictures(again)] if stream is not None]
                for packet in read_packets(again, [*pictures, *again.streams.audio], Damage()):
                    timeline.see(packet)
        timeline.settle()
        return timeline

    def _packets_of_source(self, shift: Fraction, timeline: Timeline) -> Iterator[Any]:
        streams = [stream for stream in self._source.streams if stream.index in self._tracks]
        counts = dict.fromkeys(self._tracks, 0)
        damage = Damage()
        beyond: set[int] = set()
        if self._since is not None and self._since > _SEEK_SECONDS and not timeline.has_joints:
            self._source.seek(int((self._since - _SEEK_SECONDS) * 1_000_000))
        for packet in read_packets(self._source, streams, damage):
            index = packet.stream_index
            offset = timeline.offset(index, counts[index])
            counts[index] += 1
            if self._is_beyond(packet, offset):
                beyond.add(index)
            elif not self._is_before(packet, offset):
                yield from self._tracks[index].accept(packet, shift + offset)
            if len(beyond) == len(streams):
                break
        for stream in streams:
            empty = av.Packet()
            empty.stream = stream
            yield from self._tracks[stream.index].accept(empty, shift)
        if damage.lines():
            self.notes.append("the sound of the source is damaged: a part of it was passed over")

    def _is_beyond(self, packet: Any, offset: Fraction) -> bool:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if self._until is None or stamp is None:
            return False
        return bool(stamp * packet.time_base + offset >= self._until)

    def _is_before(self, packet: Any, offset: Fraction) -> bool:
        """Whether a packet ends before the part begins; Matroska has no room for one that begins before."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if self._since is None or stamp is None:
            return False
        if self._suffix not in (".mkv", ".webm"):
            stamp += packet.duration or 1
            return bool(stamp * packet.time_base + offset <= self._since)
        return bool(stamp * packet.time_base + offset < self._since)

    def close(self) -> None:
        """Let go of the source file."""
        if self._source is not None:
            self._source.close()
