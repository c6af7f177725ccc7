"""The files that curation keeps for each dataset, and the process that reads a manifest for it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskin.curation.thumbnails import Thumbnails
from reskin.errors import DataError
from reskin.storage import storage_error
from reskin.web.studio.curate_pictures import Makers
from reskin.web.studio.curate_store import Verdicts
from reskin.web.studio.scan import SETTLED_NS
from reskin.web.studio.state import StateFolder

AGAIN_SECONDS = 3.0
"""Least time between two readings of one dataset."""
MOST_FOLDERS = 500
DEEPEST = 2


Listed = dict[Path, tuple[int, list[str]]]
"""Folder to when it was changed and the names of the folders in it."""


def stamp_of_set(folder: Path, listed: Listed | None = None) -> list[Any]:
    """What changes when pictures of a dataset come or go, or its manifest is written.

    Args:
        folder: the dataset.
        listed: what an earlier call found; a folder that has not changed is not listed again, since there may
            be 100,000 pictures in it.
    """
    found: list[Any] = []
    with suppress(OSError):
        manifest = (folder / "manifest.json").stat()
        found.append([manifest.st_mtime_ns, manifest.st_size, manifest.st_ino])
    for parts, changed in _visited(folder, (), {} if listed is None else listed):
        # A folder with a manifest changes whenever a command takes its lock.
        if parts or len(found) == 0:
            found.append([os.fsencode("/".join(parts)).decode("utf-8", "replace"), changed])
        if len(found) > MOST_FOLDERS:
            break
    return found


def _visited(folder: Path, parts: tuple[str, ...], listed: Listed) -> Iterator[tuple[tuple[str, ...], int]]:
    """The folders of a dataset, from the outermost, and when they were changed; links are not followed."""
    with suppress(OSError):
        changed = os.stat(folder).st_mtime_ns
        yield parts, changed
        if len(parts) == DEEPEST:
            return
        known = listed.get(folder)
        if known is None or known[0] != changed:
            known = changed, _folders_in(folder)
            if time.time_ns() - changed > SETTLED_NS:
                listed[folder] = known
        for name in known[1]:
            yield from _visited(folder / name, (*parts, name), listed)


def _folders_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        )


@dataclass(frozen=True)
class SetFiles:
    """Where curation keeps what it knows of one dataset.

    Attributes:
        id: of the dataset.
        name: its folder, relative to the studio's.
        folder: the dataset itself.
        verdicts: what people decided.
        index: what is ordered and filtered by.
        table: the list for `reskin screen --by-hand`.
        thumbnails: small pictures.
    """

    id: str
    name: str
    folder: Path
    verdicts: Path
    index: Path
    table: Path
    thumbnails: Path


class CuratedSet:
    """One dataset as the pages curate it: its verdicts, its index, its thumbnails.

    Args:
        files: where they are.
    """

    def __init__(self, files: SetFiles) -> None:
        self.files = files
        self.verdicts = Verdicts(files.verdicts, files.name)
        self.fault: dict[str, str] | None = None
        self.last_order: tuple[object, bytes] = (None, b"")
        self._turn = threading.Lock()
        self._reading: threading.Thread | None = None
        self._read_at = -AGAIN_SECONDS
        self._failed: list[Any] | None = None
        self._listed: Listed = {}
        self._thumbnails: Thumbnails | None = None
        self._facts: tuple[str, dict[str, Any]] = ("", {})

    @property
    def index_version(self) -> str:
        """Of the index; "" where there is none."""
        with suppress(OSError):
            found = self.files.index.stat()
            return f"{found.st_mtime_ns:x}-{found.st_ino:x}"
        return ""

    def facts(self) -> dict[str, Any]:
        """What the index says of the whole dataset; empty where there is none that can be read."""
        version = self.index_version
        if version and self._facts[0] != version:
            with suppress(sqlite3.Error, ValueError, TypeError):
                self._facts = version, json.loads(self._about("facts"))
        return self._facts[1] if version and self._facts[0] == version else {}

    def look(self) -> None:
        """Have the dataset read where it has changed since; this returns at once."""
        with self._turn:
            if self._reading is not None and self._reading.is_alive():
                return
            if time.monotonic() - self._read_at < AGAIN_SECONDS:
                return
            stamp = json.loads(json.dumps(stamp_of_set(self.files.folder, self._listed)))
            if stamp in (self._known_stamp(), self._failed):
                return
            self._read_at = time.monotonic()
            self._reading = threading.Thread(target=self._read, args=(stamp,), daemon=True)
            self._reading.start()

    @property
    def is_reading(self) -> bool:
        """Whether a process reads the manifest now."""
        return self._reading is not None and self._reading.is_alive()

    def thumbnails(self) -> Thumbnails:
        """The small pictures; opened anew where the file was removed.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        with self._turn:
            if self._thumbnails is None:
                self._thumbnails = Thumbnails(self.files.thumbnails)
            return self._thumbnails

    def close(self) -> None:
        """Let go of all files."""
        self.verdicts.close()
        if self._thumbnails is not None:
            self._thumbnails.close()
            self._thumbnails = None

    def _about(self, name: str) -> str:
        with closing(sqlite3.connect(f"{self.files.index.as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
            return str(row[0]) if row else ""

    def _known_stamp(self) -> Any:
        with suppress(sqlite3.Error, ValueError):
            return json.loads(self._about("stamp")) if self.facts() else None
        return None

    def _read(self, stamp: list[Any]) -> None:
        files = self.files
        words = [str(files.folder), str(files.index), str(files.verdicts), files.name]
        command = [sys.executable, "-P", "-m", "reskin.web.studio.curate_index", *words]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        try:
            ended = subprocess.run(  # noqa: S603 - our own command line
                command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False
            )
        except OSError as error:
            self.fault = {
                "what": f"no process could be started ({error.strerror})",
                "fix": "Close something.",
            }
            return
        if ended.returncode == 0:
            self.fault, self._failed = None, None
            return
        said = {"what": f"{files.name} could not be read", "fix": "Type: reskin inspect, which says why."}
        with suppress(ValueError):
            said = {key: str(text) for key, text in json.loads(ended.stdout).items()}
        self.fault, self._failed = said, stamp


class Curation:
    """The datasets of a studio as far as somebody curates them.

    Args:
        state: the studio's folder.
    """

    MOST = 8
    """Datasets that are kept open."""

    def __init__(self, state: StateFolder) -> None:
        self.state = state
        self.makers = Makers()
        self._turn = threading.Lock()
        self._open: dict[str, CuratedSet] = {}

    def of(self, name: str, folder: Path) -> CuratedSet:
        """A dataset; it is read in the background where that has not been done.

        Args:
            name: its id.
            folder: where it is.

        Raises:
            DataError: the folder is gone.
        """
        shown = folder.relative_to(self.state.root).as_posix()
        if not folder.is_dir():
            what = f"{shown} is not there any more; what was decided is kept"
            raise DataError(what, "Put the folder back, and load the page again.")
        with self._turn:
            known = self._open.pop(name, None) or CuratedSet(self._files(name, shown, folder))
            self._open[name] = known
            while len(self._open) > self.MOST:
                self._open.pop(next(iter(self._open))).close()
        known.look()
        return known

    def moved(self, before: str, after: str) -> None:
        """Take what is known of a dataset along to its new id, after its folder was renamed.

        Args:
            before: the id that it had.
            after: the id that it has now. What a folder of this name left behind is put aside.

        Raises:
            StorageError: the disk refuses.
        """
        with self._turn:
            for name in (before, after):
                if (known := self._open.pop(name, None)) is not None:
                    known.close()
        endings = ("sqlite", "sqlite-wal", "sqlite-shm", "index.sqlite", "csv")
        sets, thumbs = self.state.folder / "sets", self.state.folder / "thumbs"
        pairs = [(folder, ending) for folder in (sets, thumbs) for ending in endings]
        try:
            for folder, ending in pairs:
                target = folder / f"{after}.{ending}"
                if target.exists():
                    os.replace(target, folder / f"{after}-before.{ending}")
                if (source := folder / f"{before}.{ending}").exists():
                    os.replace(source, target)
        except OSError as error:
            raise storage_error(sets, error) from None

    def rest(self) -> None:
        """End the processes that nobody asked for anything for a while."""
        self.makers.rest()

    def close(self) -> None:
        """Let go of all files, and end the processes."""
        self.makers.close()
        with self._turn:
            for one in self._open.values():
                one.close()
            self._open.clear()

    def _files(self, name: str, shown: str, folder: Path) -> SetFiles:
        sets = self.state.folder / "sets"
        sets.mkdir(mode=0o700, exist_ok=True)
        return SetFiles(
            id=name,
            name=os.fsencode(shown).decode("utf-8", "replace"),
            folder=folder,
            verdicts=sets / f"{name}.sqlite",
            index=sets / f"{name}.index.sqlite",
            table=sets / f"{name}.csv",
            thumbnails=self.state.folder / "thumbs" / f"{name}.sqlite",
        )
