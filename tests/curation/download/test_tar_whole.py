"""A tar archive is whole or refused: no flipped bit, no cut, no hostile header is taken for data."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.toy_archives import picture

from reskin.curation.download.unpack import unpack_pictures
from reskin.errors import DataError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "tar": lambda data: data,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def plain_tar(count: int = 6, *, form: int = tarfile.PAX_FORMAT, name: str = "maps/train") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as archive:
        for number in range(count):
            content = picture(number) + os.urandom(700)
            info = tarfile.TarInfo(f"{name}/{number}.png")
            info.size, info.mtime = len(content), 1.5
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def taken(tmp_path: Path, content: bytes) -> int:
    archive, folder = tmp_path / "set.bin", tmp_path / f"out{time.monotonic_ns()}"
    archive.write_bytes(content)
    folder.mkdir()
    return unpack_pictures(archive, folder)


def refused(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(DataError) as error:
        taken(tmp_path, content)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", list(PACK))
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_whole_archives_are_taken(tmp_path: Path, kind: str, form: int) -> None:
    long = "maps/" + "n" * 150
    assert taken(tmp_path, PACK[kind](plain_tar(form=form, name=long))) == 6


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_no_flipped_bit_goes_unnoticed(tmp_path: Path, kind: str) -> None:
    whole = PACK[kind](plain_tar())
    draw = random.Random(0)
    for _ in range(40):
        place = draw.randrange(12, len(whole))
        torn = bytearray(whole)
        torn[place] ^= 1 << draw.randrange(8)
        refused(tmp_path, bytes(torn))


@pytest.mark.parametrize("kind", list(PACK))
@pytest.mark.thinned(3)
def test_no_cut_goes_unnoticed(tmp_path: Path, kind: str) -> None:
    plain = plain_tar(3)
    ends = len(plain.rstrip(b"\0"))
    last = -(-ends // 512) * 512  # the end mark begins here
    for cut in sorted({*range(1, last, 331), *range(0, last, 512), last, last + 512, last + 1023} - {0}):
        refused(tmp_path, PACK[kind](plain[:cut]))
    if kind != "tar":
        whole = PACK[kind](plain)
        for cut in range(520, len(whole), 97):
            refused(tmp_path, whole[:cut])


def extended(body: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = kind, len(body)
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE])
@pytest.mark.parametrize(
    "body",
    [
        b"1" * 160_000,
        b"1" * 8_000,
        b"\n" + b"1" * 4_000 + b" x",
        b"30 GNU.sparse.size=99999999999\n",
        b"18 size=123456789\n",
        b"99 path=../x\n",
        b"0 path=x\n",
        b"path",
    ],
    ids=lambda body: f"{len(body)} {body[:12]!r}",
)
@pytest.mark.thinned(3, first=1)
def test_hostile_headers_are_refused_at_once(tmp_path: Path, kind: bytes, body: bytes) -> None:
    before = time.process_time()
    refused(tmp_path, gzip.compress(extended(body, kind) + plain_tar(1)))
    assert time.process_time() - before < 5


def test_long_names_are_bounded_too(tmp_path: Path) -> None:
    refused(tmp_path, gzip.compress(extended(b"n" * 10_000_000, tarfile.GNUTYPE_LONGNAME) + plain_tar(1)))


@pytest.mark.sweep
def test_what_swells_or_follows_is_refused(tmp_path: Path) -> None:
    assert "behind its end mark" in refused(tmp_path, plain_tar(1) + b"more")
    assert "swells" in refused(tmp_path, bz2.compress(plain_tar(1) + bytes(3 << 25)))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"text" * 500, bytes(10240)):
        refused(tmp_path, content)
