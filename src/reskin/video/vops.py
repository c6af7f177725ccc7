"""How many pictures a packet of an MPEG-4 Part 2 stream (DivX, Xvid) holds, read from the headers.

Programs that wrote such streams into AVI files often packed two pictures into one packet, and put a packet
that codes nothing behind it so that the numbers agree. Such an empty picture also stands for a frame that was
dropped. Names in this file are those of ISO/IEC 14496-2, sections 6.2.3 and 6.2.5.
"""

from __future__ import annotations

_VOP = b"\0\0\1\xb6"
_FIRST_VOL, _LAST_VOL = 0x20, 0x2F
_HEADER_BYTES = 64
"""Bytes of a header in which the values read here end."""

_I, _B = 0, 2
"""The vop_coding_type of pictures that are predicted from none, and from one before and one after."""
_RECTANGULAR, _EXTENDED_SHAPE, _VBV_BITS = 0, 15, 79


class _Bits:
    """Bits of a header, from the byte behind its start code on."""

    def __init__(self, header: bytes) -> None:
        self._value, self._left = int.from_bytes(header), 8 * len(header)

    def take(self, count: int) -> int:
        """An unsigned number of `count` bits; 0 beyond the end."""
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1) if self._left >= 0 else 0

    def is_through(self) -> bool:
        """Whether more was taken than there is."""
        return self._left < 0


class VopReader:
    """Says of each packet of an MPEG-4 stream, in the order of decoding, whether a picture comes of it.

    Args:
        extradata: the stream's header, where the container holds one.

    Attributes:
        is_disordered: whether times of showing were met that contradict the order in which pictures come out
            of the decoder: those of packed pictures are made up, and some programs state wrong ones.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self.is_disordered = False
        self._shown_last: int | None = None
        self._time_bits: int | None = None
        self._waiting = 0
        self._find_layer(extradata or b"")

    def is_key(self, packet: bytes) -> bool:
        """Whether a packet begins with a picture that can be decoded without others.

        What FFmpeg says of packed packets, and of those behind them, is not to be relied on.
        """
        return self._kind(packet) == _I and self._count(packet) > 0

    def gives(self, packet: bytes, pts: int | None) -> bool:
        """Whether a picture comes of the next packet: its own, or one that came packed with an earlier one.

        Args:
            packet: its bytes.
            pts: when its picture is shown, as the file states it.
        """
        self._find_layer(packet)
        count = self._count(packet)
        self.is_disordered |= count > 1 or self._is_late(packet, pts)
        self._waiting += count
        gives = self._waiting > 0
        self._waiting -= gives
        return gives

    def _is_late(self, packet: bytes, pts: int | None) -> bool:
        """Whether a B-picture is shown after the picture that it was coded behind, which it comes before."""
        is_b, before = self._kind(packet) == _B, self._shown_last
        if not is_b:
            self._shown_last = pts
        return is_b and pts is not None and before is not None and pts > before

    @staticmethod
    def _kind(packet: bytes) -> int | None:
        """The vop_coding_type of the first picture in a packet."""
        at = packet.find(_VOP) + len(_VOP)
        return packet[at] >> 6 if len(_VOP) <= at < len(packet) else None

    def _count(self, packet: bytes) -> int:
        starts = packet.split(_VOP)[1:]
        return sum(map(self._is_vop_coded, starts)) if starts else 1

    def _is_vop_coded(self, header: bytes) -> bool:
        if self._time_bits is None:
            return True
        bits = _Bits(header[:_HEADER_BYTES])
        bits.take(2)  # vop_coding_type
        while bits.take(1) and not bits.is_through():
            pass  # modulo_time_base
        bits.take(1 + self._time_bits + 1)
        return bool(bits.take(1)) or bits.is_through()

    def _find_layer(self, data: bytes) -> None:
        """Take the length of times from a video object layer, where `data` holds one."""
        at = data.find(b"\0\0\1")
        while at >= 0 and at + 4 <= len(data):
            if _FIRST_VOL <= data[at + 3] <= _LAST_VOL:
                self._time_bits = _time_bits(_Bits(data[at + 4 : at + 4 + _HEADER_BYTES]))
                return
            if data[at + 3] == _VOP[3]:
                return  # the layer comes before the pictures
            at = data.find(b"\0\0\1", at + 3)


def _time_bits(bits: _Bits) -> int | None:
    """The length of vop_time_increment; None where the layer is of a kind that nobody writes."""
    bits.take(1 + 8)
    if bits.take(1):  # is_object_layer_identifier
        bits.take(4 + 3)
    if bits.take(4) == _EXTENDED_SHAPE:  # aspect_ratio_info
        bits.take(8 + 8)
    if bits.take(1):  # vol_control_parameters
        bits.take(2 + 1)
        if bits.take(1):
            bits.take(_VBV_BITS)
    if bits.take(2) != _RECTANGULAR:
        return None
    bits.take(1)
    resolution = bits.take(16)
    return None if bits.is_through() or not resolution else max(1, (resolution - 1).bit_length())
