"""Encoded packets of a video stream: reading them past damage, and where each frame stands among them."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby
from typing import Any

import av

from reskin.video.damage import LOST, MISSING, UNSOUND, Damage
from reskin.video.source import codec_name

_MOST_READ_ERRORS = 8


def read_packets(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    """The packets of `stream` that hold data, going on after damaged stretches of the container.

    An empty packet in the middle (AVI writes one for a repeated frame) would end the decoder's work, so it is
    left out; whoever decodes must drain the decoder at the end by decoding None.
    """
    for _ in range(_MOST_READ_ERRORS):
        try:
            for packet in container.demux(stream):
                if packet.size:
                    yield packet
            return
        except av.error.InvalidDataError:
            damage.remark("the container is damaged: a part of it was passed over")


def stamp_of(thing: Any) -> int | None:
    """When a packet or frame is shown, in units of its stream; AVI states only when it is decoded."""
    stamp = thing.pts if thing.pts is not None else thing.dts
    return None if stamp is None else int(stamp)


def is_shown(packet: Any, codec: str | None) -> bool:
    """Whether a packet gives a frame to show: not one that an edit list cuts away, nor a hidden VP8 one."""
    if packet.is_discard or stamp_of(packet) is None:
        return False
    return codec != "vp8" or bool(memoryview(packet)[0] & 0x10)


def decode(context: Any, packet: Any, failed: set[int]) -> list[Any]:
    """The frames that come out of the decoder for `packet`.

    Args:
        context: the decoder.
        packet: one with data.
        failed: receives the time stamp of a packet that the decoder refuses.
    """
    try:
        return list(context.decode(packet))
    except av.error.FFmpegError:
        failed.add(stamp_of(packet) or 0)
        return []


def drain(context: Any) -> list[Any]:
    """The frames still in the decoder at the end; with frame threads, only those before an error."""
    try:
        return list(context.decode(None))
    except av.error.FFmpegError:
        return []


class DisplayOrder:
    """Numbers frames as they come out of the decoder and notices which are missing.

    Every packet that is put in promises a frame with its time stamp. Frames come out in the order of showing,
    so a promise with a smaller time stamp than the frame at hand will never be kept: that frame is lost.
    """

    def __init__(self, stream: Any, damage: Damage) -> None:
        self.failed: set[int] = set()
        self._stream, self._damage = stream, damage
        self._codec, self._unit = codec_name(stream), stream.time_base
        self._promised: list[int] = []
        self._known: set[int] = set()
        self._last: int | None = None
        self._next, self._packets = 0, 0

    def put(self, packet: Any) -> None:
        """Note a packet that goes into the decoder."""
        self._packets += 1
        stamp = stamp_of(packet)
        if stamp is None or not is_shown(packet, self._codec) or stamp in self._known:
            return
        if self._last is None or stamp > self._last:
            heapq.heappush(self._promised, stamp)
            self._known.add(stamp)

    def take(self, frame: Any) -> tuple[int, Fraction] | None:
        """Number and time of a frame that came out, or None when it repeats a time that has been shown."""
        stamp = stamp_of(frame)
        if stamp is None or (stamp not in self._known and self._promised):
            # Some decoders change or forget the stamp: the frame is then the next one that was promised.
            stamp = self._promised[0] if self._promised else None
        if stamp is None or (self._last is not None and stamp <= self._last):
            self._damage.remark("frames that repeat an earlier time are left out")
            return None
        while self._promised and self._promised[0] < stamp:
            self._lose()
        if self._promised and self._promised[0] == stamp:
            heapq.heappop(self._promised)
        self._known.discard(stamp)
        index, time, self._last = self._next, stamp * self._unit, stamp
        self._next += 1
        if frame.is_corrupt or stamp in self.failed:
            self._damage.add(index, time, UNSOUND)
        return index, time

    def outstanding(self) -> set[int]:
        """Time stamps of the frames that were promised and have not come."""
        return set(self._promised)

    def _lose(self) -> None:
        stamp = heapq.heappop(self._promised)
        self._known.discard(stamp)
        self._damage.add(self._next, stamp * self._unit, LOST)
        self._next += 1

    def finish(self, container: Any) -> None:
        """Note the frames that were promised, by packets or by the container, and never came."""
        while self._promised:
            self._lose()
        missing = stated_packets(container, self._stream) - self._packets
        if missing > 0:
            self._damage.add(self._next, None, MISSING, count=missing)
        stated = _stated_end(container, self._stream)
        if stated is not None and self._last is not None:
            rate = self._stream.average_rate or 25
            if self._last * self._unit + Fraction(1, 2) + 2 / rate < stated:
                end = float(self._last * self._unit)
                self._damage.remark(f"the file ends after {end:.3f} s but states {float(stated):.3f} s")


def stated_packets(container: Any, stream: Any) -> int:
    """How many packets the index of an MP4 or MOV file promises; 0 where there is no such index."""
    if "mp4" not in container.format.name:
        return 0
    return min(int(stream.frames), len(stream.index_entries))


def _stated_end(container: Any, stream: Any) -> Fraction | None:
    """Seconds at which a Matroska video track says that it ends, None when it does not say."""
    if "matroska" not in container.format.name:
        return None
    text = next((value for name, value in stream.metadata.items() if name.upper().startswith("DURATION")), "")
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except (ValueError, ZeroDivisionError):
        return None


@dataclass(frozen=True)
class Key:
    """A frame that can be decoded without others: its time stamps of showing and decoding."""

    pts: int
    dts: int


class PacketTable:
    """When each frame of a stream is shown and from which key frame it can be decoded; decodes nothing.

    Args:
        container: the opened file, at its start.
        stream: its video stream.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        stamps: set[int] = set()
        keys: dict[int, Key] = {}
        codec = codec_name(stream)
        for packet in read_packets(container, stream, Damage()):
            stamp = stamp_of(packet)
            if stamp is None:
                continue
            if packet.is_keyframe:
                keys[stamp] = Key(stamp, stamp if packet.dts is None else packet.dts)
            if is_shown(packet, codec):
                stamps.add(stamp)
        self.stamps = sorted(stamps)
        self._keys = [keys[stamp] for stamp in sorted(keys)]
        self._key_stamps = sorted(keys)

    def keys(self) -> list[int]:
        """The numbers of the frames that are key frames, rising."""
        shown = set(self._key_stamps)
        return [index for index, stamp in enumerate(self.stamps) if stamp in shown]

    def key_before(self, stamp: int) -> Key | None:
        """The key frame from which the frame shown at `stamp` can be decoded; None before the first one."""
        number = bisect_right(self._key_stamps, stamp)
        return self._keys[number - 1] if number else None

    def groups(self, indices: Sequence[int]) -> Iterator[tuple[Key | None, dict[int, int]]]:
        """For every key frame that is needed: it and {time stamp: index} of the frames wanted after it."""
        for key, members in groupby(indices, lambda index: self.key_before(self.stamps[index])):
            yield key, {self.stamps[index]: index for index in members}


def packets_from(container: Any, stream: Any, key: Key | None) -> Iterator[Any] | None:
    """The packets from `key` on, or None when seeking in this file does not find it."""
    target = stream.start_time or 0
    if key is not None:
        target = min(key.pts, key.dts)
    try:
        container.seek(target, stream=stream)
        return after_key(read_packets(container, stream, Damage()), key)
    except av.error.FFmpegError:
        return None


def after_key(packets: Iterator[Any], key: Key | None) -> Iterator[Any] | None:
    """`packets` from the key frame on, or None when it does not come before a later key frame."""
    for packet in packets:
        if key is None or (packet.is_keyframe and stamp_of(packet) == key.pts):
            return chain([packet], packets)
        stamp = stamp_of(packet)
        if packet.is_keyframe and stamp is not None and stamp > key.pts:
            return None
    return None
