"""Renaming what lies in the folder, and putting it away: nothing is deleted, and both can be undone.

What is put away is moved to `.reskin/trash/ID/`, with a note of where it was.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from reskin.errors import ReskinError, RunError, SettingsError
from reskin.holders import holder
from reskin.paths import inside, relative_fault
from reskin.storage import read_json, storage_error, write_json
from reskin.web.studio.forms import checked_name
from reskin.web.studio.state import StateFolder

CONTENT = "content"


@dataclass(frozen=True)
class Away:
    """Something that was put away.

    Attributes:
        id: of its folder in the trash.
        name: where it was, relative to the studio's folder.
        at: when, seconds since 1970.
    """

    id: str
    name: str
    at: float


class Trash:
    """What was put away.

    Args:
        state: the studio's folder.
    """

    def __init__(self, state: StateFolder) -> None:
        self.state = state

    def all(self) -> list[Away]:
        """All of it, the latest first; what is damaged is left out."""
        found = []
        with suppress(OSError):
            for entry in os.scandir(self.state.trash):
                with suppress(SettingsError):
                    found.append(self.find(entry.name))
        return sorted(found, key=lambda one: -one.at)

    def find(self, id: str) -> Away:
        """One thing.

        Raises:
            SettingsError: it is not there.
        """
        folder = self.state.trash / id
        is_name = id.isalnum() and id.isascii()
        try:
            values = read_json(folder / "trash.json", most_bytes=100_000) if is_name else {}
            if os.path.lexists(folder / CONTENT):
                return Away(id, str(values["name"]), float(values["at"]))
        except (ReskinError, KeyError, TypeError, ValueError):
            pass
        raise SettingsError("this is not in the trash any more", "Load the page again.")

    def put(self, path: Path) -> Away:
        """Put a file or folder away.

        Raises:
            RunError: a process works on it.
            StorageError: the disk refuses.
        """
        _refuse_held(path)
        id, name = secrets.token_hex(8), path.relative_to(self.state.root).as_posix()
        folder = self.state.trash / id
        folder.mkdir(mode=0o700)
        try:
            write_json(folder / "trash.json", {"name": name, "at": time.time()})
            _move(path, folder / CONTENT)
        except ReskinError:
            (folder / "trash.json").unlink(missing_ok=True)
            folder.rmdir()
            raise
        return self.find(id)

    def restore(self, id: str) -> Path:
        """Bring something back to where it was.

        Raises:
            SettingsError: it is not there, or its name is taken.
            DataError: its folder lies behind a link.
            StorageError: the disk refuses.
        """
        one = self.find(id)
        path = self.state.root / one.name
        parent = PurePosixPath(one.name).parent.as_posix()
        if fault := relative_fault(one.name):
            raise SettingsError(f"the note of {id} was changed: {one.name} {fault}", "Move it back by hand.")
        if parent != ".":
            inside(self.state.root, parent, kind="folder", writes=True)
        if os.path.lexists(path):
            raise SettingsError(f"{one.name} is there again", "Rename that one first.")
        path.parent.mkdir(parents=True, exist_ok=True)
        _move(self.state.trash / id / CONTENT, path)
        (self.state.trash / id / "trash.json").unlink(missing_ok=True)
        with suppress(OSError):
            (self.state.trash / id).rmdir()
        return path


def rename(path: Path, name: Any) -> Path:
    """Give a file or folder another name where it is; a file keeps its ending.

    Raises:
        SettingsError: no name, or one that is taken.
        RunError: a process works on it.
        StorageError: the disk refuses.
    """
    to = path.with_name(checked_name(name) + (path.suffix if path.is_file() else ""))
    if os.path.lexists(to):
        raise SettingsError(f"{to.name} is there already", "Choose another name.")
    _refuse_held(path)
    _move(path, to)
    return to


def _refuse_held(path: Path) -> None:
    if path.is_dir() and (by := holder(path)) is not None:
        raise RunError(f"{path.name} is in use by {by}", "Wait for it, or stop it first.")


def _move(path: Path, to: Path) -> None:
    try:
        os.rename(path, to)
    except OSError as error:
        raise storage_error(to, error) from error
