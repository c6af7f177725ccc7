"""Answers of a study on the disk: each in a transaction of its own, exactly once."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from reskin.databases import inside_plain, keep_journal
from reskin.errors import RunError, StorageError

DATABASE = "answers.sqlite"
_MOST_TRIALS = 1_000_000
"""More than any list has."""

ABANDONED_SECONDS = 30 * 60.0
Choice = Literal["first", "second", "same"]

_TABLES = """
CREATE TABLE IF NOT EXISTS raters(
  invite TEXT PRIMARY KEY, token TEXT UNIQUE, slot INTEGER, language TEXT, began REAL, seen REAL,
  finished REAL, withdrawn REAL, replaced REAL, completion TEXT, deletion TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers(
  invite TEXT NOT NULL, trial INTEGER NOT NULL, nonce TEXT NOT NULL UNIQUE, choice TEXT NOT NULL,
  shown TEXT NOT NULL, rt REAL NOT NULL, flags TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY(invite, trial)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Rater:
    """One who was invited.

    Attributes:
        invite: the random number in the address.
        token: known to the browser that began alone; None before.
        slot: number of the list of trials; None before.
        language: of the page.
        began, seen, finished, withdrawn, replaced: when, seconds since 1970; None: not.
        completion: the code that says that one took part.
        deletion: the code with which one's answers are deleted.
    """

    invite: str
    token: str | None
    slot: int | None
    language: str | None
    began: float | None
    seen: float | None
    finished: float | None
    withdrawn: float | None
    replaced: float | None
    completion: str | None
    deletion: str | None


@dataclass(frozen=True)
class Answer:
    """One answer as it is stored.

    Attributes:
        trial: number in the rater's list.
        nonce: random number of this answer, by which a repeated request is known.
        choice: "first", "second" or "same".
        shown: milliseconds that each exposure really took.
        rt: milliseconds from the buttons to the answer.
        flags: "off", "hidden", "unfocused", separated by spaces.
    """

    trial: int
    nonce: str
    choice: Choice
    shown: tuple[float, ...]
    rt: float
    flags: str


class AnswerStore:
    """The database of a study. One connection, used by one thread at a time.

    Args:
        folder: of the study.
        create: make the database where there is none.

    Raises:
        RunError: there is no database, or it is no database of ours.
        DataError: a file that belongs to it is a link or no plain file.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        path = inside_plain(folder, DATABASE)
        if not create and not path.exists():
            raise RunError(f"nobody was asked yet in {folder}", f"Type: reskin study serve {folder}")
        self._turn = threading.Lock()
        try:
            self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            keep_journal(self._base, path)
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise RunError(f"{path} cannot be used ({error})", "Put back a copy of it.") from None

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    @contextmanager
    def _look(self) -> Iterator[sqlite3.Connection]:
        """Reading, by one thread at a time (RunError: the tables or what is in them is not ours)."""
        with self._turn:
            try:
                yield self._base
            except (sqlite3.DatabaseError, ValueError, TypeError) as error:
                what = f"{DATABASE} holds what no rater gave ({error})"
                raise RunError(what, "Put back a copy of it.") from None

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, whole or not at all (StorageError: the disk refuses)."""
        with self._turn:
            try:
                self._base.execute("BEGIN IMMEDIATE")
                try:
                    yield self._base
                except BaseException:
                    self._base.execute("ROLLBACK")
                    raise
                self._base.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise StorageError(f"the answers cannot be stored ({error})", "Free some space.") from None

    def fact(self, name: str, default: str) -> str:
        """A value that is kept with the answers, set to `default` the first time."""
        with self._change() as base:
            base.execute("INSERT OR IGNORE INTO facts VALUES(?, ?)", (name, default))
            return str(base.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

    def invite(self, count: int) -> list[str]:
        """Make invites until there are `count`; returns all of them, in the order in which they were made."""
        with self._change() as base:
            known = json.loads(self._invites(base))
            fresh = [secrets.token_urlsafe(16) for _ in range(count - len(known))]
            base.executemany("INSERT INTO raters(invite) VALUES(?)", [(name,) for name in fresh])
            base.execute("INSERT OR REPLACE INTO facts VALUES('invites', ?)", (json.dumps(known + fresh),))
        return list(known + fresh)

    @staticmethod
    def _invites(base: sqlite3.Connection) -> str:
        row = base.execute("SELECT value FROM facts WHERE name = 'invites'").fetchone()
        return str(row[0]) if row else "[]"

    def rater(self, invite: str) -> Rater | None:
        """Who has this invite; None: nobody."""
        with self._look() as base:
            return self._rater(base, invite)

    def raters(self) -> list[Rater]:
        """All who were invited."""
        with self._look() as base:
            return [_rater(row) for row in base.execute("SELECT * FROM raters ORDER BY began")]

    @staticmethod
    def _rater(base: sqlite3.Connection, invite: str) -> Rater | None:
        row = base.execute("SELECT * FROM raters WHERE invite = ?", (invite,)).fetchone()
        return _rater(row) if row else None

    def begin(self, invite: str, language: str, slots: int, *, key: str = "") -> Rater | None:
        """Give a rater the first free slot, or one left for 30 minutes; None where none is free.

        A rater who has begun gets what was given before.

        Args:
            invite: of the rater.
            language: of the page.
            slots: how many the study has.
            key: random number of the browser, by which `began_with` knows it again.
        """
        now = time.time()
        with self._change() as base:
            known = self._rater(base, invite)
            if known is None or known.token is not None:
                return known
            taken = {
                slot: (other, seen, finished)
                for other, slot, seen, finished in base.execute(
                    "SELECT invite, slot, seen, finished FROM raters WHERE slot IS NOT NULL "
                    "AND replaced IS NULL AND withdrawn IS NULL"
                )
            }
            free = [slot for slot in range(slots) if slot not in taken]
            left = [
                slot
                for slot, (_, seen, finished) in taken.items()
                if finished is None and now - seen > ABANDONED_SECONDS
            ]
            if not free and not left:
                return None
            slot = min(free or left)
            if not free:
                base.execute("UPDATE raters SET replaced = ? WHERE invite = ?", (now, taken[slot][0]))
            base.execute(
                "UPDATE raters SET token = ?, slot = ?, language = ?, began = ?, seen = ?, completion = ?, "
                "deletion = ? WHERE invite = ?",
                (secrets.token_urlsafe(32), slot, language, now, now, _code(), _code(), invite),
            )
            base.execute("INSERT OR REPLACE INTO facts VALUES(?, ?)", (f"key {invite}", key))
            return self._rater(base, invite)

    def began_with(self, invite: str, key: str) -> bool:
        """Whether the browser that began this invite sent this key, which must not be empty."""
        with self._look() as base:
            row = base.execute("SELECT value FROM facts WHERE name = ?", (f"key {invite}",)).fetchone()
        return bool(key and row) and secrets.compare_digest(str(row[0]).encode(), key.encode())

    def answer(self, invite: str, given: Answer) -> bool:
        """Store an answer; whether it is the one that is stored now (False: another one was there before)."""
        now = time.time()
        with self._change() as base:
            base.execute(
                "INSERT OR IGNORE INTO answers VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    invite,
                    given.trial,
                    given.nonce,
                    given.choice,
                    json.dumps(given.shown),
                    given.rt,
                    given.flags,
                    now,
                ),
            )
            base.execute("UPDATE raters SET seen = ? WHERE invite = ?", (now, invite))
            row = base.execute(
                "SELECT nonce FROM answers WHERE invite = ? AND trial = ?", (invite, given.trial)
            ).fetchone()
            return row is not None and row[0] == given.nonce

    def answers(self, invite: str) -> list[Answer]:
        """A rater's answers in the order of the list."""
        with self._look() as base:
            rows = base.execute(
                "SELECT trial, nonce, choice, shown, rt, flags FROM answers WHERE invite = ? ORDER BY trial",
                (invite,),
            )
            return [_answer(row) for row in rows]

    def finish(self, invite: str) -> None:
        """Note that a rater has answered everything."""
        with self._change() as base:
            base.execute(
                "UPDATE raters SET finished = ? WHERE invite = ? AND finished IS NULL", (time.time(), invite)
            )

    def withdraw(self, invite: str, code: str) -> bool:
        """Delete a rater's answers; whether the code was right. The slot becomes free."""
        with self._change() as base:
            known = self._rater(base, invite)
            if known is None or not known.deletion or not secrets.compare_digest(known.deletion, code):
                return False
            base.execute("DELETE FROM answers WHERE invite = ?", (invite,))
            base.execute(
                "UPDATE raters SET withdrawn = ?, finished = NULL WHERE invite = ?", (time.time(), invite)
            )
            return True


def _rater(row: Sequence[Any]) -> Rater:
    """A row of the table of raters (ValueError, TypeError: it is none)."""
    rater = Rater(*row)
    times = (rater.began, rater.seen, rater.finished, rater.withdrawn, rater.replaced)
    if not isinstance(rater.invite, str) or not all(_is_time(each) for each in times):
        raise ValueError("a rater without invite or times")
    if rater.slot is not None and not (isinstance(rater.slot, int) and rater.slot >= 0):
        raise ValueError("a slot that is none")
    return rater


def _is_time(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _answer(row: Sequence[Any]) -> Answer:
    """A row of the table of answers (ValueError, TypeError: it is none)."""
    trial, nonce, choice, shown, rt, flags = row
    sent = {"trial": trial, "nonce": "0" * 16, "choice": choice, "shown": json.loads(shown), "rt": rt}
    found = checked_answer(sent | {"flags": str(flags).split()}, _MOST_TRIALS)
    return replace(found, nonce=str(nonce))


def _code() -> str:
    """Eight letters and digits that cannot be mistaken for each other."""
    return "".join(secrets.choice("ABCDEFGHJKMNPQRSTUVWXYZ23456789") for _ in range(8))


def checked_answer(values: Any, trials: int) -> Answer:
    """An answer as a browser sent it.

    Raises:
        ValueError: it is none; the text says why.
    """
    if not isinstance(values, dict):
        raise ValueError("an answer is an object")
    trial, nonce, choice = values.get("trial"), values.get("nonce"), values.get("choice")
    if not isinstance(trial, int) or isinstance(trial, bool) or not 0 <= trial < trials:
        raise ValueError("trial is none of the list")
    if not isinstance(nonce, str) or not 16 <= len(nonce) <= 64 or not nonce.isascii():
        raise ValueError("nonce is no random number")
    if choice not in ("first", "second", "same"):
        raise ValueError("choice is first, second or same")
    shown, rt, flags = values.get("shown", []), values.get("rt"), values.get("flags", [])
    if not isinstance(shown, list) or len(shown) > 4 or not all(_is_span(each) for each in shown):
        raise ValueError("shown is a list of milliseconds")
    if not _is_span(rt):
        raise ValueError("rt is a time in milliseconds")
    if not isinstance(flags, list) or not all(flag in ("off", "hidden", "unfocused") for flag in flags):
        raise ValueError("flags are off, hidden or unfocused")
    spans = tuple(float(each) for each in shown)
    return Answer(trial, nonce, choice, spans, float(str(rt)), " ".join(sorted(set(flags))))


def _is_span(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
