"""A tar archive is read to its end and found whole before anything in it is believed.

The decoders of gzip, bzip2 and xz compare their checksums only at the end of the stream, and Python's tarfile
takes a header that is cut short for the end of the archive. Its headers are walked through here first; those
with extended attributes are kept small and simple, because tarfile of Python before 3.11.10 takes quadratic
time for some (CVE-2024-6232).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

BLOCK = 512
_PIECE = 1 << 20
_MOST_HEADER_BYTES = 8192
_MOST_RATIO = 1000
_SLACK_BYTES = 1 << 26
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins with these bytes, 512 or more, is a tar archive, compressed or not."""
    if head[:2] == b"\x1f\x8b" or head[:3] == b"BZh" or head[:6] == b"\xfd7zXZ\0":
        return True
    return head[257:262] == b"ustar"


def open_tar(path: Path) -> BinaryIO:
    """The bytes of a tar archive, unpacked as they are read; the end of the stream checks their sum."""
    with open(path, "rb") as file:
        head = file.read(6)
    if head[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.open(path))
    if head[:3] == b"BZh":
        return cast(BinaryIO, bz2.open(path))
    return cast(BinaryIO, lzma.open(path)) if head == b"\xfd7zXZ\0" else open(path, "rb")


def check_tar(path: Path, *, most_members: int) -> None:
    """Read a tar archive to its end.

    Args:
        path: a plain file.
        most_members: an archive of more is refused.

    Raises:
        ValueError: it is cut short, has no end mark, holds something after it, swells beyond measure, or has
            headers that no honest archive has.
        EOFError, OSError, zlib.error, lzma.LZMAError: the stream is damaged.
        tarfile.TarError: a header is damaged.
    """
    with open_tar(path) as stream:
        tape = _Tape(stream, path.stat().st_size * _MOST_RATIO + _SLACK_BYTES)
        members = 0
        while any(block := tape.take(BLOCK)):
            members += 1
            if members > 2 * most_members:
                raise ValueError(f"it has more than {most_members:,} members")
            _check_member(tape, tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape"))
        if any(tape.take(BLOCK)):
            raise ValueError("its end mark is damaged")
        tape.drain()


class _Tape:
    """The unpacked bytes, never more than are plausible."""

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self._stream, self._left = stream, most_bytes

    def _read(self, count: int) -> bytes:
        piece = self._stream.read(count)
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError(f"it swells to more than {_MOST_RATIO} times its size")
        return piece

    def take(self, count: int) -> bytes:
        """Exactly so many bytes."""
        pieces = b""
        while len(pieces) < count:
            piece = self._read(count - len(pieces))
            if not piece:
                raise ValueError("it ends before its end mark")
            pieces += piece
        return pieces

    def skip(self, count: int) -> None:
        """Read on over so many bytes."""
        while count:
            count -= len(self.take(min(count, _PIECE)))

    def drain(self) -> None:
        """Read the rest, which is only filling."""
        while piece := self._read(_PIECE):
            if piece.strip(b"\0"):
                raise ValueError("something lies behind its end mark")


def _check_member(tape: _Tape, info: tarfile.TarInfo) -> None:
    if info.size < 0 or info.type == tarfile.GNUTYPE_SPARSE:
        raise ValueError(f"a member has {'holes' if info.size >= 0 else 'a negative size'}")
    padded = -(-info.size // BLOCK) * BLOCK
    if info.type in (*_EXTENDED, *_LONG):
        if info.size > _MOST_HEADER_BYTES:
            raise ValueError(f"a header is longer than {_MOST_HEADER_BYTES} bytes")
        body = tape.take(padded)[: info.size]
        if info.type in _EXTENDED:
            _check_records(body)
    elif info.type not in _WITHOUT_DATA:
        tape.skip(padded)


def _check_records(body: bytes) -> None:
    """Extended attributes are records of "length key=value" that fill the header."""
    if re.search(rb"[0-9]{100}", body):
        raise ValueError("a header holds an endless number")
    rest = body
    while rest:
        found = re.match(rb"([0-9]{1,5}) ([^=\n]{1,200})=", rest)
        length = int(found[1]) if found else 0
        if not found or not found.end() < length <= len(rest) or rest[length - 1 : length] != b"\n":
            raise ValueError("a header is damaged")
        if found[2] == b"size" or found[2].startswith(b"GNU.sparse"):
            raise ValueError("a member states two sizes")
        rest = rest[length:]
