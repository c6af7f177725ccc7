"""Commands that write a few files with names of the user's, and are killed when some of them are there.

Before a file takes its name, it is noted in a hidden file beside it. The same command, run again, then knows
what it made itself from what somebody else has put there. At the end of a command nothing of that is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.paths import MOST_DEEP, relative_fault
from reskin.renames import noted, stamp
from reskin.storage import read_json, write_json
from reskin.translation.targets import check_target
from reskin.version import __version__

_PREFIX = ".reskin-made-"
_STALE_SECONDS = 30 * 86_400.0


class Made:
    """What killed processes of the same command have made.

    Args:
        first: the first file that the command writes; all others lie beside it.
        key: digest of everything that the files depend on, asked for when it is needed.
    """

    def __init__(self, first: Path, key: Callable[[], str]) -> None:
        name = hashlib.sha256(os.fsencode(first.name)).hexdigest()[:16]
        self.record = first.absolute().parent / f"{_PREFIX}{name}.json"
        self._get_key = key
        self._files = self._read()
        self._held = ExitStack()

    @cached_property
    def _key(self) -> str:
        return self._get_key()

    def _read(self) -> dict[str, dict[str, Any]]:
        if not os.path.lexists(self.record):
            return {}
        try:
            values = read_json(self.record)
        except SettingsError:  # damaged or not ours: then nothing is known
            return {}
        files = values.get("files")
        if values.get("key") != self._key or not isinstance(files, dict):
            return {}
        own = {name: entry for name, entry in files.items() if isinstance(entry, dict)}
        return {name: entry for name, entry in own.items() if not relative_fault(name) and "/" not in name}

    def is_made(self, out: Path) -> bool:
        """Whether `out` is there as a process of this command has left it."""
        entry = self._files.get(out.name)
        try:
            status = os.lstat(out)
        except OSError:
            return False
        return entry is not None and stat.S_ISREG(status.st_mode) and entry.get("stamp") == stamp(status)

    def begin(self, source: Path, out: Path, *, overwrite: bool) -> bool:
        """Whether `out` is made; where it is not, it is noted once it is.

        Raises:
            SettingsError: as `check_target`, for what this command has not made.
        """
        is_made = self.is_made(out)
        check_target(source, out, overwrite=overwrite or is_made)
        if not is_made:
            self._held.enter_context(noted(out, partial(self._note, out)))
        return is_made

    def _note(self, out: Path, status: os.stat_result) -> None:
        self._files[out.name] = {"stamp": stamp(status)}
        self._write()

    def keep(self, out: Path, values: dict[str, Any]) -> None:
        """Keep what is to be said about a file or folder of this command until the command ends.

        Raises:
            StorageError: the disk refuses the write.
        """
        self._files.setdefault(out.name, {})["kept"] = values
        self._write()

    def kept(self, out: Path) -> dict[str, Any] | None:
        """What was kept about a file or folder; None for nothing."""
        values = self._files.get(out.name, {}).get("kept")
        return values if isinstance(values, dict) else None

    def _write(self) -> None:
        write_json(self.record, {"key": self._key, "files": self._files})

    def forget(self, *, unless_used: bool = False) -> None:
        """Remove the record; with `unless_used` it stays where the same command can go on from it."""
        self._held.close()
        beside = self.record.parent
        if unless_used and any(os.path.lexists(beside / name) for name in self._files):
            return
        with suppress(OSError):  # the folder may be gone, or read-only by now
            self.record.unlink(missing_ok=True)


@contextmanager
def made_once(first: Path, key: Callable[[], str]) -> Iterator[Made]:
    """What killed processes of the same command have made; at the end of the block nothing is left of it.

    Args:
        first: the first file that the command writes.
        key: see `command_key`.
    """
    _sweep(first.absolute().parent)
    made = Made(first, key)
    try:
        yield made
    except BaseException:
        made.forget(unless_used=True)
        raise
    made.forget()


def command_key(settings: Settings, first: Path) -> str:
    """Digest of a command's settings and of the files that they name, by size and time of change.

    Args:
        settings: of the command.
        first: the first file that it writes; neither this nor what is named after it counts.
    """
    out = os.path.abspath(first)
    found = sorted({os.path.abspath(path) for path in _paths_in(settings)} - {out})
    own = os.path.splitext(out)[0]
    facts = [__version__, repr(settings), [_stamps(path, own) for path in found]]
    return hashlib.sha256(json.dumps(facts).encode("utf-8", "backslashreplace")).hexdigest()


def _paths_in(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Settings):
        for name in type(value).model_fields:
            yield from _paths_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _paths_in(each)


def _stamps(path: str, own: str) -> list[Any]:
    """The file of this name, or every file in the folder of this name and below it."""
    if not os.path.isdir(path):
        return [path, *_stamp_at(path)]
    found: list[Any] = [path]
    for folder, below, names in os.walk(path):
        below.sort()
        if folder.count(os.sep) > MOST_DEEP:  # reading the pictures refuses it
            below.clear()
        whole = (os.path.join(folder, name) for name in sorted(names) if not name.startswith("."))
        found += [[name, *_stamp_at(name)] for name in whole if not name.startswith(own)]
    return found


def _stamp_at(name: str) -> list[int]:
    try:
        return stamp(os.stat(name))
    except OSError:
        return []


def _sweep(parent: Path) -> None:
    """Remove what nobody took up for a month."""
    for path in parent.glob(f"{_PREFIX}*.json"):
        with suppress(OSError):  # somebody else's, or gone
            if time.time() - path.lstat().st_mtime > _STALE_SECONDS:
                path.unlink()
