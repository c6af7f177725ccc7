"""When each picture of a stream is shown and from where it can be decoded, found without decoding.

A picture is what the decoder gives, not a packet: two packets may hold its two fields, and some packets hold
nothing to show.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from reskin.video.damage import Damage
from reskin.video.fields import Field, FieldReader
from reskin.video.packets import read_packets
from reskin.video.source import codec_name, sound_streams
from reskin.video.timeline import Timeline
from reskin.video.vops import VopReader

_UNTIMED_IN_AVI = frozenset({"h264", "hevc", "vvc"})
"""Codecs of which FFmpeg's AVI demuxer numbers packets in the order of decoding only."""

_REORDERING = _UNTIMED_IN_AVI | {"mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3"}
"""Codecs that store pictures in another order than that of showing, one picture a packet or field pair."""

_HIDDEN = -1


@dataclass(frozen=True)
class Key:
    """A picture that can be decoded without others.

    Attributes:
        packet: its number in the order of the file.
        ordinal: its number among the pictures in the order of decoding.
        stamp: when it is shown, on the joined clock.
        pts: its own time of showing as the file states it, if it does.
        dts: its own time of decoding.
    """

    packet: int
    ordinal: int
    stamp: int
    pts: int | None
    dts: int | None

    def is_in(self, packet: Any) -> bool:
        """Whether a packet that came after seeking is this one."""
        return bool(packet.is_keyframe) and (packet.pts, packet.dts) == (self.pts, self.dts)

    def is_behind(self, packet: Any) -> bool:
        """Whether a packet that came after seeking lies beyond this one."""
        if not packet.is_keyframe or packet.dts is None or self.dts is None:
            return False
        return bool(packet.dts > self.dts)


@dataclass
class _Stream:
    """What the packets say, one entry a packet, in the order of the file."""

    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    durations: array[int] = field(default_factory=lambda: array("q"))
    ordinals: array[int] = field(default_factory=lambda: array("q"))
    shown: bytearray = field(default_factory=bytearray)
    keys: array[int] = field(default_factory=lambda: array("q"))
    counted: list[int | None] = field(default_factory=list)
    """Times that need only be sorted, where those of showing are not clear."""
    is_disordered: bool = False
    """Whether the times of showing contradict the order in which pictures come out of the decoder."""


class PacketTable:
    """The pictures of a stream in the order of showing.

    Args:
        container: the opened file, at its start.
        stream: its video stream.

    Attributes:
        stamps: when each picture is shown, rising, in units of the stream, on a clock that never begins anew.
        packets: how many packets with data there are.
        end: when the last picture ceases to be shown, by what its packet says.
        has_joints: whether the clock of the file begins anew somewhere, so that seeking finds nothing.
        is_counted: whether the file states no clear times of showing: the n-th picture that comes out of the
            decoder is then shown at the n-th time of decoding.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        timeline = Timeline()
        seen = _look_through(container, stream, timeline)
        timeline.settle()
        self._joints = [
            (first, round(offset / stream.time_base)) for first, offset in timeline.joints(stream.index)
        ]
        self.has_joints = timeline.has_joints
        self.packets = len(seen.pts)
        codec = codec_name(stream)
        self.is_counted = False
        if "avi" in container.format.name and codec in _UNTIMED_IN_AVI:
            self.is_counted, seen.counted = True, seen.dts
        elif codec in _REORDERING and self._is_unclear(seen):
            is_stated = seen.is_disordered and None not in seen.pts
            self.is_counted, seen.counted = True, seen.pts if is_stated else _filled(seen)
        self._place(seen)

    def _is_unclear(self, seen: _Stream) -> bool:
        """Whether pictures state no time of showing, or one that another picture states as well."""
        if seen.is_disordered:
            return True
        firsts: dict[int, int | None] = {}
        for number, ordinal in enumerate(seen.ordinals):
            if seen.shown[number] and ordinal not in firsts:
                firsts[ordinal] = None if seen.pts[number] is None else self._stamp(seen, number)
        return None in firsts.values() or len(set(firsts.values())) < len(firsts)

    def _place(self, seen: _Stream) -> None:
        """Sort the pictures by their times and find the keys."""
        stamps: dict[int, int] = {}  # picture in the order of decoding: its time
        self.end: int | None = None
        for number, duration in enumerate(seen.durations):
            stamp = self._stamp(seen, number)
            if stamp is not None and seen.shown[number]:
                stamps.setdefault(seen.ordinals[number], stamp)
                self.end = max(self.end or stamp, stamp + max(0, duration))
        if self.is_counted:
            self.stamps = _rising(
                sorted(stamps.values()), max(1, min(filter(None, seen.durations), default=1))
            )
            self._pictures = array("q")
        else:
            self.stamps = sorted(set(stamps.values()))
            self._match(seen, stamps)
        self._find_keys(seen)

    def _match(self, seen: _Stream, stamps: dict[int, int]) -> None:
        """Which picture each packet belongs to, by its time."""
        index_of = {stamp: index for index, stamp in enumerate(self.stamps)}
        rank = {ordinal: index_of[stamp] for ordinal, stamp in stamps.items()}
        shown = zip(seen.ordinals, seen.shown, strict=True)
        self._pictures = array(
            "q", (rank.get(of, _HIDDEN) if is_shown else _HIDDEN for of, is_shown in shown)
        )
        self._last_packet = array("q", [0]) * len(self.stamps)
        for number, index in enumerate(self._pictures):
            if index != _HIDDEN:
                self._last_packet[index] = number

    def _find_keys(self, seen: _Stream) -> None:
        self._keys: list[Key] = []
        for number in seen.keys:
            stamp = self._stamp(seen, number)
            if stamp is not None:
                ordinal = seen.ordinals[number]
                self._keys.append(Key(number, ordinal, stamp, seen.pts[number], seen.dts[number]))
        if not self.is_counted:
            self._keys.sort(key=lambda key: key.stamp)
        self._key_positions = [key.ordinal if self.is_counted else key.stamp for key in self._keys]

    def _stamp(self, seen: _Stream, number: int) -> int | None:
        if self.is_counted:
            stamp = seen.counted[number]
        else:
            stamp = seen.dts[number] if seen.pts[number] is None else seen.pts[number]
        if stamp is None:
            return None
        joint = bisect_right(self._joints, number, key=lambda joint: joint[0]) - 1
        return stamp + self._joints[joint][1]

    def picture(self, packet: int) -> int | None:
        """The number of the picture that a packet belongs to, None where it shows nothing."""
        index = self._pictures[packet] if packet < self.packets else _HIDDEN
        return None if index == _HIDDEN else index

    def last_packet(self, index: int) -> int:
        """The packet that completes a picture."""
        return self._last_packet[index]

    def keys(self) -> list[int]:
        """The numbers of the pictures that can be decoded without others, rising."""
        found = [key.ordinal if self.is_counted else self.picture(key.packet) for key in self._keys]
        return sorted({index for index in found if index is not None and index < len(self.stamps)})

    def key_before(self, index: int) -> Key | None:
        """The key from which a picture can be decoded; None where it comes before the first one."""
        position = index if self.is_counted else self.stamps[index]
        number = bisect_right(self._key_positions, position)
        return self._keys[number - 1] if number else None

    def start_for(self, key: Key | None) -> Key | None:
        """The key at which decoding must begin so that the pictures from `key` on are known by number.

        Where pictures are counted, those shown before a key but stored behind it are only distinguished by
        what comes out when the pictures before them are decoded as well.
        """
        if key is None or not self.is_counted or key.ordinal == 0:
            return key
        number = bisect_right(self._key_positions, key.ordinal) - 2
        return self._keys[number] if number >= 0 else None

    def groups(self, indices: Sequence[int]) -> Iterator[tuple[Key | None, list[int]]]:
        """For every key that is needed: it and the pictures wanted after it."""
        for key, members in groupby(indices, self.key_before):
            yield key, list(members)


class Numbers:
    """The numbers of pictures as they come out of the decoder.

    Args:
        table: of the stream.
        key: where pictures are counted, the key from which on; None for the start of the file.
    """

    def __init__(self, table: PacketTable, key: Key | None = None) -> None:
        self._table = table
        self._first_packet, self._next = (key.packet, key.ordinal) if key else (0, 0)

    def of(self, packet: int) -> int | None:
        """The number of the picture whose packet has this number, or None when it is not to be shown."""
        if not self._table.is_counted:
            return self._table.picture(packet)
        if packet < self._first_packet or self._next >= len(self._table.stamps):
            return None
        self._next += 1
        return self._next - 1


def _look_through(container: Any, stream: Any, timeline: Timeline) -> _Stream:
    seen = _Stream()
    codec = codec_name(stream)
    header = stream.codec_context.extradata
    pairs = _FieldPairs(header) if codec == "h264" else None
    vops = VopReader(header) if codec == "mpeg4" else None
    for packet in read_packets(container, [stream, *sound_streams(container)], Damage()):
        timeline.see(packet)
        if packet.stream_index != stream.index:
            continue
        is_second = pairs is not None and pairs.closes(packet)
        gives = vops is None or vops.gives(bytes(packet), packet.pts)
        ordinal = (seen.ordinals[-1] if seen.ordinals else -1) + (gives and not is_second)
        is_key = packet.is_keyframe if vops is None else vops.is_key(bytes(packet))
        if is_key and not is_second:
            seen.keys.append(len(seen.pts))
        seen.pts.append(packet.pts)
        seen.dts.append(packet.dts)
        seen.durations.append(packet.duration or 0)
        seen.ordinals.append(ordinal)
        seen.shown.append(gives and _is_shown(packet, codec))
    seen.is_disordered = vops is not None and vops.is_disordered
    return seen


def _is_shown(packet: Any, codec: str | None) -> bool:
    """Whether a packet gives something to show: not one that an edit list cuts away, nor a hidden VP8 one."""
    if packet.is_discard:
        return False
    return codec != "vp8" or bool(memoryview(packet)[0] & 0x10)


class _FieldPairs:
    """Finds packets that hold the second field of the picture in the packet before."""

    def __init__(self, extradata: bytes | None) -> None:
        self._reader = FieldReader(extradata)
        self._open: Field | None = None
        self._is_first = True

    def closes(self, packet: Any) -> bool:
        """Whether `packet` completes the picture of the packet before it."""
        # Parameter sets can change only at a key, so that whole streams of frames are not searched.
        if not (self._is_first or packet.is_keyframe or self._reader.may_hold_fields):
            return False
        self._is_first = False
        now, before = self._reader.field(bytes(packet)), self._open
        is_second = (
            now is not None
            and before is not None
            and now.frame_num == before.frame_num
            and now.is_bottom != before.is_bottom
        )
        self._open = None if is_second else now
        return is_second


def _rising(stamps: list[int], step: int) -> list[int]:
    """Sorted times with repeated ones moved on by `step`, until the next gap takes them up.

    >>> _rising([0, 2, 2, 4, 8], 2)
    [0, 2, 4, 6, 8]
    """
    rising: list[int] = []
    for stamp in stamps:
        rising.append(rising[-1] + step if rising and stamp <= rising[-1] else stamp)
    return rising


def _filled(seen: _Stream) -> list[int | None]:
    """Times of decoding for all packets, moved so that the first picture is shown when the file says so."""
    moved = next(
        (p - d for p, d in zip(seen.pts, seen.dts, strict=True) if p is not None and d is not None), 0
    )
    filled: list[int | None] = []
    expected = None
    for stated, duration in zip(seen.dts, seen.durations, strict=True):
        dts = expected if stated is None else stated
        filled.append(None if dts is None else dts + moved)
        expected = None if dts is None else dts + max(1, duration)
    return _filled_before(filled, seen.durations)


def _filled_before(times: list[int | None], durations: Sequence[int]) -> list[int | None]:
    """Times for the packets before the first that has one, counted back from it.

    >>> _filled_before([None, None, 80, 120], [40, 40, 40, 40])
    [0, 40, 80, 120]
    """
    first = next((number for number, time in enumerate(times) if time is not None), 0)
    known = [time for time in times[first:] if time is not None]
    steps = [later - earlier for earlier, later in pairwise(known) if later > earlier]
    usual = sorted(steps)[len(steps) // 2] if steps else 1
    filled = list(times)
    for number in range(first - 1, -1, -1):
        after = filled[number + 1]
        filled[number] = None if after is None else after - (durations[number] or usual)
    return filled
