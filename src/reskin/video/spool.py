"""Encoded frames and their times, kept until all are known and a unit of time can be chosen for the file."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Self

import av
import numpy as np

from reskin.storage import storage_error
from reskin.video.segments import Segment

_MOST_DELAY = 64
"""No encoder decodes a frame more frames before it is shown; for one or two frames x265 gives any number."""

_ALPHA = "matroska_block_additional"
"""Where VP9 keeps the transparency of a frame."""


class FrameTimes:
    """The times of all frames, 16 bytes each, and the coarsest unit that holds them all exactly.

    Args:
        start: seconds that become time zero.

    Attributes:
        denominator: that unit is 1 / `denominator` seconds.
        last: the latest time, None before the first.
    """

    def __init__(self, start: Fraction = Fraction(0)) -> None:
        self._start = start
        self._numerators, self._denominators = array("q"), array("q")
        self.denominator = 1
        self.last: Fraction | None = None

    def __len__(self) -> int:
        return len(self._numerators)

    def add(self, time: Fraction) -> int:
        """Keep `time`; its index."""
        self._numerators.append(time.numerator)
        self._denominators.append(time.denominator)
        self.denominator = math.lcm(self.denominator, (time - self._start).denominator)
        self.last = time
        return len(self._numerators) - 1

    def since(self, first: int) -> list[Fraction]:
        """The times from number `first` on."""
        pairs = zip(self._numerators[first:], self._denominators[first:], strict=True)
        return [Fraction(above, below) for above, below in pairs]

    @property
    def shift(self) -> Fraction:
        """Seconds to add to every time: minus the start, or more so that the first is not negative."""
        return max(-self._start, -Fraction(self._numerators[0], self._denominators[0]))

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
        temporary: the temporary file of the target; this one gets a name of the same kind beside it, so that
            what a killed process leaves is removed with the rest.
        target: the file being written, for messages.
    """

    def __init__(self, temporary: Path, target: Path) -> None:
        self._target = target
        self._path = temporary.with_name(f"{temporary.stem}-packets{temporary.suffix}")
        self._sizes, self._pts, self._dts, self._keys = array("q"), array("q"), array("q"), array("b")
        # PyAV makes side data from packets only, so that transparency stays in memory: a few kB a frame.
        self._alpha: dict[int, Any] = {}

    def __enter__(self) -> Self:
        try:
            self._file: IO[bytes] = open(self._path, "w+b")
        except OSError as error:
            raise storage_error(self._target, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # On a full disk the rest cannot be flushed; the file is thrown away anyway.
            self._file.close()
        self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, packet: Any, first: int = 0) -> None:
        """Keep a packet whose times count frames from number `first` on."""
        self._file.write(bytes(packet))
        if packet.has_sidedata(_ALPHA):
            self._alpha[len(self._sizes)] = packet.get_sidedata(_ALPHA)
        self._sizes.append(packet.size)
        is_sound = packet.dts is not None and packet.pts - _MOST_DELAY <= packet.dts <= packet.pts
        self._pts.append(packet.pts + first)
        self._dts.append((packet.dts if is_sound else packet.pts) + first)
        self._keys.append(packet.is_keyframe)

    def segment(self, begin: int, times: list[Fraction], *, first: int, last: int) -> Segment:
        """The packets from number `begin` on, of frames from number `first` on.

        Args:
            begin: number of the first packet.
            times: of the frames.
            first: number of the first frame in this file.
            last: number of the last frame in the source.
        """
        sizes = np.array(self._sizes[begin:], np.int64)
        self._file.seek(-int(sizes.sum()), os.SEEK_END)
        data = np.frombuffer(self._file.read(), np.uint8).copy()
        pts, dts = (np.array(values[begin:], np.int64) - first for values in (self._pts, self._dts))
        return Segment(times, last, data, sizes, pts, dts, np.array(self._keys[begin:], np.int64))

    def add_segment(self, segment: Segment, first: int) -> None:
        """Keep the packets of a segment whose first frame is number `first`."""
        self._file.write(segment.data.tobytes())
        self._sizes.extend(segment.sizes.tolist())
        self._pts.extend((segment.pts + first).tolist())
        self._dts.extend((segment.dts + first).tolist())
        self._keys.extend(segment.keys.tolist())

    def _delay(self) -> int:
        """How many frames ahead of its showing a frame is decoded: as the encoder says, or the order asks."""
        orders = enumerate(zip(self._pts, self._dts, strict=True))
        said = (number - min(pts, dts) for number, (pts, dts) in orders)
        return max((delay for delay in said if delay <= _MOST_DELAY), default=0)

    def packets(self, stream: Any, ticks: list[int], step: int, *, end: int, sums_up: bool) -> Iterator[Any]:
        """The packets in the order of decoding, with frame numbers turned into `ticks`.

        Args:
            stream: the output stream, whose time base the ticks are in.
            ticks: time of every frame.
            step: ticks of one frame at the average rate, for the order of decoding before the first frame.
            end: when the last frame ceases to be shown.
            sums_up: whether the container takes the sum of the steps of decoding for the length of the track:
                the last packet then brings it to `end`.
        """
        self._file.seek(0)
        ends = [*ticks[1:], end]
        step = max(1, min(step, ends[0] - ticks[0]))
        unit = stream.time_base  # The muxer may refine it while it writes the header.
        first, delay = 0, self._delay()
        for number, (size, pts, key) in enumerate(zip(self._sizes, self._pts, self._keys, strict=True)):
            dts = number - delay
            packet = av.Packet(self._file.read(size))
            if number in self._alpha:
                packet.set_sidedata(self._alpha[number])
            packet.stream, packet.time_base = stream, unit
            packet.pts, packet.duration = ticks[pts], ends[pts] - ticks[pts]
            packet.dts = ticks[dts] if dts >= 0 else ticks[0] + dts * step
            packet.is_keyframe = bool(key)
            first = packet.dts if number == 0 else first
            if sums_up and number == len(self._sizes) - 1:
                packet.duration = max(1, end - ticks[0] - (packet.dts - first))
            yield packet
