"""Encoded frames and their times, kept until all are known and a unit of time can be chosen for the file."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Self

import av


class FrameTimes:
    """The times of all frames, 16 bytes each, and the coarsest unit that holds them all exactly.

    Attributes:
        denominator: that unit is 1 / `denominator` seconds.
        last: the latest time, None before the first.
    """

    def __init__(self) -> None:
        self._numerators, self._denominators = array("q"), array("q")
        self.denominator = 1
        self.last: Fraction | None = None

    def __len__(self) -> int:
        return len(self._numerators)

    def add(self, time: Fraction) -> int:
        """Keep `time`; its index."""
        self._numerators.append(time.numerator)
        self._denominators.append(time.denominator)
        self.denominator = math.lcm(self.denominator, time.denominator)
        self.last = time
        return len(self._numerators) - 1

    @property
    def shift(self) -> Fraction:
        """Seconds to add to every time so that the first is not negative."""
        return max(Fraction(0), -Fraction(self._numerators[0], self._denominators[0]))

    def ticks(self, timescale: int) -> list[int]:
        """Every time, shifted, in units of 1 / `timescale` seconds; rising even if that is too coarse."""
        extra, before, ticks = self.shift * timescale, -1, []
        for above, below in zip(self._numerators, self._denominators, strict=True):
            before = max(before + 1, round(Fraction(above * timescale, below) + extra))
            ticks.append(before)
        return ticks


class Spool:
    """Encoded packets in a file beside the target until the times of all frames are known.

    Args:
        temporary: the temporary file of the target; this one gets a name beside it.
    """

    def __init__(self, temporary: Path) -> None:
        self._path = temporary.with_name(f"{temporary.stem}-packets{temporary.suffix}")
        self._sizes, self._pts, self._dts, self._keys = array("q"), array("q"), array("q"), array("b")

    def __enter__(self) -> Self:
        self._file: IO[bytes] = open(self._path, "w+b")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # On a full disk the rest cannot be flushed; the file is thrown away anyway.
            self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, packet: Any) -> None:
        """Keep a packet whose times count frames."""
        self._file.write(bytes(packet))
        self._sizes.append(packet.size)
        self._pts.append(packet.pts)
        self._dts.append(packet.dts)
        self._keys.append(packet.is_keyframe)

    def packets(self, stream: Any, ticks: list[int], step: int) -> Iterator[Any]:
        """The packets in the order of decoding, with frame numbers turned into `ticks`.

        Args:
            stream: the output stream, whose time base the ticks are in.
            ticks: time of every frame.
            step: ticks of one frame at the average rate: before the first frame and after the last.
        """
        self._file.seek(0)
        ends = [*ticks[1:], ticks[-1] + step]
        unit = stream.time_base  # The muxer may refine it while it writes the header.
        for size, pts, dts, key in zip(self._sizes, self._pts, self._dts, self._keys, strict=True):
            packet = av.Packet(self._file.read(size))
            packet.stream, packet.time_base = stream, unit
            packet.pts, packet.duration = ticks[pts], ends[pts] - ticks[pts]
            packet.dts = ticks[dts] if dts >= 0 else ticks[0] + dts * max(1, step)
            packet.is_keyframe = bool(key)
            yield packet
