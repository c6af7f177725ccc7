"""Frames as they come out of the decoder: their numbers and times, and which are missing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from reskin.video.damage import LOST, MISSING, UNSOUND, Damage
from reskin.video.packets import packet_of
from reskin.video.table import Numbers, PacketTable


class DisplayOrder:
    """Numbers frames in the order of showing and notices which are missing.

    Frames come out of the decoder in the order of showing, so a picture with a smaller number than the frame
    at hand will never come: it is lost.

    Args:
        table: all pictures that the packets promise.
        unit: seconds of a unit of the table.
        damage: receives what is missing.
    """

    def __init__(self, table: PacketTable, unit: Fraction, damage: Damage) -> None:
        self.failed: set[int] = set()
        self._table, self._unit, self._damage = table, unit, damage
        self._numbers = Numbers(table)
        self._next = 0

    def take(self, frame: Any) -> tuple[int, Fraction] | None:
        """Number and time of a frame that came out, or None when it is not to be shown."""
        packet = packet_of(frame)
        if self._table.is_counted:
            self._pass_failed(packet)
        index = self._numbers.of(packet)
        if index is None:
            return None
        if index < self._next:
            self._damage.remark("frames that repeat an earlier time are left out")
            return None
        self._lose(index)
        self._next = index + 1
        time = self._table.stamps[index] * self._unit
        if frame.is_corrupt or packet in self.failed:
            self._damage.add(index, time, UNSOUND)
        return index, time

    def _pass_failed(self, packet: int) -> None:
        """Where pictures are counted, those of refused packets count as well."""
        for number in sorted(number for number in self.failed if number < packet):
            self.failed.discard(number)
            self._numbers.of(number)

    def outstanding(self) -> range:
        """The numbers of the pictures that have not come."""
        return range(self._next, len(self._table.stamps))

    def _lose(self, until: int) -> None:
        for index in range(self._next, until):
            self._damage.add(index, self._table.stamps[index] * self._unit, LOST)

    def finish(self, promised: int) -> None:
        """Note the pictures that never came: those of packets, and those the container says it has.

        Args:
            promised: packets that the index of the container lists, 0 without one.
        """
        total = len(self._table.stamps)
        self._lose(total)
        self._next = total
        if promised > self._table.packets:
            self._damage.add(total, None, MISSING, count=promised - self._table.packets)
