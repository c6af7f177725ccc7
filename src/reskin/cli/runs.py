"""`reskin runs [FOLDER]`: which runs there are, how far each is, and which are at work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from reskin.cli.options import parse
from reskin.cli.streams import say, show_text, table_text
from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.parsing import Spelled
from reskin.runs.listing import RunSummary, list_runs


class Arguments(Settings):
    """List the runs in a folder and below it: method, steps, checkpoints, and whether one is at work.

    Examples:
      reskin runs
      reskin runs runs/ --json
    """

    folder: Annotated[Path, Spelled(position="FOLDER")] = Path(".")
    """Where to look."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print the list as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin runs")
    if not arguments.folder.is_dir():
        raise SettingsError(f"no folder {arguments.folder}", "Check the name.")
    found = list_runs(arguments.folder)
    if arguments.as_json:
        show_text(json.dumps([each.to_dict() for each in found], indent=2))
    elif found:
        headings = ("run", "method", "step", "of", "checkpoints", "state")
        show_text(table_text(headings, map(_row, found), right=("step", "of", "checkpoints")))
    else:
        say(f"no runs in {arguments.folder}")
    return 0


def _row(run: RunSummary) -> tuple[str, ...]:
    state = f"running ({run.holder})" if run.holder else run.fault or run.state
    steps = "?" if run.steps is None else str(run.steps)
    return str(run.folder), run.method, str(run.step), steps, str(len(run.checkpoints)), state
