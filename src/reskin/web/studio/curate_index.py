"""What the curation page orders and filters by: a dataset's manifest as a small database.

A process of its own reads the manifest (`python -m reskin.web.studio.curate_index`): of 100,000 pictures it
needs more memory than the studio's server may have. The server then orders in SQLite.

    about(name, value)      stamp, and facts for the page
    picture(number, position, file, name, split, source, at, out, hash, s0, s1, ...)
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from reskin.curation.adopt import open_set
from reskin.curation.screen.config import RULES, ScreenConfig
from reskin.curation.screen.manual import ByHand, Patterns
from reskin.curation.screen.measure import hash_of
from reskin.data.manifest import FrameRecord, Manifest
from reskin.errors import ReskinError
from reskin.storage import commit
from reskin.web.studio.curate_sets import stamp_of_set
from reskin.web.studio.curate_store import DROP, KEEP, Verdicts

MOST_SCORES = 100
_HASH = ("hash_high", "hash_low")
_CAN_BE_OFF = [name for name in RULES if name not in ("damaged", "duplicate-split", "duplicate-domain")]


def build_index(folder: Path, index: Path, verdicts: Verdicts) -> None:
    """Read a dataset and write its index, whole or not at all.

    Args:
        folder: the dataset.
        index: the file to write.
        verdicts: of the dataset; they get a number for each picture, and what the manifest holds.

    Raises:
        DataError: the folder is missing, holds no pictures, or its manifest is damaged.
        StorageError: the disk refuses.
    """
    stamp = stamp_of_set(folder)  # before it is read: what changes meanwhile is read again
    manifest = open_set(folder)
    numbers = verdicts.take_over([frame.file for frame in manifest.frames], _stored(manifest))
    columns = _score_names(manifest.frames)
    with commit(index) as temporary, closing(sqlite3.connect(temporary, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        scores = "".join(f", s{position} REAL" for position in range(len(columns)))
        database.execute(
            "CREATE TABLE picture (number INTEGER PRIMARY KEY, position INTEGER, file BLOB, name TEXT,"
            f" split TEXT, source INTEGER, at REAL, out TEXT, hash INTEGER{scores})"
        )
        database.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT)")
        marks = ",".join("?" * (9 + len(columns)))
        database.execute("BEGIN")
        database.executemany(
            f"INSERT INTO picture VALUES ({marks})",  # noqa: S608 - marks alone
            _rows(manifest.frames, numbers, columns),
        )
        about = {"stamp": json.dumps(stamp), "facts": json.dumps(_facts(manifest, columns))}
        database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        database.execute("COMMIT")


def _rows(
    frames: Sequence[FrameRecord], numbers: dict[str, int], columns: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    for position, frame in enumerate(frames):
        scores, name = frame.scores or {}, os.fsencode(frame.file)
        has_hash = all(part in scores for part in _HASH)
        at = frame.seconds if frame.seconds is not None else frame.index
        reasons = f"\n{chr(10).join(frame.left_out)}\n" if frame.left_out else ""
        yield (
            numbers[frame.file],
            position,
            name,
            name.decode("utf-8", "replace"),
            frame.split,
            frame.source,
            at,
            reasons,
            _signed(hash_of(scores)) if has_hash else None,
            *(scores.get(column) for column in columns),
        )


def _signed(value: int) -> int:
    """64 bits as SQLite keeps them."""
    return value - (1 << 64) if value >> 63 else value


def _score_names(frames: Sequence[FrameRecord]) -> list[str]:
    """Scores that more than none of the pictures have, those of the rules first."""
    counts = Counter(name for frame in frames for name in frame.scores or ())
    ours = [name for name in RULES if name in counts]
    others = sorted(name for name in counts if name not in RULES and name not in _HASH)
    return [*ours, *others][:MOST_SCORES]


def _facts(manifest: Manifest, columns: Sequence[str]) -> dict[str, Any]:
    frames = manifest.frames
    sources = Counter(frame.source for frame in frames if frame.source is not None)
    reasons = Counter(reason for frame in frames for reason in frame.left_out or ())
    return {
        "total": len(frames),
        "scores": [{"name": name, "is_bad_above": _is_bad_above(name)} for name in columns],
        "splits": [split for split in ("train", "val", "test") if any(f.split == split for f in frames)],
        "sources": [
            {"number": number, "name": _source_name(manifest, number), "count": count}
            for number, count in sorted(sources.items())
        ],
        "reasons": [{"name": name, "count": count} for name, count in sorted(reasons.items())],
        "has_times": any(frame.seconds is not None or frame.index is not None for frame in frames),
        "has_hashes": any(_HASH[0] in (frame.scores or {}) for frame in frames),
        "unscored": sum(not frame.scores for frame in frames),
        "words": screen_words(manifest),
    }


def _is_bad_above(name: str) -> bool:
    return name in RULES and RULES[name].bad == "above"


def _source_name(manifest: Manifest, number: int) -> str:
    if number >= len(manifest.sources):
        return str(number)
    return os.fsencode(manifest.sources[number].name).decode("utf-8", "replace")


def screen_words(manifest: Manifest) -> list[str]:
    """Words after the table of verdicts with which `reskin screen` leaves all else as it was.

    The settings of the screening that was applied before; where none was, every rule is off, so that only
    what a person drops (and what cannot be read) is left out.
    """
    screening = manifest.screening or {}
    if "settings" not in screening:
        return ["--off", *_CAN_BE_OFF]
    usual = ScreenConfig().model_dump(mode="json", exclude={"keep", "drop", "by_hand"})
    words: list[str] = []
    for name, value in screening["settings"].items():
        if name not in usual or value == usual[name] or value in ([], None):
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, *map(str, value)] if isinstance(value, list) else [flag, str(value)]
    return words


def _stored(manifest: Manifest) -> dict[str, int]:
    """What the manifest says of each picture by hand; patterns count for what they fit."""
    by_hand = ByHand.stored(manifest.screening)
    keep, drop = Patterns(by_hand.keep), Patterns(by_hand.drop)
    found: dict[str, int] = {}
    for frame in manifest.frames:
        verdict = by_hand.verdicts.get(frame.file)
        if verdict == "keep" or (by_hand.keep and keep.fits(frame.file)):
            found[frame.file] = KEEP
        elif verdict == "drop" or (by_hand.drop and drop.fits(frame.file)):
            found[frame.file] = DROP
    return found


def main(words: list[str]) -> int:
    """Build one index; a refusal is one line of JSON."""
    folder, index, verdicts = map(Path, words[:3])
    try:
        build_index(folder, index, Verdicts(verdicts, words[3]))
    except ReskinError as error:
        sys.stdout.write(json.dumps({"what": error.what, "fix": error.fix}))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
