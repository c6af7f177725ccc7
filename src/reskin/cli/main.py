"""`reskin`: finds the command, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import ast
import difflib
import importlib
import logging
import sys
from pathlib import Path

from reskin.errors import ReskinError, SettingsError
from reskin.version import __version__

# Command to module, in the order of a first day's work.
COMMANDS = {
    "demo": "demo",
    "make": "make",
    "download": "download",
    "prepare": "prepare",
    "screen": "screen",
    "balance": "balance",
    "split": "split",
    "inspect": "inspect",
    "train": "train",
    "translate": "translate",
    "stylize": "stylize",
    "grid": "grid",
    "interpolate": "interpolate",
    "evaluate": "evaluate",
    "report": "report",
    "import": "import_model",
    "methods": "methods",
    "doctor": "doctor",
}

HELP_END = """
examples:
  reskin demo                                          see it work, on footage that it draws itself
  reskin make film.mp4 --like game.mp4 --out out/      your footage, start to end
  reskin train cyclegan --a data/film --b data/game --out runs/film-game
  reskin translate runs/film-game clip.mp4 clip-as-game.mp4

`reskin COMMAND --help` explains a command. Exit codes: 0 done, 2 not as asked for, 3 partly done.
"""


def main(words: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 usage or input, 3 partly done.

    Args:
        words: what was typed after `reskin`; `sys.argv` by default.
    """
    words = sys.argv[1:] if words is None else words
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("reskin").setLevel(logging.INFO)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"reskin {__version__}")
        return 0
    try:
        return _command(words[0])(words[1:])
    except ReskinError as error:
        print(f"reskin: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("reskin: stopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as with `reskin methods | head`
        sys.stderr.close()
        return 0


def _command(name: str):  # type: ignore[no-untyped-def]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise SettingsError(f"unknown command '{name}'", f"{hint}Known: {', '.join(COMMANDS)}.")
    return importlib.import_module(f"reskin.cli.{COMMANDS[name]}").run


def overview() -> str:
    """The text of `reskin --help`; each command's line is the first of its module's docstring."""
    lines = [
        "usage: reskin COMMAND ...",
        "",
        "Give footage of one world the look of another.",
        "",
        "commands:",
    ]
    for name, module in COMMANDS.items():
        lines.append(f"  {name:<11}{_summary(Path(__file__).with_name(f'{module}.py'))}")
    return "\n".join(lines) + "\n" + HELP_END.rstrip()


def _summary(file: Path) -> str:
    """The first line of a module's docstring, read without importing it (that would import torch)."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].split(": ", 1)[1].rstrip(".")


if __name__ == "__main__":
    sys.exit(main())
