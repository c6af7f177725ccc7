"""Reading a video: upright RGB frames with exact times, in order or by number, and what is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from reskin.errors import NoFramesError, VideoError
from reskin.video.damage import LOST, Damage
from reskin.video.packets import (
    DisplayOrder,
    Key,
    PacketTable,
    after_key,
    decode,
    drain,
    packets_from,
    read_packets,
    stamp_of,
)
from reskin.video.pixels import Converter
from reskin.video.source import check_is_file, examine, open_container, picture_stream, typed_errors

_CHECK_EVERY = 64


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Attributes:
        image: (H, W, 3), uint8, RGB, upright, square pixels.
        time: seconds on the container's clock at which it is first shown; exact, not rounded.
        index: place in the order of showing, from 0. Frames that are lost to damage keep their numbers.
    """

    image: np.ndarray
    time: Fraction
    index: int


class VideoReader:
    """Frames of a video file, again and again, in order or by number.

    Colours: 8-bit RGB by the matrix and range the file states. Where it states none: BT.709 for 720 stored
    lines and more, else BT.601; limited range. HDR (PQ, HLG) is read with its own matrix and without tone
    mapping, and `notes` says so. Interlaced frames are given as stored.

    Args:
        path: a local file.
        longest_px: frames are scaled down until their longer side has at most this many px; None: as filmed.

    Attributes:
        info: facts about the file (its own size, whatever `longest_px` is).
        notes: what a user should know that is no damage.
        decoded_packets: packets decoded so far, a measure of work.

    Raises:
        NotAVideoError: missing, no file, empty, or of a kind that is not on the allow list.
        NoFramesError: no picture in it can be decoded.
        DamagedVideoError: its index or header cannot be read.
        CodecError: no decoder for its pictures.
    """

    def __init__(self, path: Path | str, *, longest_px: int | None = None) -> None:
        self.path = Path(path)
        check_is_file(self.path)
        self._state = self._look()
        self.info, place, note = examine(self.path)
        self._place = place if longest_px is None else place.within(longest_px)
        self.notes: list[str] = [note] if note else []
        self.decoded_packets = 0
        self._damage = Damage()
        self._table: PacketTable | None = None
        self._converter = Converter()

    @property
    def damaged(self) -> list[str]:
        """One line for each damaged stretch that the latest iteration has met; empty when all is sound."""
        return self._damage.lines()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table = None

    def __iter__(self) -> Iterator[Frame]:
        """All frames in the order of showing; every call starts anew.

        Raises:
            DamagedVideoError: the file cannot be read on.
            NoFramesError: not one frame of it can be decoded.
            VideoError: the file was changed meanwhile.
        """
        damage = self._damage = Damage()
        with typed_errors(self.path), open_container(self.path) as container:
            stream = picture_stream(container, self.path)
            order = DisplayOrder(stream, damage)
            count = 0
            for picture in self._decoded(read_packets(container, stream, damage), stream, order):
                place = order.take(picture)
                if place is None:
                    continue
                if count % _CHECK_EVERY == 0:
                    self._check_unchanged()
                count += 1
                yield Frame(self._converter.to_rgb(picture, self._place), place[1], place[0])
            self._check_unchanged()
            order.finish(container)
            if not count:
                raise NoFramesError(f"{self.path} holds no frame that can be decoded", "Copy it again.")

    def _decoded(self, packets: Iterator[Any], stream: Any, order: DisplayOrder) -> Iterator[Any]:
        for packet in packets:
            order.put(packet)
            self.decoded_packets += 1
            yield from decode(stream.codec_context, packet, order.failed)
        yield from drain(stream.codec_context)
        yield from self._rescued(order.outstanding())

    def times(self) -> list[Fraction]:
        """The time of every frame in seconds, rising, read from the packets without decoding pictures.

        Raises:
            DamagedVideoError: the file cannot be read on.
            VideoError: the file was changed meanwhile.
        """
        table, unit = self._scan()
        return [stamp * unit for stamp in table.stamps]

    def key_frames(self) -> list[int]:
        """The numbers of the frames that can be decoded without others, rising; these are cheap to read.

        Raises:
            DamagedVideoError: the file cannot be read on.
            VideoError: the file was changed meanwhile.
        """
        return self._scan()[0].keys()

    def _scan(self) -> tuple[PacketTable, Fraction]:
        self._check_unchanged()
        if self._table is None:
            with typed_errors(self.path), open_container(self.path) as container:
                stream = picture_stream(container, self.path)
                self._table = PacketTable(container, stream)
                self._unit = Fraction(stream.time_base)
        return self._table, self._unit

    def frames_at(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames with these numbers, rising, each once; only the groups that hold one are decoded.

        Args:
            indices: places in the order of showing, from 0; any order.

        Raises:
            VideoError: a number that the file has not, or the file was changed meanwhile.
        """
        table, unit = self._scan()
        wanted = sorted(set(indices))
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(table.stamps):
            off = wanted[0] if wanted[0] < 0 else wanted[-1]
            raise VideoError(
                f"{self.path} has no frame {off}", f"It has frames 0 to {len(table.stamps) - 1}."
            )
        return self._frames_at(table, unit, wanted)

    def _frames_at(self, table: PacketTable, unit: Fraction, wanted: list[int]) -> Iterator[Frame]:
        damage = self._damage = Damage()
        with typed_errors(self.path), open_container(self.path) as container:
            stream = picture_stream(container, self.path)
            for key, group in table.groups(wanted):
                for picture in self._decoded_group(container, stream, key, group):
                    stamp = stamp_of(picture)
                    index = None if stamp is None else group.pop(stamp, None)
                    if stamp is not None and index is not None:
                        yield Frame(self._converter.to_rgb(picture, self._place), stamp * unit, index)
                for stamp, index in group.items():
                    damage.add(index, stamp * unit, LOST)
                self._check_unchanged()

    def _decoded_group(
        self, container: Any, stream: Any, key: Key | None, group: dict[int, int]
    ) -> Iterator[Any]:
        """Frames that come out of decoding from `key` on until the last frame of `group` is through."""
        packets = packets_from(container, stream, key)
        if packets is not None:
            yield from self._drained(packets, stream, set(group))
        else:
            with open_container(self.path) as again:  # Seeking failed: walk there from the start.
                own = picture_stream(again, self.path)
                found = after_key(read_packets(again, own, Damage()), key)
                yield from self._drained(found or iter(()), own, set(group))
        stream.codec_context.flush_buffers()

    def _drained(self, packets: Iterator[Any], stream: Any, missing: set[int]) -> Iterator[Any]:
        """Frames of `packets`, of which no more are read than those with the `missing` time stamps need."""
        context, failed, unfed = stream.codec_context, set[int](), set(missing)
        for packet in packets:
            self.decoded_packets += 1
            for picture in decode(context, packet, failed):
                missing.discard(stamp_of(picture))
                yield picture
            unfed.discard(stamp_of(packet))
            if not unfed:
                break
        for picture in drain(context):
            missing.discard(stamp_of(picture))
            yield picture
        yield from self._rescued(missing)

    def _rescued(self, stamps: set[int]) -> Iterator[Any]:
        """Frames that were still in the decoder when it failed.

        With frame threads an error at the end swallows the frames behind it; one thread does not.
        """
        if not stamps:
            return
        table, _ = self._scan()
        with open_container(self.path) as container:
            stream = picture_stream(container, self.path)
            stream.thread_type = "SLICE"
            packets = packets_from(container, stream, table.key_before(min(stamps)))
            for packet in packets or ():
                self.decoded_packets += 1
                yield from (p for p in decode(stream.codec_context, packet, set()) if stamp_of(p) in stamps)
            yield from (p for p in drain(stream.codec_context) if stamp_of(p) in stamps)

    def _look(self) -> tuple[int, int, int]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise VideoError(
                f"{self.path} is gone ({error.strerror})", "Put it back and try again."
            ) from None
        return status.st_size, status.st_mtime_ns, status.st_ino

    def _check_unchanged(self) -> None:
        if self._look() != self._state:
            raise VideoError(
                f"{self.path} was changed while it was read", "Wait until it is written, then start again."
            )
