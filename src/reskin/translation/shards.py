"""One folder translated by many processes or machines: each takes every n-th file.

Nothing passes between them but what lies in the output folder: each shard keeps a record of its own, and the
one that finds all of them done writes the record of the whole folder. So a shard that was killed is started
again by the same command, whatever became of the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskin.errors import SettingsError
from reskin.storage import lock, read_json, write_json

FOLDER = ".reskin-shards"
MOST = 9999

_RECORD = "shard.json"


@dataclass(frozen=True)
class Shard:
    """Which part of a folder a process translates.

    Attributes:
        number: of the part, from 1.
        count: of parts.
    """

    number: int
    count: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """What "3/40" says.

        Raises:
            SettingsError: it is no such text, or there is no such part.

        >>> Shard.read("3/40")
        Shard(number=3, count=40)
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= count <= MOST:
            raise SettingsError(f"--shard {text}", "Give which of how many, from 1/40 to 40/40.")
        return cls(number, count)

    def takes(self, index: int) -> bool:
        """Whether the file of this index, from 0, is one of its own.

        >>> [index for index in range(7) if Shard(2, 3).takes(index)]
        [1, 4]
        """
        return index % self.count == self.number - 1

    def folder(self, out: Path) -> Path:
        """Where its record lies, in the output folder."""
        return out / FOLDER / f"{self.number:04d}-of-{self.count:04d}"

    def all(self) -> Iterator[Shard]:
        """The shards of the whole folder, this one among them."""
        return (Shard(number, self.count) for number in range(1, self.count + 1))

    @contextmanager
    def held(self, out: Path) -> Iterator[None]:
        """Hold the shard for this process; afterwards nothing is left of folders that are empty.

        Raises:
            RunError: another process works on it.
            StorageError: the disk refuses the write.
        """
        folder = self.folder(out)
        with lock(folder):
            yield
        for path in (folder, folder.parent):
            with suppress(OSError):  # others lie in it
                path.rmdir()


def listing_of(names: Sequence[str]) -> str:
    """Digest of what is shared out: parts of different lists do not make one folder."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def known_files(out: Path) -> dict[str, Any]:
    """What the shards that are there have made, by target, whatever their number; damaged records count
    nothing."""
    known: dict[str, Any] = {}
    for path in sorted((out / FOLDER).glob(f"*/{_RECORD}")):
        values = _read(path)
        known |= values["files"] if values else {}
    return known


def keep(out: Path, shard: Shard, values: dict[str, Any]) -> None:
    """Write a shard's record: `files` and `engine` as in `translated.json`, `listing`, `is_done` and
    `left_out`, a number.

    Raises:
        StorageError: the disk refuses the write.
    """
    write_json(shard.folder(out) / _RECORD, values)


def read(out: Path, shard: Shard) -> dict[str, Any] | None:
    """The shard's record; None where there is none, or it is damaged."""
    return _read(shard.folder(out) / _RECORD)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values = read_json(path)
    except SettingsError:
        return None
    return values if isinstance(values.get("files"), dict) else None


@dataclass(frozen=True)
class Finished:
    """What became of all shards.

    Attributes:
        waiting: numbers of those that are not done, or were given another list of files.
        files: what they made, by target; empty where some wait.
        left_out: how many files they left out.
    """

    waiting: list[int]
    files: dict[str, Any]
    left_out: int

    def in_words(self, shard: Shard) -> str:
        """One line."""
        if not self.waiting:
            more = f", {self.left_out} left out" if self.left_out else ""
            which = f"shard {shard.number}/{shard.count}"
            return f"{which} was the last one: all {len(self.files)} files are made{more}"
        named = ", ".join(map(str, self.waiting[:10])) + (" ..." if len(self.waiting) > 10 else "")
        return f"shard {shard.number}/{shard.count} is done; not yet done: {named}"


def finished(out: Path, shard: Shard, listing: str) -> Finished:
    """What became of all shards of a list of files."""
    records = {one.number: read(out, one) for one in shard.all()}
    waiting = [
        n
        for n, kept in records.items()
        if not kept or not kept.get("is_done") or kept.get("listing") != listing
    ]
    if waiting:
        return Finished(waiting, {}, 0)
    files: dict[str, Any] = {}
    left_out = 0
    for kept in records.values():
        assert kept is not None, "those that are missing wait"
        files |= kept["files"]
        left_out += int(kept.get("left_out", 0))
    return Finished([], {name: entry for name, entry in files.items() if entry is not None}, left_out)


def clear(out: Path, shard: Shard) -> None:
    """Remove the records of all shards, which are in that of the whole folder now."""
    for one in shard.all():
        folder = one.folder(out)
        with suppress(OSError):
            (folder / _RECORD).unlink(missing_ok=True)
            if one != shard:
                os.rmdir(folder)  # not where its process has not ended yet
