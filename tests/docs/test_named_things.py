"""Every command, flag, make target and path that the README and the documents name is there."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reskin.cli.main import COMMANDS, main
from reskin.cli.options import options_of
from reskin.cli.train import RunArguments
from reskin.config import Settings
from reskin.data.batches import DataConfig
from reskin.methods import find, names
from reskin.runs.settings import TrainConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
OF_OTHERS = {"--nproc-per-node", "--help", "--help-all", "--offline", "--require-hashes"}
OF_OTHERS |= {"--array", "--cpus-per-task", "--requeue"}
"""Flags of torchrun, pip and Slurm, and those that every command has."""


class Code(NamedTuple):
    """A piece of code in a page: where it is, and whether it is a whole line to be typed."""

    where: str
    text: str
    is_line: bool


def code_of(page: Path) -> Iterator[Code]:
    """Indented and fenced lines, and what stands between backticks."""
    is_fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{page.relative_to(ROOT).as_posix()}:{number}"
        if line.startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            yield Code(where, line.strip(), True)
        else:
            for text in re.findall(r"`([^`]+)`", line):
                yield Code(where, text, False)


ALL = [code for page in PAGES for code in code_of(page)]


def commands(start: str) -> list[Code]:
    """Commands that begin with a word, those behind `torchrun -m` and in pipes too."""
    found = []
    for where, text, is_line in ALL:
        for part in text.split(" | "):
            at = re.search(rf"(?:^|-m ){start} (?P<rest>.*)$", part)
            if at:
                found.append(Code(where, at["rest"], is_line))
    return found


class ParsedError(Exception):
    """The words were understood; nothing has been done."""


def stopping(real: Any) -> Any:
    """A parser that goes no further than parsing."""

    def parse(*words: Any, **options: Any) -> None:
        raise ParsedError(real(*words, **options))

    return parse


@pytest.fixture
def _only_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in {*COMMANDS.values(), "prepare_faces"}:
        cli = importlib.import_module(f"reskin.cli.{module}")
        reader = "read_arguments" if module == "train" else "parse"
        monkeypatch.setattr(cli, reader, stopping(getattr(cli, reader)))


def words_of(text: str) -> list[str]:
    """The words of a command, with a method for METHOD and without what is left open."""
    words = shlex.split(re.split(r" {3,}", text)[0], comments=True)  # an explanation may stand beside it
    return ["cyclegan" if word == "METHOD" else word for word in words if word != "..."]


def complaint(code: Code, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says against a command; "" if it may be typed so."""
    words = words_of(code.text)
    if not words or not re.fullmatch(r"[a-z]+|--version", words[0]):
        return ""
    try:
        status = main(words)
    except (ParsedError, SystemExit):
        return ""
    said = capsys.readouterr().err.strip()
    is_open = "..." in code.text or not code.is_line
    is_unfinished = re.search(
        r"missing: |no method given|what to prepare|what to do|expected|needs no training", said
    )
    return "" if not status or (is_open and is_unfinished) else said


@pytest.mark.sweep
@pytest.mark.usefixtures("_only_parses")
def test_every_command_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    typed = [code for code in commands("reskin") if "usage:" not in code.text]
    assert len(typed) > 60
    wrong = []
    for code in typed:
        if said := complaint(code, capsys):
            wrong.append(f"{code.where}: reskin {code.text}: {said}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("_only_parses")
def test_a_command_that_cannot_be_typed_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("trian cyclegan", "train cyclegan --a x --b y --out z --cycle-wieght 3", "translate run"):
        assert complaint(Code("x", text, True), capsys)
    assert complaint(Code("x", "translate --no-such-flag", False), capsys)
    assert not complaint(Code("x", "translate", False), capsys)
    assert not complaint(Code("x", "train METHOD --a x --b y --out z   # as above", True), capsys)


def flags_in(*groups: type[Settings]) -> set[str]:
    """The flags of settings, and how a switch is turned off."""
    options = [option for group in groups for option in options_of(group)]
    typed = {option.typed for option in options if option.has_flag}
    return typed | {f"--no-{flag.removeprefix('--')}" for flag in typed}


def all_flags() -> set[str]:
    """Every flag of every command and method."""
    found = flags_in(RunArguments, DataConfig, TrainConfig, *(find(name).Config for name in names()))
    for module in {*COMMANDS.values(), "prepare_faces"}:
        cli = vars(importlib.import_module(f"reskin.cli.{module}"))
        kinds = [thing for thing in cli.values() if isinstance(thing, type) and issubclass(thing, Settings)]
        found |= flags_in(*kinds)
    return found


def test_every_flag_is_one_of_ours() -> None:
    known = all_flags() | OF_OTHERS
    of_benchmarks = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("benchmarks/*.py"))
    wrong = [
        f"{where}: {flag}"
        for where, text, _ in ALL
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)
        if flag not in known and f'"{flag}"' not in of_benchmarks
    ]
    assert not wrong, "\n".join(wrong)


def test_every_flag_of_a_methods_page_is_its_own() -> None:
    wrong = []
    for page in sorted(ROOT.glob("docs/methods/*.md")):
        known = flags_in(find(page.stem).Config, RunArguments, DataConfig, TrainConfig) | OF_OTHERS
        rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `--")]
        wrong += [f"{page.stem}: {flag}" for row in rows for flag in re.findall(r"^\| `(--[\w-]+)", row)
                  if flag not in known]  # fmt: skip
    assert not wrong


def test_every_make_target_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    overview = "docs/commands.md"  # where `make` is a command of ours
    named = {(code.where, code.text.split()[0]) for code in commands("make") if overview not in code.where}
    assert len({target for _, target in named}) > 8
    assert not [f"{where}: make {target}" for where, target in named if target not in targets]


def test_every_path_is_in_the_tree() -> None:
    top = {path.name for path in ROOT.iterdir()} - {"data", "runs", "out", "build", "demo"}
    wrong, seen = [], 0
    for where, text, is_line in ALL:
        for path in re.findall(r"[\w.<>*-]+(?:/[\w.<>*-]+)*/?", text):
            is_ours = path.split("/")[0] in top and "/" in path
            is_module = path.endswith(".py") and not is_line
            if not (is_ours or is_module) or re.search(r"[<>*]", path):
                continue
            seen += 1
            if not any((folder / path).exists() for folder in (ROOT, ROOT / "src" / "reskin")):
                wrong.append(f"{where}: {path}")
    assert seen > 20 and not wrong, "\n".join(wrong)


def test_every_benchmark_module_is_there() -> None:
    named = {name for code in ALL for name in re.findall(r"-m benchmarks\.(\w+)", code.text)}
    assert named and not [name for name in named if not (ROOT / "benchmarks" / f"{name}.py").exists()]
