"""Which folders of a dataset hold which domain and which split, by their names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

from reskin.errors import DataError
from reskin.paths import FOLLOW_VARIABLE, follows_links, stays_inside
from reskin.types import Domain, Split

_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trainset", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tests", "testset", "tst", "holdout", "heldout"), "test"),
}
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_SPLIT = re.compile(rf"({_WORD})(?:[-_. ]?([ab]))?", re.IGNORECASE)
_TURNED = re.compile(rf"([ab])[-_. ]({_WORD})", re.IGNORECASE)
_DOMAIN = re.compile(r"(?:domain[-_. ]?)?([ab])", re.IGNORECASE)
_HELD_OUT = re.compile(
    r"(?:test|testing|tst|val|valid|validation|hold-?out|held-?out)"
    r"(?:set|data|images?|imgs?|pics?|pictures?|photos?|frames?|samples?|split)?s?"
)
"""A word that says that pictures are held out, also joined to what they are; `dev` and `eval` only alone."""


@dataclass(frozen=True)
class Part:
    """One folder of a layout.

    Attributes:
        folder: path below the dataset's, with forward slashes.
        domain: whose pictures it holds; None where the layout does not part domains.
        split: of its pictures.
    """

    folder: str
    domain: Domain | None
    split: Split


@dataclass(frozen=True)
class Layout:
    """The folders of a dataset by domain and split; empty for a plain folder of pictures.

    Known are, whatever the case of letters and with `-`, `_`, `.`, a space or nothing between the words:
    train, val, test (also training, trainset, trn, valid, validation, valset, dev, eval, testing, testset,
    tst, holdout and the like); trainA, trainB, testA ...; A_train ...;
    A/train, B/train ...; train/A, train/B ...; and A and B alone, which hold pictures for training.
    """

    parts: Mapping[str, Part] = field(default_factory=dict)

    @classmethod
    def of(cls, folders: Iterable[str], root: Path | str = "the dataset") -> Self:
        """The layout of the folders that a dataset holds.

        Args:
            folders: paths below it, deeper ones count by their first two names; "" for pictures beside them.
            root: named in the error.

        Raises:
            DataError: two folders hold the same domain and split.
        """
        below: dict[str, set[str]] = defaultdict(set)
        for path in folders:
            top, _, rest = path.partition("/")
            below[top] |= {rest.split("/", 1)[0]} - {""}
        loose = bool(below.pop("", None) is not None)
        found = [part for top, names in below.items() for part in _by_split(top, names)]
        found += _by_domain(below, loose=loose)
        taken: dict[tuple[Domain | None, Split], Part] = {}
        for part in found:
            first = taken.setdefault((part.domain, part.split), part)
            if first is not part:
                what = f"{root} holds both {first.folder} and {part.folder}, which are the same part of it"
                raise DataError(what, "Move their pictures into one of them.")
        return cls({part.folder: part for part in found})

    @classmethod
    def read(cls, root: Path) -> Self:
        """The layout of a folder on the disk.

        Raises:
            DataError: a folder of it is a link out of `root`, or two hold the same domain and split.
        """
        resolved = root.resolve()
        found = []
        for name in _folders(root, resolved, "")[1]:
            if _SPLIT.fullmatch(name) or _DOMAIN.fullmatch(name) or _TURNED.fullmatch(name):
                found += [name, *(f"{name}/{inner}" for inner in _folders(root, resolved, name)[1])]
            else:
                found.append(name)
        if _folders(root, resolved, "")[0]:
            found.append("")
        return cls.of(found, root)

    def part_of(self, file: str) -> Part | None:
        """The part that a picture lies in, by its path below the dataset; None for none."""
        first, second, *_ = [*file.split("/"), "", ""]
        return self.parts.get(f"{first}/{second}") or self.parts.get(first)

    def domain_of(self, file: str) -> Domain | None:
        """Whose picture it is, by its path below the dataset; None where domains are not parted."""
        part = self.part_of(file)
        return part.domain if part else None

    def find(self, domain: Domain, split: Split) -> Part | None:
        """The part that holds a domain's pictures of a split; None for none."""
        fitting = [part for part in self.parts.values() if part.split == split]
        own = [part for part in fitting if part.domain == domain]
        shared = [part for part in fitting if part.domain is None]
        return next(iter([*own, *shared]), None)

    @property
    def has_domains(self) -> bool:
        """Whether it holds pictures of both domains in folders of their own."""
        return {"a", "b"} <= {part.domain for part in self.parts.values()}

    def below(self, file: str) -> str:
        """The path of a picture below its part."""
        part = self.part_of(file)
        return file.removeprefix(f"{part.folder}/") if part else file

    def folder_for(self, file: str, split: Split) -> str:
        """The folder, below the dataset, of a picture's domain and another split; it need not exist."""
        part = self.part_of(file)
        if part is None:
            return split
        if part.split == split and names_a_split(part.folder):
            return part.folder
        same = [one for one in self.parts.values() if one.domain == part.domain and one.split == split]
        if same and names_a_split(same[0].folder):
            return same[0].folder
        if not names_a_split(part.folder):  # A and B alone
            return f"{part.folder}/{split}"
        return re.sub(
            rf"(?<![a-z])({_WORD})", lambda old: _like(old[0], split), part.folder, count=1, flags=re.I
        )


def names_a_split(folder: str) -> bool:
    """Whether one of the names in a path is that of a split, such as trainA or A/test."""
    return any(_SPLIT.fullmatch(name) or _TURNED.fullmatch(name) for name in folder.split("/"))


def says_held_out(name: str) -> bool:
    """Whether the name of a folder says that its pictures are held out from training, in any spelling.

    >>> [says_held_out(name) for name in ("test_photo", "valImages", "TEST1", "latest", "valley", "train")]
    [True, True, True, False, False, False]
    """
    if (word := name.lower()) in _WORDS:
        return _WORDS[word] != "train"
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+", name)]
    joined = [f"{first}-{second}" for first, second in pairwise(words)]
    return any(_HELD_OUT.fullmatch(word) for word in [*words, *joined])


def _like(word: str, split: Split) -> str:
    return split.upper() if word.isupper() else split.title() if word[0].isupper() else split


def _domain(letter: str) -> Domain:
    return "a" if letter.lower() == "a" else "b"


def _by_split(top: str, names: set[str]) -> list[Part]:
    """The parts in a folder that is called after a split."""
    if turned := _TURNED.fullmatch(top):
        return [Part(top, _domain(turned[1]), _WORDS[turned[2].lower()])]
    found = _SPLIT.fullmatch(top)
    if not found:
        return []
    split = _WORDS[found[1].lower()]
    if found[2]:
        return [Part(top, _domain(found[2]), split)]
    inner = {name: domain[1] for name in names if (domain := _DOMAIN.fullmatch(name))}
    if len(inner) == len(names) == 2 and {letter.lower() for letter in inner.values()} == {"a", "b"}:
        return [Part(f"{top}/{name}", _domain(letter), split) for name, letter in sorted(inner.items())]
    return [Part(top, None, split)]


def _by_domain(below: Mapping[str, set[str]], *, loose: bool) -> list[Part]:
    """The parts in folders that are called after the domains; both have to be there."""
    tops = {top: _domain(found[1]) for top in below if (found := _DOMAIN.fullmatch(top))}
    if sorted(tops.values()) != ["a", "b"]:
        return []
    parts = []
    for top, domain in sorted(tops.items()):
        words = {name: _WORDS[name.lower()] for name in below[top] if name.lower() in _WORDS}
        parts += [Part(f"{top}/{name}", domain, split) for name, split in sorted(words.items())]
        if not words:
            parts.append(Part(top, domain, "train"))
    is_alone = len(below) == 2 and not loose
    return parts if is_alone or all(names_a_split(part.folder) for part in parts) else []


def _folders(root: Path, resolved: Path, below: str) -> tuple[bool, list[str]]:
    """Whether pictures lie directly in a folder, and the names of the folders in it."""
    from reskin.image_formats import is_image_name

    try:
        entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"the folder {root / below} cannot be read ({error.strerror})", "Check its permissions."
        ) from None
    names, has_pictures = [], False
    for entry in entries:
        path = root / below / entry.name
        if entry.name.startswith("."):
            continue
        if not _is_folder(entry):
            has_pictures |= is_image_name(path)
        elif not entry.is_symlink() or follows_links() or stays_inside(path, resolved):
            names.append(entry.name)
        elif below or _SPLIT.fullmatch(entry.name) or _DOMAIN.fullmatch(entry.name):
            raise DataError(
                f"{path} is a link that leads out of {root}",
                f"Give the folder that it leads to, or set {FOLLOW_VARIABLE}=1 if the link is your own.",
            )
    return has_pictures, names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
