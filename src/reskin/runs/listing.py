"""Which runs there are below a folder, and how far each is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reskin.errors import ReskinError
from reskin.runs.folder import RunFolder
from reskin.runs.record import read_run
from reskin.storage import Holder, holder

DEEPEST = 6
"""Folders below the first that are looked into."""

State = Literal["running", "complete", "stopped", "unreadable"]


@dataclass(frozen=True)
class RunSummary:
    """One run in a line.

    Attributes:
        folder: the run folder.
        method: its method, "?" where it is not known.
        step: the last step that was logged.
        steps: length of the run; None where it is not known.
        checkpoints: steps of the checkpoints.
        state: running, complete, stopped, or unreadable.
        holder: the process that works on it, if one does.
        fault: why it is unreadable.
    """

    folder: Path
    method: str
    step: int
    steps: int | None
    checkpoints: tuple[int, ...]
    state: State
    holder: Holder | None = None
    fault: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        by = None if self.holder is None else self.holder._asdict()
        rest = {"step": self.step, "steps": self.steps, "checkpoints": list(self.checkpoints)}
        return {
            "folder": str(self.folder),
            "method": self.method,
            **rest,
            "state": self.state,
            "holder": by,
            "fault": self.fault,
        }


def list_runs(root: Path) -> list[RunSummary]:
    """Every run in `root` and below it, by name; links are not followed, and nothing is written."""
    return [summarise(folder) for folder in run_folders(root)]


def run_folders(root: Path) -> Iterator[Path]:
    """The folders in `root` and below it that hold a run, in the order of their names."""
    for here, inside, files in os.walk(root, followlinks=False):
        folder, names = Path(here), RunFolder(Path(here))
        is_run = names.config.name in files and (
            names.losses.name in files or names.checkpoints.name in inside
        )
        if is_run:
            yield folder
        if is_run or len(folder.relative_to(root).parts) >= DEEPEST:
            inside.clear()
        inside[:] = sorted(name for name in inside if not name.startswith("."))


def summarise(folder: Path) -> RunSummary:
    """The summary of one run folder; a folder that cannot be read says why."""
    try:
        run = read_run(folder)
        by = holder(folder)
        checkpoints = tuple(run.checkpoints)
    except (ReskinError, OSError, ValueError) as error:
        return RunSummary(folder, "?", 0, None, (), "unreadable", fault=str(error))
    is_complete = run.steps is not None and max([run.last_step, *checkpoints]) >= run.steps
    state: State = "running" if by else "complete" if is_complete else "stopped"
    return RunSummary(folder, run.method, run.last_step, run.steps, checkpoints, state, by)
