"""`reskin`: finds the command, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reskin import online
from reskin.cli.signals import Stopped, stoppable
from reskin.cli.streams import abandon, prepared_streams, say, show, show_text, silence_libtiff
from reskin.errors import ReskinError, StorageError
from reskin.exits import InterruptedRunError
from reskin.progress import emit_begin, emit_end
from reskin.unknown import unknown
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
    "segmenter": "segmenter",
    "compare": "compare",
    "table": "table",
    "study": "study",
    "report": "report",
    "export": "export",
    "import": "import_model",
    "runs": "runs",
    "studio": "studio",
    "methods": "methods",
    "bench": "bench",
    "doctor": "doctor",
}

KINDS = {
    "prepare": ("frames", "faces", "images", "clips"),
    "segmenter": ("train",),
    "study": ("new", "plan", "serve", "results"),
}
"""Commands whose first word says what to do."""

HELP_END = """
examples:
  reskin demo                                          see it work, on footage that it draws itself
  reskin make film.mp4 --like game.mp4 --out out/      your footage, start to end
  reskin train cyclegan --a data/film --b data/game --out runs/film-game
  reskin translate runs/film-game clip.mp4 clip-as-game.mp4

`reskin COMMAND --help` explains a command, --help-all lists all its options; --offline, with any of them,
forbids the network. Exit codes: 0 done, 2 not as asked for, 3 partly done, 130 and 143 stopped by a signal.
"""

_LONGEST = 1000

GO_ON = "Run the same command again to go on."


def main(words: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 usage or input, 3 partly done.

    Args:
        words: what was typed after `reskin`; `sys.argv` by default.
    """
    words = list(sys.argv[1:] if words is None else words)
    with prepared_streams(), stoppable():
        emit_begin(words)
        code: int = 1
        error: BaseException | None = None
        try:
            code = _run(words)
        except ReskinError as refused:
            error, code = refused, refused.exit_code
            _say_error(refused)
            _tell_launcher(f"reskin: {refused}")
        except (KeyboardInterrupt, Stopped) as stopped:
            number = stopped.number if isinstance(stopped, Stopped) else signal.SIGINT
            error = InterruptedRunError(number, f"stopped by {signal.Signals(number).name}", GO_ON)
            code = error.exit_code
            _say_error(error)
        except BrokenPipeError:  # the reader of our output has gone, as with `reskin methods | head`
            code = 0
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 0
            raise
        except OSError as fault:  # of a name that is too long, a folder that may not be entered, and the like
            error = _of_the_system(fault)
            code = error.exit_code
            _say_error(error)
        except RecursionError:
            what = "a path, or values in a file, are nested too deeply to be read"
            error = ReskinError(what, "Look for folders or lists in each other in what was given.")
            code = error.exit_code
            _say_error(error)
        except Exception as fault:
            error = fault
            raise
        finally:
            emit_end(code, error)
            _flush()
        return code


def _run(words: list[str]) -> int:
    if "--offline" in (words[: words.index("--")] if "--" in words else words):
        words.remove("--offline")
        os.environ[online.VARIABLE] = "1"
    if not words or words[0] in ("-h", "--help", "--help-all", "help"):
        show_text(overview())
        return 0
    if words[0] in ("-V", "--version"):
        show(f"reskin {__version__}")
        return 0
    run = _command(words[0])
    silence_libtiff()
    return int(run(words[1:]))


def _of_the_system(fault: OSError) -> StorageError:
    try:
        os.getcwd()
    except OSError:  # then no relative name means anything
        what = "the folder in which this was typed is gone: it was moved or removed"
        return StorageError(what, "Go to a folder that is there, and run the same command again.")
    name = f"{fault.filename}: " if fault.filename else ""
    return StorageError(f"{name}{fault.strerror or fault}", "Check the name and its permissions.")


def _say_error(error: ReskinError) -> None:
    """One line; of a path longer than `_LONGEST` characters its beginning and its end."""
    ends = rf"(\S{{{_LONGEST // 3}}})\S{{{_LONGEST // 3},}}(\S{{{_LONGEST // 3}}})"
    say("reskin: " + re.sub(ends, r"\1...\2", str(error)))


def _tell_launcher(line: str) -> None:
    """Have `torchrun`, whose report comes behind ours, end with our line in place of an address to read."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not path:
        return
    told = {
        "message": {"message": line, "extraInfo": {"py_callstack": line, "timestamp": str(int(time.time()))}}
    }
    with suppress(OSError):  # our own line is written already
        Path(path).write_text(json.dumps(told), encoding="utf-8")


def _flush() -> None:
    """Write what is left to the streams now: what fails later would be a trace of the interpreter's own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            abandon(stream)


def _command(name: str) -> Callable[[list[str]], int]:
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    command: Callable[[list[str]], int] = importlib.import_module(f"reskin.cli.{COMMANDS[name]}").run
    return command


def overview() -> str:
    """The text of `reskin --help`; each command's line is the first of its module's docstring."""
    width = max(map(len, COMMANDS)) + 2
    lines = [
        "usage: reskin COMMAND ...",
        "",
        "Give footage of one world the look of another.",
        "",
        "commands:",
    ]
    for name, module in COMMANDS.items():
        lines.append(f"  {name:<{width}}{_summary(Path(__file__).with_name(f'{module}.py'))}")
    return "\n".join(lines) + "\n" + HELP_END.rstrip()


def _summary(file: Path) -> str:
    """The first line of a module's docstring, read without importing it (that would import torch)."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].split(": ", 1)[1].rstrip(".")
