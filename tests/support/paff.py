"""A field-coded (PAFF) H.264 stream, as camcorders and broadcasts write it.

Every picture is two field slices of I_PCM macroblocks, so that a few lines are an encoder (ITU-T H.264, 7.3).
"""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT = 96, 64


class _Bits:
    def __init__(self) -> None:
        self.bits: list[int] = []

    def put(self, count: int, value: int) -> None:
        self.bits += [(value >> shift) & 1 for shift in range(count - 1, -1, -1)]

    def golomb(self, *values: int) -> None:
        for value in values:
            length = (value + 1).bit_length()
            self.put(length - 1, 0)
            self.put(length, value + 1)

    def align(self) -> None:
        self.bits += [0] * (-len(self.bits) % 8)

    def raw(self, data: bytes) -> None:
        self.bits += np.unpackbits(np.frombuffer(data, np.uint8)).tolist()

    def unit(self, kind: int, importance: int) -> bytes:
        """A NAL unit with start code, stop bit and emulation prevention."""
        self.bits.append(1)
        self.align()
        out, zeros = bytearray(), 0
        for byte in np.packbits(np.array(self.bits, np.uint8)).tobytes():
            if zeros >= 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([importance << 5 | kind]) + bytes(out)


def _sequence() -> bytes:
    bits = _Bits()
    for value in (77, 0, 30):
        bits.put(8, value)
    bits.golomb(0, 4, 0, 4, 1)
    bits.put(1, 0)
    bits.golomb(WIDTH // 16 - 1, HEIGHT // 32 - 1)
    for value in (0, 0, 1, 0, 1, 0, 0, 0, 0, 1):  # frame_mbs_only, mbaff, direct, crop, vui ..., timing
        bits.put(1, value)
    bits.put(32, 1)
    bits.put(32, 50)
    for value in (1, 0, 0, 0, 0):
        bits.put(1, value)
    return bits.unit(7, 3)


def _picture_set() -> bytes:
    bits = _Bits()
    bits.golomb(0, 0)
    bits.put(2, 0)
    bits.golomb(0, 0, 0)
    bits.put(3, 0)
    bits.golomb(0, 0, 0)
    bits.put(3, 0b100)
    return bits.unit(8, 3)


def _field(luma: np.ndarray, frame: int, *, bottom: bool) -> bytes:
    is_first = frame == 0 and not bottom
    bits = _Bits()
    bits.golomb(0, 7, 0)
    bits.put(8, frame % 256)
    bits.put(1, 1)
    bits.put(1, int(bottom))
    if is_first:
        bits.golomb(0)
    bits.put(8, (2 * frame + bottom) % 256)
    bits.put(2 if is_first else 1, 0)
    bits.golomb(0, 1)
    for top in range(0, luma.shape[0], 16):
        for left in range(0, WIDTH, 16):
            bits.golomb(25)
            bits.align()
            bits.raw(luma[top : top + 16, left : left + 16].tobytes() + bytes([128] * 128))
    return bits.unit(5 if is_first else 1, 2)


def field_packets(count: int) -> list[tuple[bytes, bytes]]:
    """The two packets of each of `count` pictures; the luma of both fields of picture n is 40 + 4 n."""
    pictures = []
    for number in range(count):
        luma = np.full((HEIGHT // 2, WIDTH), 40 + 4 * number, np.uint8)
        head = b"\0\0\0\1\x09\x10" + (_sequence() + _picture_set() if number == 0 else b"")
        pictures.append((head + _field(luma, number, bottom=False), _field(luma, number, bottom=True)))
    return pictures
