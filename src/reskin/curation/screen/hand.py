"""Pictures that a person keeps or drops by hand, whatever the rules say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from pathlib import Path

from reskin.errors import SettingsError
from reskin.images import is_image_name
from reskin.paths import read_plain

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
        try:
            lines = read_plain(path, follow=True, most_bytes=_MOST_BYTES).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"the list {path} cannot be read ({error})", "Save it as UTF-8 text."
            ) from None
        found += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if any(not word.strip() for word in found):
        raise SettingsError("a name in --keep or --drop is empty", "Give names such as 'ep1-*'.")
    return tuple(dict.fromkeys(word.replace("\\", "/").removeprefix("./") for word in found))


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


def merged(
    stored: dict[str, Sequence[str]], keep: Sequence[str], drop: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lists of earlier runs with new ones; a name that changes its list is on the new one only.

    >>> merged({"keep": ["a.png"], "drop": ["b.png"]}, ["b.png"], [])
    (('a.png', 'b.png'), ())
    """
    before_keep = [name for name in stored.get("keep", ()) if name not in drop]
    before_drop = [name for name in stored.get("drop", ()) if name not in keep]
    return tuple(dict.fromkeys([*before_keep, *keep])), tuple(dict.fromkeys([*before_drop, *drop]))
