"""Reading a video: upright RGB frames with exact times, in order or by number, and what is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from reskin.errors import NoFramesError, VideoError
from reskin.spread import spread
from reskin.video.damage import LOST, Damage
from reskin.video.deinterlace import LOOKS, Deinterlace, filled, looks_interlaced
from reskin.video.ends import is_cut_matroska, stated_end, stated_packets
from reskin.video.order import DisplayOrder
from reskin.video.packets import decode, drain, packet_of, read_packets
from reskin.video.pixels import Converter, on_white
from reskin.video.source import (
    check_is_file,
    decoder_of,
    examine,
    open_container,
    picture_stream,
    sound_streams,
    typed_errors,
)
from reskin.video.table import Key, Numbers, PacketTable

_CHECK_EVERY = 64
_FIRST_SHAPE = "the shape of the pixels changes within the file: all pictures are shown as the first one"
_ON_WHITE = "transparent parts of the pictures are laid on white: transparency is not kept"
_COMBED = "interlaced pictures: read as stored, so that moving edges are combed (--deinterlace off)"
_LATE = "some pictures are marked as interlaced, the first is not: read as stored (--deinterlace on)"
_FILLED = "interlaced pictures: deinterlaced, one for each (--deinterlace off leaves them as stored)"


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Attributes:
        image: (H, W, 3), uint8, RGB, upright, square pixels.
        time: seconds on the container's clock at which it is first shown; exact, not rounded.
        index: position in the order of showing, from 0. Frames that are lost to damage keep their numbers.
        alpha: (H, W), uint8, 255 for opaque, where the reader keeps it and something is transparent; what is
            wholly so is white in `image`. None: `image` is all there is.
    """

    image: np.ndarray
    time: Fraction
    index: int
    alpha: np.ndarray | None = None


class VideoReader:
    """Frames of a video file, again and again, in order or by number.

    Colours: 8-bit RGB by the matrix and range the file states. Where it states none: BT.709 for 720 stored
    lines and more, else BT.601; limited range. HDR (PQ, HLG) is tone mapped to BT.709. What is transparent
    lies on white, unless `keeps_alpha` is set. `notes` says all of this.

    Args:
        path: a local file.
        longest_px: frames are scaled down until their longer edge has at most this many px; None: as filmed.
        deinterlace: whether interlaced frames are filled, one for each: where the first is marked as
            interlaced and a look at some finds them combed (auto), all of them (on), or not (off).

    Attributes:
        keeps_alpha: whether frames come with their transparency.
        info: facts about the file (its own size, whatever `longest_px` is).
        notes: what a user should know that is no damage.
        decoded_packets: packets decoded so far, a measure of work.

    Raises:
        NotAVideoError: missing, no file, empty, or of a kind that is not on the allow list.
        NoFramesError: no picture in it can be decoded.
        DamagedVideoError: its index or header cannot be read.
        CodecError: no decoder for its pictures.
    """

    def __init__(
        self, path: Path | str, *, longest_px: int | None = None, deinterlace: Deinterlace = "auto"
    ) -> None:
        self.path = Path(path)
        check_is_file(self.path)
        self._state = self._look()
        self._first = examine(self.path)
        self.info, place = self._first.info, self._first.placement
        self._place = place if longest_px is None else place.within(longest_px)
        self.notes: list[str] = [self._first.note] if self._first.note else []
        self.keeps_alpha = False
        self._deinterlace = deinterlace
        self._fills: bool | None = None
        self.decoded_packets = 0
        self._damage = Damage()
        self._table: PacketTable | None = None
        self._converter = Converter()
        self._pixels: Fraction | None = None

    @property
    def damaged(self) -> list[str]:
        """One line for each damaged segment that the latest iteration has met; empty when all is sound."""
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
            VideoError: as `frames`.
        """
        return self.frames()

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """The frames from number `first` on, in the order of showing; all damage is noted, that before too.

        Raises:
            DamagedVideoError: the file cannot be read on.
            NoFramesError: not one frame of it can be decoded.
            VideoError: the file was changed meanwhile.
        """
        damage = self._damage = Damage()
        table, unit = self._scan()
        with typed_errors(self.path), open_container(self.path) as container:
            stream = picture_stream(container, self.path)
            order = DisplayOrder(table, unit, damage)
            count = 0
            shown = self._shown(self._decoded(container, stream, order, damage), order)
            for index, picture in self._whole(shown):
                if count % _CHECK_EVERY == 0:
                    self._check_unchanged()
                count += 1
                if index < first:
                    continue
                yield self._frame(picture, table.stamps[index] * unit, index)
            self._check_unchanged()
            order.finish(stated_packets(container, stream))
            self._note_cut(container, stream, damage)
            if not count:
                raise NoFramesError(f"{self.path} holds no frame that can be decoded", "Copy it again.")

    @staticmethod
    def _shown(pictures: Iterator[Any], order: DisplayOrder) -> Iterator[tuple[int, Any]]:
        for picture in pictures:
            position = order.take(picture)
            if position is not None:
                yield position[0], picture

    def is_deinterlaced(self) -> bool:
        """Whether interlaced frames are filled; where that depends on how they look, some are decoded.

        Raises:
            VideoError: the file cannot be read, or was changed meanwhile.
        """
        if self._fills is None:
            self._fills = self._deinterlace == "on"
            if self._deinterlace == "auto" and self._first.is_marked_interlaced:
                table, _ = self._scan()
                starts = spread(max(0, len(table.stamps) - 1), LOOKS)
                wanted = sorted({number for start in starts for number in (start, start + 1)})
                pictures = list(self._pictures_at(table, wanted))
                pairs = pairwise(pictures)
                self._fills = looks_interlaced((a[1], b[1]) for a, b in pairs if b[0] == a[0] + 1)
        return self._fills

    def _whole(self, pictures: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Numbered pictures, the interlaced ones filled where that is wanted."""
        if self.is_deinterlaced():
            self._note(_FILLED)
            yield from filled(pictures, all_of_them=self._deinterlace == "on")
            return
        for index, picture in pictures:
            if picture.interlaced_frame and self._deinterlace == "off":
                self._note(_COMBED)
            elif picture.interlaced_frame and not self._first.is_marked_interlaced:
                self._note(_LATE)
            yield index, picture

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    def is_transparent(self) -> bool:
        """Whether something is transparent in some frames of the film that are looked at.

        Raises:
            VideoError: the file cannot be read, or was changed meanwhile.
        """
        if not self._first.has_alpha:
            return False
        table, _ = self._scan()
        wanted = spread(len(table.stamps), LOOKS)
        looks = self._pictures_at(table, wanted)
        return any(self._converter.picture(one, self._place)[1] is not None for _, one in looks)

    def _decoded(self, container: Any, stream: Any, order: DisplayOrder, damage: Damage) -> Iterator[Any]:
        context = decoder_of(stream)
        for number, packet in enumerate(read_packets(container, [stream], damage)):
            self.decoded_packets += 1
            yield from self._looked_at(decode(context, packet, number, order.failed), context)
        yield from self._looked_at(drain(context), context)
        if not self._scan()[0].is_counted:
            yield from self._rescued(set(order.outstanding()))

    def _looked_at(self, pictures: Iterable[Any], context: Any) -> Iterator[Any]:
        """The pictures, with a note if the shape of pixels changes: the decoder does not say at which."""
        for picture in pictures:
            shape = context.sample_aspect_ratio
            if shape and shape != self._pixels:
                if self._pixels:
                    self._note(_FIRST_SHAPE)
                self._pixels = shape
            yield picture

    def _note_cut(self, container: Any, stream: Any, damage: Damage) -> None:
        stated, times = stated_end(container, stream), self.times()
        if stated is not None and times and stated > times[-1] and is_cut_matroska(self.path):
            end = float(times[-1])
            damage.remark(f"the file ends after {end:.3f} s but states {float(stated):.3f} s")

    def _frame(self, picture: Any, time: Fraction, index: int) -> Frame:
        image, alpha = self._converter.picture(picture, self._place)
        if self._converter.has_refitted:
            self._note(
                "the size of the pictures changes within the file: later ones are fitted into the first size"
            )
        if alpha is None:
            return Frame(image, time, index)
        if self.keeps_alpha:
            image[alpha == 0] = 255
            return Frame(image, time, index, alpha)
        self._note(_ON_WHITE)
        return Frame(on_white(image, alpha), time, index)

    def times(self) -> list[Fraction]:
        """The time of every frame in seconds, rising, read from the packets without decoding pictures.

        Raises:
            DamagedVideoError: the file cannot be read on.
            VideoError: the file was changed meanwhile.
        """
        table, unit = self._scan()
        return [stamp * unit for stamp in table.stamps]

    def start(self) -> Fraction:
        """Seconds at which the first picture or sound of the file begins on its own clock; often not 0.

        Raises:
            DamagedVideoError: the file cannot be read on.
            VideoError: the file was changed meanwhile.
        """
        self._scan()
        return self._start

    def end(self) -> Fraction | None:
        """Seconds at which the last frame ceases to be shown, where the file says so; else None.

        Raises:
            DamagedVideoError: the file cannot be read on.
            VideoError: the file was changed meanwhile.
        """
        self._scan()
        return self._end

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
                self._end = self._found_end(container, stream, self._table)
                begun = [self._table.stamps[0] * self._unit] if self._table.stamps else []
                sounds = [sound for sound in sound_streams(container) if sound.start_time is not None]
                begun += [Fraction(sound.start_time * sound.time_base) for sound in sounds]
                self._start = max(Fraction(0), min(begun, default=Fraction(0)))
        return self._table, self._unit

    def _found_end(self, container: Any, stream: Any, table: PacketTable) -> Fraction | None:
        """By the last packet, or by the container where that one says more and the file is whole."""
        if not table.stamps or table.end is None:
            return None
        end = table.end * self._unit
        stated = stated_end(container, stream)
        is_whole = table.packets >= stated_packets(container, stream) and not is_cut_matroska(self.path)
        if stated is not None and is_whole:
            end = max(end, stated)
        return end if end > table.stamps[-1] * self._unit else None

    def frames_at(self, indices: Sequence[int]) -> Iterator[Frame]:
        """The frames with these numbers, rising, each once; only the groups that hold one are decoded.

        Args:
            indices: positions in the order of showing, from 0; any order.

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
        damage, asked = Damage(), set(wanted)
        self._damage = damage
        if self.is_deinterlaced():  # What is between the lines of a frame comes from its neighbours as well.
            around = {near for index in wanted for near in (index - 1, index, index + 1)}
            wanted = sorted(around & set(range(len(table.stamps))))
        with typed_errors(self.path):
            for index, picture in self._whole(self._pictures_at(table, wanted)):
                if index in asked:
                    yield self._frame(picture, table.stamps[index] * unit, index)
                    asked.discard(index)
        for index in sorted(asked):
            damage.add(index, table.stamps[index] * unit, LOST)

    def _pictures_at(self, table: PacketTable, wanted: list[int]) -> Iterator[tuple[int, Any]]:
        """Number and decoded picture of those wanted that can be decoded, rising."""
        with typed_errors(self.path), open_container(self.path) as container:
            stream = picture_stream(container, self.path)
            context = decoder_of(stream)
            for key, group in table.groups(wanted):
                yield from _once(self._decoded_group(container, stream, context, key, group), set(group))
                self._check_unchanged()

    def _decoded_group(
        self, container: Any, stream: Any, context: Any, key: Key | None, group: list[int]
    ) -> Iterator[tuple[int, Any]]:
        """Number and picture of what comes out of decoding from `key` until `group` is through."""
        start = self._scan()[0].start_for(key)
        packets = self._packets_from(container, stream, start)
        if packets is not None:
            yield from self._drained(packets, context, key, group)
        else:
            with open_container(self.path) as again:  # Seeking failed: walk there from the start.
                own = picture_stream(again, self.path)
                yield from self._drained(_walked_to(again, own, start), decoder_of(own), key, group)
        context.flush_buffers()

    def _packets_from(self, container: Any, stream: Any, key: Key | None) -> Iterator[tuple[int, Any]] | None:
        """Numbered packets from `key` on, or None when seeking in this file does not find it."""
        table, _ = self._scan()
        target = stream.start_time or 0
        if key is not None:
            stated = [stamp for stamp in (key.pts, key.dts) if stamp is not None]
            if not stated:
                return None
            target = min(stated)
        if table.has_joints or (table.is_counted and key is None):
            return None
        try:
            container.seek(target, stream=stream)
            packets = read_packets(container, [stream], Damage())
            if key is None:
                return enumerate(packets)
            for packet in packets:
                if key.is_in(packet):
                    return enumerate(chain([packet], packets), key.packet)
                if key.is_behind(packet):
                    return None
        except av.error.FFmpegError:
            pass  # Not every container can seek; walking always finds it.
        return None

    def _drained(
        self, packets: Iterator[tuple[int, Any]], context: Any, key: Key | None, group: list[int]
    ) -> Iterator[tuple[int, Any]]:
        """Pictures of `packets`, of which no more are read than those in `group` need."""
        table, _ = self._scan()
        failed, missing = set[int](), set(group)
        numbers = Numbers(table, key)
        # Where pictures are counted it is not known beforehand which packet holds which.
        last = table.packets if table.is_counted else max(table.last_packet(index) for index in group)
        for number, packet in packets:
            self.decoded_packets += 1
            for picture in self._looked_at(decode(context, packet, number, failed), context):
                yield from _numbered(picture, numbers, missing)
            if number >= last or not missing:
                break
        if missing:
            for picture in drain(context):
                yield from _numbered(picture, numbers, missing)
        if missing and not table.is_counted:
            for picture in self._rescued(set(missing)):
                yield from _numbered(picture, numbers, missing)

    def _rescued(self, indices: set[int]) -> Iterator[Any]:
        """Frames that were still in the decoder when it failed.

        With frame threads an error at the end swallows the frames behind it; one thread does not.
        """
        if not indices:
            return
        table, _ = self._scan()
        with open_container(self.path) as container:
            stream = picture_stream(container, self.path)
            stream.thread_type = "SLICE"
            context = decoder_of(stream)
            key = table.key_before(min(indices))
            packets = self._packets_from(container, stream, key)
            for number, packet in packets or ():
                self.decoded_packets += 1
                for picture in decode(context, packet, number, set()):
                    if table.picture(packet_of(picture)) in indices:
                        yield picture
            for picture in drain(context):
                if table.picture(packet_of(picture)) in indices:
                    yield picture

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


def _once(numbered: Iterator[tuple[int, Any]], missing: set[int]) -> Iterator[tuple[int, Any]]:
    """Those that are in `missing`, each once."""
    for index, picture in numbered:
        if index in missing:
            missing.discard(index)
            yield index, picture


def _walked_to(container: Any, stream: Any, key: Key | None) -> Iterator[tuple[int, Any]]:
    first = 0 if key is None else key.packet
    numbered = enumerate(read_packets(container, [stream], Damage()))
    return ((number, packet) for number, packet in numbered if number >= first)


def _numbered(picture: Any, numbers: Numbers, missing: set[int]) -> Iterator[tuple[int, Any]]:
    """The picture with its number, which is then no longer missing."""
    index = numbers.of(packet_of(picture))
    if index is not None:
        missing.discard(index)
        yield index, picture
