"""Pictures decoded once: one flat array of bytes with a table of where each picture lies."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reskin.errors import DataError, ImageError, ReskinError
from reskin.images import Picture, opened_image
from reskin.paths import inside
from reskin.storage import commit, read_json, write_json
from reskin.threads import map_ahead, num_cores

_log = logging.getLogger("reskin")

Source = tuple[Path, ...]
"""The files one cached picture is made of: one, or the two of a pair."""

Fit = Callable[[list[Picture]], Picture]
"""What becomes of the pictures of a source before they are kept; a pure function."""

_LAYOUT = 1  # of the cache files; a change makes older ones be written anew
_ASSUMED_MEMORY_BYTES = 8 * 1024**3


@dataclass(frozen=True)
class Cache:
    """Decoded pictures.

    Attributes:
        pixels: all pictures one after the other, uint8, (bytes,); an array in memory or a mapped file.
        table: (N, 3), int64: first byte, height and width of each picture.
        sources: the files each of the N pictures was made of.
        unreadable: files that were left out, each with its reason.
    """

    pixels: NDArray[np.uint8]
    table: NDArray[np.int64]
    sources: list[Source]
    unreadable: list[tuple[Path, str]]

    def __len__(self) -> int:
        return len(self.table)

    def picture(self, index: int) -> Picture:
        """Picture number `index`, (H, W, 3), uint8; a view, not a copy."""
        start, height, width = self.table[index]
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)


def open_cache(
    sources: Sequence[Source],
    fit: Fit,
    *,
    settings: dict[str, Any],
    file: Path,
    memory_limit: int | None = None,
) -> Cache:
    """Decode pictures once, in threads; keep them in memory, or past a limit in a file that is used again.

    Args:
        sources: the files of each picture; they are read, never written.
        fit: what is done to a picture before it is kept.
        settings: all that `fit` depends on, JSON-ready; a file made with others is written anew.
        file: name of the cache file, should one be needed; its table goes beside it, ending in .json.
        memory_limit: bytes to keep in memory at most; None for a quarter of the machine's memory.

    Returns:
        The readable pictures, in the order given.

    Raises:
        DataError: not one of the pictures can be read.
        StorageError: the disk refuses the cache file.
    """
    limit = default_memory_limit() if memory_limit is None else memory_limit
    key = _key(sources, settings)
    cache = _reopen(sources, file, key)
    if cache is None:
        cache = _decode_all(sources, fit, key=key, file=file, limit=limit)
    for path, reason in cache.unreadable:
        _log.warning("left out: %s %s", path, reason)
    if len(cache) == 0:
        first = f"{cache.unreadable[0][0]} {cache.unreadable[0][1]}" if cache.unreadable else "there are none"
        raise DataError(f"none of {len(sources)} pictures can be read; the first: {first}", "Replace them.")
    return cache


def default_memory_limit() -> int:
    """A quarter of this machine's memory, in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return _ASSUMED_MEMORY_BYTES // 4


def _key(sources: Sequence[Source], settings: dict[str, Any]) -> str:
    """A digest that changes when a file, the list of files, or a setting does."""
    files = [[[str(path), *_stamp(path)] for path in source] for source in sources]
    text = json.dumps([_LAYOUT, settings, files], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # gone since it was listed; reading it will say so
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _reopen(sources: Sequence[Source], file: Path, key: str) -> Cache | None:
    """The cache file of an earlier run, if it is whole and made of the same files with the same settings."""
    index = _index(file)
    if not (index.exists() and file.exists()):
        return None
    try:
        inside(file.parent, file.name, writes=True)
        values = read_json(index)
        if values.get("key") != key or values.get("bytes") != file.stat().st_size:
            return None
        kept = [sources[number] for number in values["sources"]]
        unreadable = [(Path(path), str(reason)) for path, reason in values["unreadable"]]
        table = np.array(values["table"], dtype=np.int64).reshape(-1, 3)
        _check_table(table, len(kept), file.stat().st_size)
    except (ReskinError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        _log.warning("the cache %s is made anew: %s", file, error)
        return None
    return Cache(np.memmap(file, dtype=np.uint8, mode="r"), table, kept, unreadable)


def _check_table(table: NDArray[np.int64], count: int, size: int) -> None:
    """Whether each picture lies in the file.

    Raises:
        ValueError: one does not.
    """
    starts, heights, widths = (table[:, column].astype(object) for column in range(3))  # no overflow
    fits = (starts >= 0) & (heights > 0) & (widths > 0) & (starts + heights * widths * 3 <= size)
    if len(table) != count or not np.all(fits):
        raise ValueError("its table does not fit its pictures")


def _index(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def _decode_all(sources: Sequence[Source], fit: Fit, *, key: str, file: Path, limit: int) -> Cache:
    """Decode into memory; on passing the limit, write what there is to the file and go on there."""
    decoded = _decode(sources, fit)
    kept: deque[Picture] = deque()
    numbers: list[int] = []
    sizes: list[tuple[int, int]] = []
    unreadable: list[tuple[Path, str]] = []

    def sound() -> Iterator[Picture]:
        for number, result in enumerate(decoded):
            if isinstance(result, np.ndarray):
                numbers.append(number)
                sizes.append((result.shape[0], result.shape[1]))
                yield result
            else:
                unreadable.append(result)

    pictures = sound()
    used = 0
    for picture in pictures:
        kept.append(picture)
        used += picture.nbytes
        if used > limit:
            used = _spill(file, kept, pictures)
            break
    in_file = not kept and used > 0
    areas = np.array([height * width * 3 for height, width in sizes], dtype=np.int64)
    starts = np.cumsum(areas) - areas
    table = np.column_stack([starts, np.array(sizes, dtype=np.int64).reshape(-1, 2)])
    pixels: NDArray[np.uint8] = np.memmap(file, np.uint8, mode="r") if in_file else _joined(kept, used)
    if in_file:
        named = [[str(path), reason] for path, reason in unreadable]
        values = {"key": key, "bytes": used, "sources": numbers, "unreadable": named}
        write_json(_index(file), {**values, "table": table.tolist()})
    return Cache(pixels, table, [sources[number] for number in numbers], unreadable)


def _spill(file: Path, kept: deque[Picture], more: Iterator[Picture]) -> int:
    """Write the pictures kept so far and all that follow; returns the bytes written."""
    _log.info("the pictures do not fit in memory; they go to %s", file)
    with commit(file) as temporary, open(temporary, "wb") as out:
        while kept:
            _append(out, kept.popleft())
        for picture in more:
            _append(out, picture)
        return out.tell()


def _append(out: BinaryIO, picture: Picture) -> None:
    out.write(np.ascontiguousarray(picture).data)


def _joined(kept: deque[Picture], size: int) -> NDArray[np.uint8]:
    """One flat array of all pictures; each is let go once it is copied, so the peak stays near `size`."""
    pixels = np.empty(size, dtype=np.uint8)
    start = 0
    while kept:
        picture = kept.popleft()
        pixels[start : start + picture.nbytes] = picture.reshape(-1)
        start += picture.nbytes
    return pixels


def _decode(sources: Sequence[Source], fit: Fit) -> Iterator[Picture | tuple[Path, str]]:
    """The fitted pictures in order, decoded by threads that run a bounded number of pictures ahead."""
    return map_ahead(lambda source: _decode_one(source, fit), sources, min(8, num_cores()))


def _decode_one(source: Source, fit: Fit) -> Picture | tuple[Path, str]:
    pictures = []
    with ExitStack() as held:
        for path in source:
            try:
                pictures.append(held.enter_context(opened_image(path)))
            except ImageError as error:
                return path, error.what.removeprefix(f"{path} ")
        try:
            return fit(pictures)
        except ImageError as error:
            return source[0], error.what
