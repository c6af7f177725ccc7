"""Pictures that a person keeps or drops by hand, whatever the rules say: by patterns or one by one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import Any, Literal, get_args

from reskin.errors import SettingsError
from reskin.image_formats import is_image_name
from reskin.paths import read_plain, reason_of

Verdict = Literal["keep", "drop"]
"""What a person says about one picture."""

_NO_VERDICT = ("", "none")
_MOST_BYTES = 64 << 20


def read_patterns(words: Sequence[str]) -> tuple[str, ...]:
    """Names and patterns from words, of which some may be text files with one on each line.

    In a file, empty lines and lines that begin with # do not count.

    Raises:
        SettingsError: such a file cannot be read, or a word is empty.
    """
    found: list[str] = []
    for word in words:
        path = Path(word)
        if is_image_name(path) or not path.is_file():
            found.append(word)
            continue
        lines = _text_of(path).splitlines()
        found += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if any(not word.strip() for word in found):
        raise SettingsError("a name in --keep or --drop is empty", "Give names such as 'ep1-*'.")
    return tuple(dict.fromkeys(map(_plain, found)))


def read_verdicts(table: Path) -> dict[str, Verdict]:
    """What a person says about single pictures, from a CSV file with the columns file and verdict.

    A verdict is keep, drop, or none (or empty), which says nothing about the picture. Names are exact: the
    path below the picture's folder, and no character in it stands for others. Bytes of a name that are no
    UTF-8 stand in the file as they are; see `in_set`.

    Returns:
        By path, in the order of the file; pictures without a verdict are not in it.

    Raises:
        SettingsError: the file cannot be read, lacks a column, or has another verdict or two for one picture.
    """
    try:
        text = _text_of(table, errors="surrogateescape")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)  # else an open quote takes rows
        columns, rows = list(reader.fieldnames or []), list(reader)
    except csv.Error as error:
        raise SettingsError(f"{table} cannot be read ({error})", "Give a CSV file in UTF-8.") from None
    if not {"file", "verdict"} <= set(columns):
        what = f"{table} has not the columns file and verdict, but {', '.join(columns) or 'none'}"
        raise SettingsError(what, "Begin it with the line: file,verdict")
    said: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if row["verdict"] is None:
            raise SettingsError(
                f"{table}, row {number}: no verdict", "A row is a picture and keep, drop or none."
            )
        file, verdict = row["file"] or "", (row["verdict"] or "").strip().lower()
        if not file.strip() or verdict not in (*get_args(Verdict), *_NO_VERDICT):
            what = f"{table}, row {number}: '{file}' has the verdict '{verdict}'"
            raise SettingsError(what, "A row is a picture and keep, drop or none.")
        verdict = verdict or "none"
        if said.setdefault(file, verdict) != verdict:
            what = f"{table}, row {number}: {file} has two verdicts, {said[file]} and {verdict}"
            raise SettingsError(what, "Leave one of them.")
    return {file: verdict for file, verdict in said.items() if verdict in get_args(Verdict)}  # type: ignore[misc]


def in_set(verdicts: Mapping[str, Verdict], files: Iterable[str], prefix: str) -> dict[str, Verdict]:
    """Verdicts under the names that the pictures of a set have.

    Args:
        verdicts: by name as somebody wrote it: exactly, or with spaces around it, backslashes, "./" or the
            set's folder before it.
        files: of the set.
        prefix: what a shell puts before the name of a file of the set.

    Raises:
        SettingsError: two of the names mean one picture, with two verdicts.
    """
    known = frozenset(files)

    def name_of(written: str) -> str:
        if written in known:
            return written
        return _plain(written.strip()).removeprefix(prefix)

    found: dict[str, Verdict] = {}
    for written, verdict in verdicts.items():
        name = name_of(written)
        if found.setdefault(name, verdict) != verdict:
            raise SettingsError(f"{name} has two verdicts, as '{written}' too", "Leave one of them.")
    return found


def check_encoded(verdicts: Iterable[str], table: Path) -> None:
    """Refuse names with bytes that are no UTF-8: a picture may have such a name, but none of the set has.

    Raises:
        SettingsError: there is one.
    """
    for file in verdicts:
        if any("\udc80" <= character <= "\udcff" for character in file):
            what = f"the list {table} has a name that is no UTF-8, and fits no picture: {file!r}"
            raise SettingsError(what, "Save it as UTF-8 text.")


def _text_of(path: Path, errors: str = "strict") -> str:
    try:
        return read_plain(path, follow=True, most_bytes=_MOST_BYTES).decode("utf-8-sig", errors)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the list {path} cannot be read ({reason_of(error)})", "Save it as UTF-8 text."
        ) from None


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


class Patterns:
    """Names of pictures; * stands for anything.

    A pattern fits a picture's whole path below its folder, its name alone, or a folder that it lies in.

    >>> patterns = Patterns(["ep1-*", "test/", "a.png"])
    >>> [patterns.fits(file) for file in ("train/ep1-7.png", "test/x.png", "val/a.png", "b.png")]
    [True, True, True, False]
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._names = {pattern.rstrip("/"): pattern for pattern in patterns}
        # Names without a wildcard are looked up; only the others are tried one by one.
        wild = [pattern for pattern in self._names.values() if re.search(r"[*?[]", pattern)]
        self._patterns = {pattern: re.compile(translate(pattern.rstrip("/"))) for pattern in wild}
        self._fitted: set[str] = set()

    def fits(self, file: str) -> bool:
        """Whether a picture is meant; `file` is its path below its folder."""
        parts = file.split("/")
        names = [file, parts[-1], *("/".join(parts[:end]) for end in range(1, len(parts)))]
        # A name such as a[1].png is a pattern that does not fit itself: it is found here.
        fitting = [self._names[name] for name in names if name in self._names]
        for pattern, known in self._patterns.items():
            if any(known.match(name) for name in names):
                fitting.append(pattern)
        self._fitted.update(fitting)
        return bool(fitting)

    def unused(self) -> list[str]:
        """Patterns that fitted no picture so far."""
        return [pattern for pattern in self._names.values() if pattern not in self._fitted]


@dataclass(frozen=True)
class ByHand:
    """What a person has said about the pictures of one folder.

    Attributes:
        keep: names and patterns of pictures that stay in any case.
        drop: of pictures that go, unless they are kept.
        verdicts: the same about single pictures, by exact path.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    @classmethod
    def stored(cls, screening: Mapping[str, Any] | None) -> ByHand:
        """What the manifest of an earlier run holds."""
        known = screening or {}
        keep, drop = (tuple(known.get(name, ())) for name in ("keep", "drop"))
        return cls(keep, drop, dict(known.get("verdicts", {})))

    def to_dict(self) -> dict[str, Any]:
        """As the manifest keeps it."""
        lists: dict[str, Any] = {"keep": list(self.keep), "drop": list(self.drop)}
        return lists | ({"verdicts": dict(self.verdicts)} if self.verdicts else {})

    def with_newer(self, keep: Sequence[str], drop: Sequence[str]) -> ByHand:
        """The same with newer lists; a name on one of them is no longer on another list, nor has a verdict.

        >>> ByHand(("a.png",), ("b.png",)).with_newer(["b.png"], [])
        ByHand(keep=('a.png', 'b.png'), drop=(), verdicts={})
        """
        kept = [name for name in self.keep if name not in drop]
        dropped = [name for name in self.drop if name not in keep]
        newer = {*keep, *drop}
        verdicts = {file: verdict for file, verdict in self.verdicts.items() if file not in newer}
        return ByHand(tuple(dict.fromkeys([*kept, *keep])), tuple(dict.fromkeys([*dropped, *drop])), verdicts)
