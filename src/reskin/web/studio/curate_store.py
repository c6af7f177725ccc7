"""Verdicts of a dataset: each change in a transaction of its own, none lost, every one to be undone.

    picture(number, file)                  a number for each name, the same for ever
    act(revision, nonce, kind, ...)        what was done, in order: decide, undo, redo, import
    verdict(number, verdict)               what holds now
    applied(number, verdict)               what the manifest holds

A change is acknowledged after its transaction is on the disk. It carries a nonce of the browser's, so that
one that is sent again, because the answer was lost, counts once. Times play no part: revisions say what came
first.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reskin.databases import inside_plain, keep_journal
from reskin.errors import ReskinError, RunError, SettingsError, StorageError

NONE, KEEP, DROP = 0, 1, 2
NAMES = ("none", "keep", "drop")
"""Verdicts by number."""
MOST_EDITS = 20_000
"""Of more changes at once a page loads the whole order again."""
WAIT_SECONDS = 10.0
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS picture (number INTEGER PRIMARY KEY, file BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS act (
  revision INTEGER PRIMARY KEY AUTOINCREMENT, nonce TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  undone INTEGER NOT NULL DEFAULT 0, numbers BLOB NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS standing ON act (undone, revision) WHERE kind IN ('decide', 'import');
CREATE TABLE IF NOT EXISTS verdict (number INTEGER PRIMARY KEY, verdict INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS applied (number INTEGER PRIMARY KEY, verdict INTEGER NOT NULL);
"""
_STANDS, _UNDONE, _FORGOTTEN = 0, 1, 2


class VersionError(RunError):
    """The numbers that a page knows are those of another file of verdicts; it has to load them again."""


@dataclass(frozen=True)
class Changes:
    """What has changed since a revision.

    Attributes:
        version: of the numbers; another one means that the page has to load everything again.
        revision: the last one.
        edits: number and verdict of each picture that changed, None: too many, load the order again.
        can_undo: whether there is something to undo.
        can_redo: whether there is something to do again.
        unapplied: pictures whose verdict is not in the manifest yet.
        keep: pictures that are kept.
        drop: pictures that are dropped.
    """

    version: str
    revision: int
    edits: list[tuple[int, int]] | None
    can_undo: bool
    can_redo: bool
    unapplied: int
    keep: int
    drop: int


class Verdicts:
    """The file of verdicts of one dataset; threads may share it, and another process may use it too.

    Args:
        path: the file; it is made where it is not there.
        name: of the dataset, for errors.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._turn = threading.RLock()
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self.most_pages: int | None = None

    def decide(self, version: str, nonce: str, verdict: int, numbers: Sequence[int]) -> int:
        """Give pictures a verdict; the revision after it.

        Args:
            version: of the numbers, as `changes` said it.
            nonce: of this change; a second one with the same is the first one again.
            verdict: NONE, KEEP or DROP.
            numbers: of the pictures.

        Raises:
            VersionError: the numbers are of another file.
            SettingsError: a number is not known.
            StorageError: it could not be kept; nothing was changed.
        """
        with self._change(version) as database:
            if (known := _revision_of(database, nonce)) is not None:
                return known
            wanted = dict.fromkeys(numbers, verdict)
            if _count_known(database, list(wanted)) < len(wanted):
                raise SettingsError("a picture is not known", "Load the page again.")
            return _act(database, nonce, "decide", wanted)

    def undo(self, version: str, nonce: str) -> int:
        """Take the last change that stands back; the revision after it. Raises as `decide`."""
        return self._turn_back(version, nonce, is_redo=False)

    def redo(self, version: str, nonce: str) -> int:
        """Do again what was taken back last; the revision after it. Raises as `decide`."""
        return self._turn_back(version, nonce, is_redo=True)

    def _turn_back(self, version: str, nonce: str, *, is_redo: bool) -> int:
        state, order = (_UNDONE, "ASC") if is_redo else (_STANDS, "DESC")
        column = "after" if is_redo else "before"
        with self._change(version) as database:
            if (known := _revision_of(database, nonce)) is not None:
                return known
            row = database.execute(
                f"SELECT revision, numbers, {column} FROM act"  # noqa: S608 - words of our own
                f" WHERE undone = ? AND kind IN ('decide', 'import') ORDER BY revision {order} LIMIT 1",
                (state,),
            ).fetchone()
            wanted = dict(zip(_numbers(row[1]), row[2], strict=True)) if row else {}
            if row:
                now = _STANDS if is_redo else _UNDONE
                database.execute("UPDATE act SET undone = ? WHERE revision = ?", (now, row[0]))
            return _act(database, nonce, "redo" if is_redo else "undo", wanted)

    def changes(self, since: int) -> Changes:
        """What has changed since a revision.

        Raises:
            StorageError: the file cannot be read.
        """
        with self._open() as database:
            revision = _last(database)
            edits: dict[int, int] | None = {}
            rows = database.execute(
                "SELECT numbers, after FROM act WHERE revision > ? ORDER BY revision", (since,)
            )
            for numbers, after in rows:
                if edits is None or len(edits) + len(after) > MOST_EDITS:
                    edits = None
                    break
                edits |= dict(zip(_numbers(numbers), after, strict=True))
            counts = dict(database.execute("SELECT verdict, count(*) FROM verdict GROUP BY verdict"))
            return Changes(
                version=_version(database),
                revision=revision,
                edits=None if edits is None or since > revision else list(edits.items()),
                can_undo=_any(database, _STANDS),
                can_redo=_any(database, _UNDONE),
                unapplied=_unapplied(database),
                keep=counts.get(KEEP, 0),
                drop=counts.get(DROP, 0),
            )

    def by_file(self) -> dict[str, int]:
        """All verdicts, by path below the dataset.

        Raises:
            StorageError: the file cannot be read.
        """
        with self._open() as database:
            rows = database.execute("SELECT file, verdict FROM verdict JOIN picture USING (number)")
            return {os.fsdecode(file): verdict for file, verdict in rows}

    def take_over(self, files: Sequence[str], stored: Mapping[str, int]) -> dict[str, int]:
        """Give every file a number, and take verdicts over that the manifest has got meanwhile.

        What somebody decided elsewhere, in a terminal, holds here too, as a change that can be undone; where
        the page decided something else since, the page's verdict stays.

        Args:
            files: of the dataset, in its order.
            stored: what the manifest says of them; others have no verdict.

        Returns:
            Number of each file.

        Raises:
            StorageError: the file cannot be read or written.
        """
        with self._change(None) as database:
            rows = ((os.fsencode(file),) for file in files)
            database.executemany("INSERT OR IGNORE INTO picture (file) VALUES (?)", rows)
            numbers = {
                os.fsdecode(file): number for number, file in database.execute("SELECT * FROM picture")
            }
            mine = {numbers[file] for file in files}
            theirs = {numbers[file]: verdict for file, verdict in stored.items() if file in numbers}
            base = dict(database.execute("SELECT number, verdict FROM applied"))
            ours = dict(database.execute("SELECT number, verdict FROM verdict"))
            moved = {
                number: theirs.get(number, NONE)
                for number in (theirs.keys() | (base.keys() & mine))
                if theirs.get(number, NONE) != base.get(number, NONE)
            }
            taken = {n: v for n, v in moved.items() if ours.get(n, NONE) == base.get(n, NONE)}
            if taken:
                _act(database, secrets.token_hex(16), "import", taken)
            for number, verdict in moved.items():
                _put(database, "applied", number, verdict)
            return {file: numbers[file] for file in files}

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            if self._database is not None:
                self._database.close()
            self._database = None

    @contextmanager
    def _change(self, version: str | None) -> Iterator[sqlite3.Connection]:
        """Inside, a transaction: on the disk after the block, or nothing of it."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                if version is not None and version != _version(database):
                    raise VersionError("the pictures have other numbers now", "The page loads them again.")
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            if _identity(self.path) != self._file:
                raise StorageError(f"{self.path.name} was removed while it was written", "Send it again.")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            try:
                yield self._connected()
            except sqlite3.Error as error:
                raise _refused(self.path, self.name, error) from None
            except OSError as error:
                raise StorageError(
                    f"{self.path.name} cannot be opened ({error.strerror})", "Check the disk."
                ) from None

    def _connected(self) -> sqlite3.Connection:
        # A file that was removed could still be written to, and what is written there is lost.
        if self._database is not None and _identity(self.path) == self._file:
            return self._database
        self.close()
        inside_plain(self.path.parents[1], f"{self.path.parent.name}/{self.path.name}")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sqlite3.connect(
            self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            keep_journal(found, self.path)
            found.execute("PRAGMA synchronous=FULL")
            if self.most_pages:
                found.execute(f"PRAGMA max_page_count={self.most_pages}")
            if found.execute("PRAGMA user_version").fetchone()[0] != 1:
                found.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version=1;COMMIT;")
            found.execute("INSERT OR IGNORE INTO about VALUES ('version', ?)", (secrets.token_hex(8),))
        except BaseException:
            found.close()
            raise
        self.path.chmod(0o600)
        self._database, self._file = found, _identity(self.path)
        return found


def _refused(path: Path, name: str, error: sqlite3.Error) -> ReskinError:
    """What a person can do about a fault of the database."""
    kind = getattr(error, "sqlite_errorname", "")
    if kind.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "malformed" in str(error):
        what = f"the verdicts of {name} cannot be read: .reskin/sets/{path.name} is damaged"
        return RunError(
            what, "Move it away to begin with those of the manifest, or copy it back from a backup."
        )
    if kind.startswith("SQLITE_FULL") or "full" in str(error):
        return StorageError("the disk is full; this verdict is not kept yet", "Make room: it is sent again.")
    if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageError(f"another process writes the verdicts of {name}", "It is sent again.")
    return StorageError(
        f"the verdicts of {name} cannot be written ({error})", "Check the disk: it is sent again."
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _numbers(packed: bytes) -> array[int]:
    found = array("I")
    found.frombytes(packed)
    return found


def _version(database: sqlite3.Connection) -> str:
    return str(database.execute("SELECT value FROM about WHERE name = 'version'").fetchone()[0])


def _last(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT coalesce(max(revision), 0) FROM act").fetchone()[0])


def _revision_of(database: sqlite3.Connection, nonce: str) -> int | None:
    row = database.execute("SELECT revision FROM act WHERE nonce = ?", (nonce,)).fetchone()
    return int(row[0]) if row else None


def _any(database: sqlite3.Connection, state: int) -> bool:
    row = database.execute(
        "SELECT 1 FROM act WHERE undone = ? AND kind IN ('decide', 'import') LIMIT 1", (state,)
    ).fetchone()
    return row is not None


def _count_known(database: sqlite3.Connection, numbers: Sequence[int]) -> int:
    query = "SELECT count(*) FROM picture WHERE number = ?"
    return sum(database.execute(query, (number,)).fetchone()[0] for number in numbers)


def _act(database: sqlite3.Connection, nonce: str, kind: str, wanted: Mapping[int, int]) -> int:
    """Write down what is done, and do it; the revision."""
    query = "SELECT verdict FROM verdict WHERE number = ?"
    before = bytes((database.execute(query, (number,)).fetchone() or (NONE,))[0] for number in wanted)
    if kind in ("decide", "import"):  # what was taken back before cannot be done again after it
        database.execute("UPDATE act SET undone = ? WHERE undone = ?", (_FORGOTTEN, _UNDONE))
    for number, verdict in wanted.items():
        _put(database, "verdict", number, verdict)
    values = (nonce, kind, array("I", wanted).tobytes(), before, bytes(wanted.values()))
    made = database.execute(
        "INSERT INTO act (nonce, kind, numbers, before, after) VALUES (?, ?, ?, ?, ?)", values
    )
    return int(made.lastrowid or 0)


def _put(
    database: sqlite3.Connection, table: Literal["verdict", "applied"], number: int, verdict: int
) -> None:
    if verdict == NONE:
        database.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608 - one of our tables
    else:
        database.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (number, verdict))  # noqa: S608 - as above


def _unapplied(database: sqlite3.Connection) -> int:
    both = (
        "SELECT (SELECT count(*) FROM verdict v LEFT JOIN applied a USING (number)"
        " WHERE v.verdict IS NOT a.verdict)"
        " + (SELECT count(*) FROM applied a LEFT JOIN verdict v USING (number) WHERE v.verdict IS NULL)"
    )
    return int(database.execute(both).fetchone()[0])
