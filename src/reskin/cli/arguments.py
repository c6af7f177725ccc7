"""Typed arguments from a command line, with one-line errors."""

from __future__ import annotations

import difflib
import inspect
import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TypeVar

import tyro

from reskin.errors import SettingsError

T = TypeVar("T")


def parse(kind: type[T], words: list[str], *, command: str, default: T | None = None) -> T:
    """The arguments in `words` as an instance of the dataclass `kind`.

    Args:
        kind: a dataclass whose fields' docstrings are the help.
        words: what was typed after the command.
        command: such as "reskin train cyclegan", for the help and errors.
        default: values that are taken where no flag is given.

    Raises:
        SettingsError: one line that says what is wrong and what to do.
        SystemExit: the help was asked for and has been printed.
    """
    os.environ.setdefault("PYTHON_COLORS", "0" if os.environ.get("NO_COLOR") else "1")
    if "--help" in words or "-h" in words:
        _call(kind, ["--help"], command, default)
    said = io.StringIO()
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "400"  # so that no sentence is broken into lines of a box
    try:
        with redirect_stderr(said), redirect_stdout(said):
            return _call(kind, words, command, default)
    except SystemExit:
        raise SettingsError(*_one_line(said.getvalue(), command)) from None
    finally:
        os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)


def _call(kind: type[T], words: list[str], command: str, default: T | None) -> T:
    options: dict[str, Any] = {} if default is None else {"default": default}
    flat = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    # Given as a whole: tyro would leave the examples out of a docstring.
    about = inspect.cleandoc(kind.__doc__ or "")
    return tyro.cli(kind, args=words, prog=command, description=about, config=flat, **options)


def _one_line(said: str, command: str) -> tuple[str, str]:
    """What is wrong and what to do, from the panel that tyro draws: title, rule, text, rule, hints."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    lines = [line.strip("│╭╮╰╯─ ") for line in plain.splitlines()]
    lines = ["" if set(line) == {"-"} else line for line in lines]
    blocks = [block.split("\n") for block in "\n".join(lines).strip().split("\n\n") if block.strip()]
    body = blocks[1] if len(blocks) > 1 else blocks[0]
    text, fix = " ".join(body), f"See: {command} --help"
    if found := re.match(r"Unrecognized options: (.+)", text):
        flags = [word for word in found.group(1).split(", ") if word.startswith("-")]
        return _unknown(flags[0] if flags else found.group(1), plain, fix)
    if text.startswith("Missing from"):
        first_words = [line.split()[0] for line in body[1:] if line]
        names = [word for word in first_words if word.startswith("--") or (word.isupper() and len(word) > 1)]
        return f"missing: {', '.join(dict.fromkeys(names))}", fix
    if found := re.search(r"Value error, (.+?) \[type=", text):
        return found.group(1), fix
    if found := re.search(
        r"validation errors? for \S+ (\S+) (.+?) \[type=.*?input_value=(.+?), input_type", text
    ):
        name, complaint, value = found.groups()
        return f"--{name.replace('_', '-')} {value}: {complaint}", fix
    if found := re.search(r"Error parsing (\S+): .*?from \['(.*?)'\]", text):
        return f"{found.group(1)} cannot be '{found.group(2)}'", fix
    return text.removeprefix("Error parsing ").rstrip("."), fix


def _unknown(word: str, said: str, fix: str) -> tuple[str, str]:
    """An option that is not known, and the nearest of those that tyro thinks were meant."""
    known = [
        flag for flag in re.findall(r"(?<![\w-])--[a-z0-9][a-z0-9-]*", said) if flag not in (word, "--help")
    ]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    kind = "option" if word.startswith("-") else "word"
    return f"unknown {kind} '{word}'", f"Did you mean '{near[0]}'? {fix}" if near else fix
