"""Which packets of an H.264 stream hold one field of a picture, read from the headers without decoding.

Camcorders (AVCHD) and broadcasts code interlaced pictures as two fields, each in a packet of its own; the
decoder gives one frame for both. Names in this file are those of ITU-T H.264, sections 7.3.2 and 7.3.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_WITH_CHROMA_FORMAT = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose sequence parameter set states a chroma format (7.3.2.1.1)."""

_SLICES, _SPS, _PPS = frozenset({1, 2, 5}), 7, 8
_HEADER_BYTES = 64
"""Bytes of a slice in which the fields read here end."""


class _Bits:
    """Bits of a NAL unit after its header byte, emulation prevention removed."""

    def __init__(self, unit: bytes) -> None:
        raw = unit.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(raw), 8 * len(raw)

    def take(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the header is cut short")
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


@dataclass(frozen=True)
class _Sequence:
    """What a slice header needs of its sequence parameter set."""

    frame_num_bits: int
    may_hold_fields: bool
    colour_planes: bool


@dataclass(frozen=True)
class Field:
    """One field of a picture: both fields of a picture have the same `frame_num`."""

    frame_num: int
    is_bottom: bool


class FieldReader:
    """Says of each packet of an H.264 stream, in the order of decoding, whether it holds a single field.

    Args:
        extradata: the stream's parameter sets, as avcC or as NAL units with start codes; None for none.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._sequences: dict[int, _Sequence] = {}
        self._of_picture: dict[int, int] = {}
        self._length_bytes = 0
        if extradata and extradata[0] == 1 and len(extradata) > 6:
            self._length_bytes = (extradata[4] & 3) + 1
            units = _configuration(extradata)
        else:
            units = _after_start_codes(extradata or b"")
        for unit in units:
            self._learn(unit)

    @property
    def may_hold_fields(self) -> bool:
        """Whether the parameter sets seen so far allow fields at all."""
        return any(sequence.may_hold_fields for sequence in self._sequences.values())

    def field(self, data: bytes) -> Field | None:
        """The field that a packet holds; None where it holds both, a whole frame, or what cannot be read."""
        units = _with_lengths(data, self._length_bytes) if self._length_bytes else _after_start_codes(data)
        found: Field | None = None
        for unit in units:
            self._learn(unit)
            if not unit or unit[0] & 31 not in _SLICES:
                continue
            if not self.may_hold_fields:
                return None
            field = self._slice(unit)
            if field is None or (found is not None and field != found):
                return None
            found = field
        return found

    def _learn(self, unit: bytes) -> None:
        kind = unit[0] & 31 if unit else 0
        try:
            if kind == _SPS:
                number, sequence = _sequence(_Bits(unit[1:]))
                self._sequences[number] = sequence
            elif kind == _PPS:
                bits = _Bits(unit[1:_HEADER_BYTES])
                self._of_picture[bits.golomb()] = bits.golomb()
        except ValueError:
            return  # A damaged parameter set says nothing; the decoder will say what it cannot decode.

    def _slice(self, unit: bytes) -> Field | None:
        bits = _Bits(unit[1:_HEADER_BYTES])
        try:
            bits.golomb()  # first_mb_in_slice
            bits.golomb()  # slice_type
            sequence = self._sequences.get(self._of_picture.get(bits.golomb(), -1))
            if sequence is None or not sequence.may_hold_fields:
                return None
            if sequence.colour_planes:
                bits.take(2)
            number = bits.take(sequence.frame_num_bits)
            return Field(number, bool(bits.take(1))) if bits.take(1) else None
        except ValueError:
            return None


def _after_start_codes(data: bytes) -> Iterator[bytes]:
    at = data.find(b"\0\0\1")
    while at >= 0:
        after = data.find(b"\0\0\1", at + 3)
        yield data[at + 3 : after if after >= 0 else len(data)]
        at = after


def _with_lengths(data: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at + size < len(data):
        length = int.from_bytes(data[at : at + size])
        yield data[at + size : at + size + length]
        at += size + length


def _configuration(extradata: bytes) -> Iterator[bytes]:
    """The parameter sets of an avcC record (ISO/IEC 14496-15, 5.3.3.1)."""
    at = 5
    for mask in (31, 255):
        if at >= len(extradata):
            return
        count = extradata[at] & mask
        at += 1
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2])
            yield extradata[at + 2 : at + 2 + length]
            at += 2 + length


def _sequence(bits: _Bits) -> tuple[int, _Sequence]:
    profile = bits.take(8)
    bits.take(16)
    number, planes = bits.golomb(), False
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.golomb()
        planes = chroma == 3 and bool(bits.take(1))
        bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            _pass_scaling_lists(bits, 12 if chroma == 3 else 8)
    frame_num_bits = bits.golomb() + 4
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb()
    bits.take(1)
    bits.golomb()
    bits.golomb()
    return number, _Sequence(frame_num_bits, not bits.take(1), planes)


def _pass_scaling_lists(bits: _Bits, count: int) -> None:
    for number in range(count):
        if not bits.take(1):
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                code = bits.golomb()
                following = (last + ((code + 1) // 2 if code % 2 else -(code // 2))) % 256
            last = following or last
