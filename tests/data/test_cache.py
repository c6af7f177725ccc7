"""The cache holds what was decoded, once, in memory or in a file that is used again."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from reskin.data import cache as cache_module
from reskin.data.cache import Cache, Source, open_cache
from reskin.errors import DataError
from reskin.images import Picture, opened_image, read_image, write_image


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    rng = np.random.default_rng(1)
    found: list[Source] = []
    for number in range(7):
        path = tmp_path / "in" / f"{number}.png"
        write_image(path, rng.integers(0, 256, (4 + number, 9 - number, 3)).astype(np.uint8))
        found.append((path,))
    return found


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read from now on."""
    seen: list[Path] = []

    def counted(path: Path) -> AbstractContextManager[Picture]:
        seen.append(path)
        return opened_image(path)

    monkeypatch.setattr(cache_module, "opened_image", counted)
    return seen


def opened(sources: list[Source], tmp_path: Path, limit: int | None, **settings: int) -> Cache:
    file = tmp_path / "cache" / "a.pixels"
    return open_cache(sources, lambda p: p[0], settings=settings, file=file, memory_limit=limit)


def check(cache: Cache, sources: list[Source]) -> None:
    assert len(cache) == len(sources) and cache.sources == sources
    for index, source in enumerate(sources):
        assert np.array_equal(cache.picture(index), read_image(source[0]))


def test_in_memory_leaves_no_file(sources: list[Source], tmp_path: Path, reads: list[Path]) -> None:
    cache = opened(sources, tmp_path, None)
    check(cache, sources)
    assert not isinstance(cache.pixels, np.memmap) and not (tmp_path / "cache").exists()
    assert sorted(reads) == [source[0] for source in sources]  # each once


@pytest.mark.parametrize("limit", [0, 200, 600])
def test_past_the_limit_a_file_is_used_again(
    sources: list[Source], tmp_path: Path, reads: list[Path], limit: int
) -> None:
    cache = opened(sources, tmp_path, limit)
    assert isinstance(cache.pixels, np.memmap)
    check(cache, sources)
    reads.clear()
    again = opened(sources, tmp_path, limit)
    check(again, sources)
    assert reads == [] and np.array_equal(again.table, cache.table)
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["a.pixels", "a.pixels.json"]


def test_a_change_of_anything_makes_the_file_anew(
    sources: list[Source], tmp_path: Path, reads: list[Path]
) -> None:
    opened(sources, tmp_path, 0, size=1)

    def is_made_anew(chosen: list[Source], size: int = 1) -> bool:
        reads.clear()
        check(opened(chosen, tmp_path, 0, size=size), chosen)
        return bool(reads)

    assert not is_made_anew(sources)
    assert is_made_anew(sources, size=2) and not is_made_anew(sources, size=2)
    assert is_made_anew(sources[:-1], size=2)
    os.utime(sources[0][0], ns=(1, 1))
    assert is_made_anew(sources[:-1], size=2)
    write_image(sources[1][0], np.zeros((40, 40, 3), np.uint8))
    assert is_made_anew(sources[:-1], size=2)
    pixels = tmp_path / "cache" / "a.pixels"
    pixels.write_bytes(pixels.read_bytes()[:-1])
    assert is_made_anew(sources[:-1], size=2)
    (tmp_path / "cache" / "a.pixels.json").write_text("{", encoding="utf-8")
    assert is_made_anew(sources[:-1], size=2)


@pytest.mark.parametrize("limit", [None, 0])
def test_unreadable_files_are_named_and_left_alone(
    sources: list[Source], tmp_path: Path, limit: int | None
) -> None:
    bad = sources[2][0]
    bad.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    before = {source[0]: source[0].read_bytes() for source in sources}
    for _ in range(2):  # the second time, with limit 0, from the file
        cache = opened(sources, tmp_path, limit)
        check(cache, sources[:2] + sources[3:])
        [(path, reason)] = cache.unreadable
        assert path == bad and reason and str(bad) not in reason
    assert all(path.read_bytes() == data for path, data in before.items())


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"text")
    with pytest.raises(DataError, match=r"none of 1 pictures.*bad\.png"):
        opened([(bad,)], tmp_path, None)
    with pytest.raises(DataError, match="bad"):
        opened([(bad,)], tmp_path, 0)
