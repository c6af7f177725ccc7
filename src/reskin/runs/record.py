"""What a run folder tells: read, never written, and forgiving about what is not there yet."""

from __future__ import annotations

import itertools
import math
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reskin.errors import DataError, ReskinError, RunError
from reskin.paths import inside, read_plain
from reskin.storage import read_json, read_lines

_PAUSE = 20
"""A gap this many times the usual one between two lines is a pause, not training."""


@dataclass(frozen=True)
class SampleGrid:
    """One picture of fixed held-out pictures and their translations.

    Attributes:
        step: when it was drawn.
        path: the PNG.
        rows: titles of its rows, from above.
        columns: pictures in each row.
    """

    step: int
    path: Path
    rows: list[str]
    columns: int


@dataclass(frozen=True)
class RunRecord:
    """Everything a run folder holds that a reader may want.

    Attributes:
        folder: the run.
        config: its config.json.
        losses: name to steps and values, in the order of the steps; what is not finite is left out.
        seconds: time spent training, without pauses; None where the lines do not tell.
        last_step: of the last line of losses, 0 before the first.
        grids: sample grids by step.
        scores: lines of scores.jsonl.
        checkpoints: steps that can be loaded.
        notes: what could not be read, or was left out in training.
    """

    folder: Path
    config: dict[str, Any]
    losses: dict[str, tuple[list[int], list[float]]]
    seconds: float | None
    last_step: int
    grids: list[SampleGrid]
    scores: list[dict[str, Any]]
    checkpoints: list[int]
    notes: list[str] = field(default_factory=list)

    @property
    def method(self) -> str:
        """Name of the method, "?" where it is not told."""
        return str(self.config.get("method", "?"))

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Group to setting to value."""
        groups = self.config.get("settings")
        if not isinstance(groups, dict):
            return {}
        return {str(name): values for name, values in groups.items() if isinstance(values, dict)}

    def setting(self, group: str, name: str) -> Any:
        """One setting, None where it is not told."""
        return self.settings.get(group, {}).get(name)

    @property
    def steps(self) -> int | None:
        """Length of the whole run, None where it is not told."""
        resolved = self.config.get("resolved")
        steps = resolved.get("steps") if isinstance(resolved, dict) else None
        steps = steps or self.setting("train", "steps")
        return steps if isinstance(steps, int) else None


def read_run(folder: Path) -> RunRecord:
    """The record of a run.

    Raises:
        RunError: `folder` is missing, holds no config.json or one that cannot be read.
    """
    if not (folder / "config.json").is_file():
        what = "is not there" if not folder.exists() else "is no run folder (it has no config.json)"
        raise RunError(f"{folder} {what}", "Give a folder that `reskin train` wrote with --out.")
    try:
        config = read_json(folder / "config.json")
    except ReskinError as error:
        raise RunError(error.what, "Take the file from a backup, or train again.") from None
    notes: list[str] = []
    rows = [row for row in read_lines(folder / "losses.jsonl") if _is_loss_row(row)]
    grids = _read_grids(folder / "samples", notes)
    notes += _left_out(folder / "log.txt")
    return RunRecord(
        folder=folder,
        config=config,
        losses=_by_name(rows, notes),
        seconds=_seconds(rows),
        last_step=max((row["step"] for row in rows), default=0),
        grids=grids,
        scores=[row for row in read_lines(folder / "scores.jsonl") if _is_score_row(row)],
        checkpoints=sorted(
            int(path.stem) for path in (folder / "checkpoints").glob("*.safetensors") if path.stem.isdecimal()
        ),
        notes=notes,
    )


def _is_loss_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("step"), int) and isinstance(row.get("losses"), dict)


def _is_score_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("scores"), dict)


def _by_name(rows: list[dict[str, Any]], notes: list[str]) -> dict[str, tuple[list[int], list[float]]]:
    """Each loss over the steps; a step that was logged twice counts as last logged."""
    latest = {row["step"]: row["losses"] for row in rows}
    losses: dict[str, tuple[list[int], list[float]]] = {}
    dropped = 0
    for step in sorted(latest):
        for name, value in latest[step].items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                dropped += 1
                continue
            steps, values = losses.setdefault(str(name), ([], []))
            steps.append(step)
            values.append(float(value))
    if dropped:
        notes.append(f"{dropped} values of losses are not numbers and are not drawn")
    return losses


def _seconds(rows: list[dict[str, Any]]) -> float | None:
    """Time between the first and the last line; where training paused, the usual gap counts instead."""
    key = next(
        (key for key in ("seconds", "time") if rows and isinstance(rows[0].get(key), int | float)), None
    )
    times = [float(row[key]) for row in rows if isinstance(row.get(key), int | float)] if key else []
    if len(times) < 2:
        return None
    gaps = [max(0.0, late - early) for early, late in itertools.pairwise(times)]
    usual = statistics.median(gaps)
    first = times[0] if key == "seconds" else usual  # the time before the first line is not written down
    return first + sum(gap if gap <= max(60.0, _PAUSE * usual) else usual for gap in gaps)


def _read_grids(folder: Path, notes: list[str]) -> list[SampleGrid]:
    grids = []
    for path in sorted(folder.glob("*.png")):
        if not path.stem.isdecimal():
            continue
        try:
            inside(folder.parent, f"{folder.name}/{path.name}")
        except DataError as error:
            notes.append(f"a sample grid is not shown: {error.what}")
            continue
        try:
            facts = read_json(path.with_suffix(".json"))
            rows, columns = [str(title) for title in facts["rows"]], int(facts["columns"])
        except (ReskinError, KeyError, TypeError, ValueError):
            notes.append(f"samples/{path.name} is shown without titles: its .json is missing or damaged")
            rows, columns = [], 0
        grids.append(SampleGrid(int(path.stem), path, rows, columns))
    return sorted(grids, key=lambda grid: grid.step)


def _left_out(log: Path) -> list[str]:
    """What the log says was left out, each file once."""
    if not os.path.lexists(log):
        return []
    try:
        lines = read_plain(log).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise RunError(f"{log} cannot be read ({error.strerror})", "Check its permissions.") from None
    found = [line.split("left out ", 1)[1] for line in lines if "left out " in line]
    return [f"left out of training: {text}" for text in dict.fromkeys(found)]
