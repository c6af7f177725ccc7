"""Orders and packs: what the page asks of a dataset's index, as bytes.

An order is 5 bytes a picture, so that a million pictures open like a thousand; a pack brings names, scores
and thumbnails of what is on the screen in one answer. Both begin with the length of a JSON object (4 bytes,
little end first) and the object, with spaces up to a multiple of 4 bytes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

from reskin.curation.thumbnails import Thumbnail, stamp_of
from reskin.errors import ReskinError, SettingsError, StorageError
from reskin.holders import is_alive
from reskin.paths import inside
from reskin.web.studio.curate_pictures import ENDED, MOST_TRIES, begun_by
from reskin.web.studio.curate_sets import CuratedSet

BINS = 60
MOST_PACK = 256
MOST_SOUGHT = 200
_FROM = "FROM picture p LEFT JOIN verdicts.verdict v USING (number)"
_SHOWS = {
    "all": "1",
    "undecided": "v.verdict IS NULL",
    "keep": "v.verdict = 1",
    "drop": "v.verdict = 2",
    "used": "p.out = ''",
    "out": "p.out != ''",
}
"""Which pictures are shown, by name, as conditions."""


def framed(head: Mapping[str, Any], *parts: bytes) -> bytes:
    """A JSON object and what follows it, as one answer."""
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def order(one: CuratedSet, asked: Mapping[str, str]) -> bytes:
    """Numbers of pictures in an order, 4 bytes each, and after them their verdicts, 1 byte each.

    Args:
        one: the dataset.
        asked: sort (position, time, like or a score), way (up or down), show (all, undecided, keep, drop,
            used, out, or out:REASON), split, source, q (a part of the name), of (a picture, for `like`).

    Raises:
        SettingsError: there is no such sort, filter or picture.
        StorageError: the index cannot be read.
    """
    facts = one.facts()
    columns = {score["name"]: f"p.s{position}" for position, score in enumerate(facts["scores"])}
    where, values = _filters(asked, facts)
    before = one.verdicts.changes(sys.maxsize)
    # The same question again, as when the page is loaded again: 100,000 rows need not be sorted again.
    question = (tuple(sorted(asked.items())), one.index_version, before.version, before.revision)
    if one.last_order[0] == question:
        return one.last_order[1]
    with _database(one) as database:
        column = _column(asked, columns, database, values)
        way = "DESC" if asked.get("way") == "down" else "ASC"
        rows = database.execute(
            f"SELECT p.number, coalesce(v.verdict, 0) {_FROM}"
            f" WHERE {where} ORDER BY {column} IS NULL, {column} {way}, p.position",
            values,
        )
        numbers, verdicts = array("I"), bytearray()
        for number, verdict in rows:
            numbers.append(number)
            verdicts.append(verdict)
        bins = _bins(database, columns.get(asked.get("sort", "")), where, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    head: dict[str, Any] = {
        "version": before.version,
        "revision": before.revision,
        "index": one.index_version,
    }
    answer = framed(
        head | {"count": len(verdicts), "facts": facts} | bins, numbers.tobytes(), bytes(verdicts)
    )
    one.last_order = question, answer
    return answer


def _filters(asked: Mapping[str, str], facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    show, split, source, sought = (asked.get(name, "") for name in ("show", "split", "source", "q"))
    wanted: list[str] = []
    values: dict[str, Any] = {}
    if show.startswith("out:"):
        wanted.append("instr(p.out, :reason) > 0")
        values["reason"] = f"\n{show.removeprefix('out:')}\n"
    elif (show or "all") in _SHOWS:
        wanted.append(_SHOWS[show or "all"])
    else:
        raise SettingsError("there is no such filter", "Load the page again.")
    if split:
        wanted.append("p.split = :split")
        values["split"] = split
    if source:
        if source not in {str(known["number"]) for known in facts["sources"]}:
            raise SettingsError("there is no such source", "Load the page again.")
        wanted.append("p.source = :source")
        values["source"] = int(source)
    if sought:
        wanted.append("p.name LIKE :sought ESCAPE '\\'")
        plain = sought[:MOST_SOUGHT].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["sought"] = f"%{plain}%".encode("utf-8", "replace").decode()
    return " AND ".join(wanted), values


def _column(
    asked: Mapping[str, str], columns: Mapping[str, str], database: sqlite3.Connection, values: dict[str, Any]
) -> str:
    sort = asked.get("sort", "") or "position"
    if sort == "position":
        return "p.position"
    if sort == "time":
        return "p.source, p.at"
    if sort == "like":
        of = asked.get("of", "")
        known = of.isdecimal() and len(of) < 12
        row = (
            database.execute("SELECT hash FROM picture WHERE number = ?", (int(of),)).fetchone()
            if known
            else None
        )
        if row is None or row[0] is None:
            raise SettingsError("nothing is known of what it is like", "Measure the pictures first.")
        values["hash"] = row[0]
        return "bits(p.hash, :hash)"
    if sort not in columns:
        raise SettingsError("there is no such order", "Load the page again.")
    return columns[sort]


def _bins(
    database: sqlite3.Connection, column: str | None, where: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """How a score spreads over the pictures that are shown."""
    if column is None:
        return {}
    source = f"{_FROM} WHERE {where}"
    low, high = database.execute(f"SELECT min({column}), max({column}) {source}", values).fetchone()
    if low is None or high <= low:
        return {}
    step = (high - low) / BINS
    rows = database.execute(
        f"SELECT min({BINS - 1}, CAST(({column} - :low) / :step AS INTEGER)) b, count(*) {source}"
        f" AND {column} IS NOT NULL GROUP BY b",
        {**values, "low": low, "step": step},
    )
    counts = dict(rows)
    return {"low": low, "high": high, "bins": [counts.get(number, 0) for number in range(BINS)]}


def pack(one: CuratedSet, numbers: Sequence[int], sort: str) -> tuple[bytes, list[str]]:
    """Names, scores and thumbnails of pictures; and the files whose thumbnails are still to be made.

    Args:
        one: the dataset.
        numbers: of at most 256 pictures.
        sort: the score to bring, "" for none.

    Raises:
        StorageError: the index cannot be read.
    """
    scores = [score["name"] for score in one.facts()["scores"]]
    column = f"p.s{scores.index(sort)}" if sort in scores else "NULL"
    marks = ",".join("?" * len(numbers))
    with _database(one) as database:
        rows = database.execute(
            f"SELECT p.number, p.file, p.name, p.out, {column}, coalesce(v.verdict, 0) {_FROM}"
            f" WHERE p.number IN ({marks})",
            list(numbers),
        ).fetchall()
    files = [os.fsdecode(row[1]) for row in rows]
    known = _thumbnails(one, files)
    items, parts, missing = [], [], []
    for (number, _, name, out, value, verdict), file in zip(rows, files, strict=True):
        state, content = _state(one, file, known.get(file))
        if state == "waiting":
            missing.append(file)
        reasons = out.strip("\n").split("\n") if out else []
        items.append(
            {"n": number, "name": name, "out": reasons, "verdict": verdict, "value": value, "state": state}
            | {"size": len(content)}
        )
        parts.append(content)
    return framed({"pictures": items}, *parts), missing


def _thumbnails(one: CuratedSet, files: Sequence[str]) -> dict[str, Thumbnail]:
    with suppress(sqlite3.Error, OSError):
        return one.thumbnails().get(files)
    return {}


def _state(one: CuratedSet, file: str, known: Thumbnail | None) -> tuple[str, bytes]:
    """here, waiting, gone or why it cannot be read; and the thumbnail."""
    try:
        stamp = stamp_of(inside(one.files.folder, file))
    except (OSError, ReskinError):
        return "gone", b""
    if known is None or known.stamp != stamp:
        return "waiting", b""
    if known.picture:
        return "here", known.picture
    begun = begun_by(known.fault)
    if begun is not None:
        return (ENDED if begun[1] >= MOST_TRIES and not is_alive(begun[0]) else "waiting"), b""
    return known.fault or "damaged", b""


def facts_of(one: CuratedSet, number: int) -> dict[str, Any] | None:
    """All that the index knows of one picture; None: there is none.

    Raises:
        StorageError: the index cannot be read.
    """
    facts = one.facts()
    names = [score["name"] for score in facts["scores"]]
    columns = "".join(f", p.s{position}" for position in range(len(names)))
    with _database(one) as database:
        row = database.execute(
            f"SELECT p.name, p.split, p.source, p.at, p.out{columns} FROM picture p WHERE p.number = ?",  # noqa: S608 - as above
            (number,),
        ).fetchone()
    if row is None:
        return None
    sources = {source["number"]: source["name"] for source in facts["sources"]}
    scores = {name: value for name, value in zip(names, row[5:], strict=True) if value is not None}
    return {
        "name": row[0],
        "split": row[1],
        "source": row[2],
        "source_name": sources.get(row[2], ""),
        "at": row[3],
        "out": row[4].strip("\n").split("\n") if row[4] else [],
        "scores": scores,
    }


def file_of(one: CuratedSet, number: int) -> str | None:
    """The path of a picture below the dataset; None: there is none.

    Raises:
        StorageError: the index cannot be read.
    """
    with _database(one) as database:
        row = database.execute("SELECT file FROM picture WHERE number = ?", (number,)).fetchone()
    return os.fsdecode(row[0]) if row else None


@contextmanager
def _database(one: CuratedSet) -> Iterator[sqlite3.Connection]:
    """The index, with the verdicts beside it."""
    index, verdicts = one.files.index, one.files.verdicts
    try:
        with closing(sqlite3.connect(f"{index.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA temp_store=MEMORY")
            database.create_function("bits", 2, _bits, deterministic=True)
            database.execute("ATTACH ? AS verdicts", (f"{verdicts.as_uri()}?mode=rw",))
            yield database
    except sqlite3.Error as error:
        index.unlink(missing_ok=True)  # it is made of the manifest, and will be again
        what = f"the index of {one.files.name} could not be read ({error})"
        raise StorageError(what, "It is made anew: wait some seconds.") from None


def _bits(one: int | None, other: int) -> int | None:
    """In how many of 64 bits two hashes differ."""
    return None if one is None else ((one ^ other) & (2**64 - 1)).bit_count()
