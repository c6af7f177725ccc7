"""The words of the glossary's table "Not used" are in no text, public name or document."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "reskin"
ADVICE = "docs/glossary.md says what to write instead:"
BUILT_FROM_FIGURES = ["docs/results"]
"""Tables and captions that a benchmark wrote; they change when it runs again."""

ALLOWED = {
    "side by side": "two pictures in one frame, as pix2pix's files hold them",
    "in a row (side)": "the value of --compare that puts films side by side",
    '"side"': "as above",
    "side,wipe,grid": "as above",
    "(side)": "as above",
    "5.1(side)": "FFmpeg's name of a layout of speakers",
    "in place": "of an operation that overwrites its input, as torch says",
    "Game of Thrones": "the title of a film of the reports",
    "film-game": "an example's folder: footage of a game is what the examples translate",
    "film-as-game": "as above",
    "clip-as-game": "as above",
    "photos-as-game": "as above",
    "game-as-film": "as above",
    "data/game": "as above",
    "game.mp4": "as above",
    "game.png": "as above",
    "film and game": "as above",
    "film to game": "as above",
    "films and games": "as above",
    "game:": "as above",
    "a game": "as above",
    "the game": "as above: the game that the drawn worlds show",
    '"game"': "as above",
    "game look": "as above",
    "game frame": "as above",
    "game RGB": "as above",
    "game (truth)": "as above",
}
"""Phrases in which a word of the table has another meaning, and why they may stand."""

ALLOWED_NAMES = {"game": "one of the two looks of the drawn worlds"}
"""Words of the table that may be in public names, and why."""


class Text(NamedTuple):
    """A piece of text that people read: where it begins, and what it is."""

    where: str
    line: int
    text: str


def unused_words() -> list[str]:
    """The first column of the glossary's last table, without what explains a word."""
    table = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("## Not used")[1]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")][2:]
    return [word.strip() for row in rows for word in re.sub(r"\(.*?\)", "", row).split(",")]


def pattern() -> re.Pattern[str]:
    """Any of the words, whole, in the singular or plural."""
    words = sorted(unused_words(), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})(?:e?s)?\b", re.IGNORECASE)


def allowed() -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<!\w){re.escape(phrase)}(?!\w)" for phrase in ALLOWED), re.IGNORECASE)


def prose_of(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Every string that holds a blank, and every part of an f-string: docstrings, help, errors, logs."""
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) in parts or " " in node.value:
            yield node.lineno, node.value


def names_of(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Public classes, functions, parameters and fields as words with blanks; flags follow from fields."""
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.ClassDef):
            fields = (item.target for item in node.body if isinstance(item, ast.AnnAssign))
            names = [node.name, *(field.id for field in fields if isinstance(field, ast.Name))]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            names = [] if node.name.startswith("_") else [node.name, *(argument.arg for argument in listed)]
        for name in names:
            if not name.startswith("_"):
                yield node.lineno, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")


@functools.cache
def package_texts() -> tuple[list[Text], list[Text]]:
    """What is read of the package: its prose, and its public names. Trees are large, so none is kept."""
    prose: list[Text] = []
    names: list[Text] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(ROOT).as_posix()
        tree = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        prose += [Text(where, line, text) for line, text in prose_of(tree)]
        names += [Text(where, line, name) for line, name in names_of(tree)]
    return prose, names


def written_texts() -> Iterator[Text]:
    """Templates, the README and every document but the glossary's own table and what benchmarks wrote."""
    scripts = [file for file in PACKAGE.rglob("*.js") if "vendor" not in file.parts]
    files = [*PACKAGE.rglob("*.html"), *scripts, ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    for file in sorted(files):
        where = file.relative_to(ROOT).as_posix()
        if not any(where.startswith(folder) for folder in BUILT_FROM_FIGURES):
            yield Text(where, 1, file.read_text(encoding="utf-8").split("## Not used")[0])


def found(texts: Iterable[Text]) -> list[str]:
    """A line for each word of the table: file:line, the word, and where it stands."""
    unused, fine = pattern(), allowed()
    hits = []
    for where, first, text in texts:
        if unused.search(text) is None:
            continue
        flat = fine.sub(lambda match: "\n" * match.group().count("\n") + "·", text)
        for number, line in enumerate(flat.split("\n"), first):
            hits += [f"{where}:{number}: {match.group()}: {line.strip()}" for match in unused.finditer(line)]
    return hits


@pytest.mark.sweep
def test_no_text_of_the_package_uses_them() -> None:
    hits = found(package_texts()[0])
    assert not hits, "\n".join([ADVICE, *hits])


@pytest.mark.sweep
def test_no_page_and_no_document_uses_them() -> None:
    hits = found(written_texts())
    assert not hits, "\n".join([ADVICE, *hits])


@pytest.mark.sweep
def test_no_public_name_uses_them() -> None:
    unused, fine = pattern(), allowed()
    hits = [
        f"{where}:{line}: {name}"
        for where, line, name in package_texts()[1]
        for match in unused.finditer(fine.sub("", name))
        if match.group().lower() not in ALLOWED_NAMES
    ]
    assert not hits, "\n".join([ADVICE, *hits])


def test_the_words_come_from_the_glossary() -> None:
    words = unused_words()
    assert {"side", "halving", "there and back", "twin", "stretch", "place", "told", "tells"} <= set(words)
    assert {"game", "likeness", "wave", "data set"} <= set(words)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ('"""The two sides."""', "sides"),
        ('def f():\n    """One Place."""', "Place"),
        ('class C:\n    x: int = 0\n    """Told of it."""', "Told"),
        ('raise ValueError(f"{x}: the other side {y}")', "side"),
        ('raise ValueError(f"{x} twins")', "twins"),
    ],
)
def test_a_word_is_found_wherever_people_read_it(code: str, word: str) -> None:
    texts = (Text("x.py", line, text) for line, text in prose_of(list(ast.walk(ast.parse(code)))))
    (hit,) = found(texts)
    assert f": {word}: " in hit


def test_what_is_allowed_does_not_hide_its_neighbours() -> None:
    (hit,) = found(iter([Text("x.md", 1, "side by side, in place,\nno side of a game")]))
    assert hit.startswith("x.md:2: side:")


def test_names_are_read_word_by_word() -> None:
    code = "class SideBalance:\n    a_side: int\n\ndef side_of(place): ...\n\ndef _side(told): ..."
    assert [name for _, name in names_of(ast.walk(ast.parse(code)))] == [
        "Side Balance",
        "a side",
        "side of",
        "place",
    ]
