"""One clock for a file whose own clock begins anew: pieces joined by their bytes, reconnected streams."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

_BACKWARD = Fraction(1, 10)
"""Seconds by which a time of decoding may fall back without a new clock (FFmpeg's own limit)."""

_FORWARD = 10
"""Seconds by which all tracks at once must leap forward for a new clock (FFmpeg's own limit)."""


@dataclass
class _Clock:
    """The times of decoding of one stream: where they jump, in packets counted from 0."""

    unit: Fraction
    leaps: list[tuple[int, int, int]] = field(default_factory=list)
    """Packet, the time expected of it and its own time, in units."""
    count: int = 0
    last: int | None = None
    expected: int = 0

    def see(self, dts: int | None, duration: int | None) -> None:
        number, self.count = self.count, self.count + 1
        if dts is None:
            return
        if self.last is not None and not (
            (self.last - dts) * self.unit <= _BACKWARD and (dts - self.expected) * self.unit <= _FORWARD
        ):
            self.leaps.append((number, self.expected, dts))
        self.last, self.expected = dts, dts + (duration or 0)


class Timeline:
    """What has to be added to the times of each packet so that the clock of the file never begins anew.

    `see` every packet of the pictures and sounds in the order of the file, then `settle`.
    """

    def __init__(self) -> None:
        self._clocks: dict[int, _Clock] = {}
        self._starts: dict[int, array[int]] = {}
        self._offsets: list[Fraction] = []

    def see(self, packet: Any) -> None:
        """Note a packet that holds data."""
        clock = self._clocks.get(packet.stream_index)
        if clock is None:
            clock = self._clocks[packet.stream_index] = _Clock(Fraction(packet.time_base))
        clock.see(packet.dts, packet.duration)

    def settle(self) -> None:
        """Find the joints: leaps back, and leaps forward that every track makes."""
        forward = {
            index: [leap for leap in clock.leaps if leap[2] > leap[1]]
            for index, clock in self._clocks.items()
        }
        counts = {len(leaps) for leaps in forward.values()}
        takes_forward = len(forward) > 1 and len(counts) == 1
        leaps = {
            index: [leap for leap in clock.leaps if takes_forward or leap[2] < leap[1]]
            for index, clock in self._clocks.items()
        }
        self._starts = {index: array("q", [leap[0] for leap in own]) for index, own in leaps.items()}
        self._offsets = [Fraction(0)]
        for number in range(max(map(len, leaps.values()), default=0)):
            # A joint is where the last track ends: all tracks go on from there, by the same amount.
            steps = [
                (leap[1] - leap[2]) * self._clocks[index].unit
                for index, own in leaps.items()
                for leap in own[number : number + 1]
            ]
            self._offsets.append(self._offsets[-1] + max(steps))

    @property
    def has_joints(self) -> bool:
        """Whether the clock begins anew somewhere."""
        return len(self._offsets) > 1

    def joints(self, stream_index: int) -> list[tuple[int, Fraction]]:
        """(packet, offset in seconds that holds from it on) of one stream, rising; the first is packet 0."""
        return list(zip([0, *self._starts.get(stream_index, ())], self._offsets, strict=False))

    def offset(self, stream_index: int, packet: int) -> Fraction:
        """Seconds to add to the times of a packet, counted from 0 within its stream."""
        if not self.has_joints:
            return Fraction(0)
        return self._offsets[bisect_right(self._starts.get(stream_index, ()), packet)]
