"""What a run folder holds, for everything that shows it: forgiving about what is damaged or not there yet."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reskin.errors import DataError, ReskinError
from reskin.paths import inside
from reskin.runs.findings import Finding
from reskin.runs.folder import RunFolder, finite
from reskin.storage import read_json

Curves = dict[str, tuple[list[int], list[float]]]
"""Name of a loss to steps and values, in the order of the steps."""

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
        losses: of training, by name; what is not finite is left out.
        held_out: losses on held-out pictures, likewise.
        findings: what the health monitor found, in its order.
        seconds: time spent training, without pauses; None where the lines do not say.
        last_step: of the last line of losses, 0 before the first.
        grids: sample grids by step.
        scores: lines of scores.jsonl.
        checkpoints: steps that can be loaded.
        notes: what could not be read, or was left out in training.
    """

    folder: Path
    config: dict[str, Any]
    losses: Curves
    held_out: Curves
    findings: list[Finding]
    seconds: float | None
    last_step: int
    grids: list[SampleGrid]
    scores: list[dict[str, Any]]
    checkpoints: list[int]
    notes: list[str] = field(default_factory=list)

    @property
    def method(self) -> str:
        """Name of the method, "?" where it is not known."""
        return str(self.config.get("method", "?"))

    @property
    def directions(self) -> int | None:
        """How many ways it translates, None where that is not known."""
        known = self.config.get("directions")
        return len(known) if isinstance(known, list) else None

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Group to setting to value."""
        groups = self.config.get("settings")
        if not isinstance(groups, dict):
            return {}
        return {str(name): values for name, values in groups.items() if isinstance(values, dict)}

    def setting(self, group: str, name: str) -> Any:
        """One setting, None where it is not known."""
        return self.settings.get(group, {}).get(name)

    @property
    def steps(self) -> int | None:
        """Length of the whole run, None where it is not known."""
        resolved = self.config.get("resolved")
        steps = resolved.get("steps") if isinstance(resolved, dict) else None
        steps = steps or self.setting("train", "steps")
        return steps if type(steps) is int and steps > 0 else None


def read_run(folder: Path | str) -> RunRecord:
    """The record of a run.

    Raises:
        RunError: `folder` is missing, holds no config.json or one that cannot be read.
    """
    files = RunFolder(Path(folder))
    config = files.read_config()
    rows = files.loss_rows()
    training = [(row["step"], row["losses"]) for row in rows if isinstance(row.get("losses"), dict)]
    unseen = [(row["step"], row["held_out"]) for row in rows if isinstance(row.get("held_out"), dict)]
    notes: list[str] = []
    losses, held_out = _by_name(training, notes), _by_name(unseen, notes)
    grids = _read_grids(files.samples, notes)
    notes += _left_out(files.read_log())
    return RunRecord(
        folder=files.folder,
        config=config,
        losses=losses,
        held_out=held_out,
        findings=[Finding.from_dict(row) for row in files.health_rows()],
        seconds=_seconds([row for row in rows if "losses" in row]),
        last_step=max((step for step, _ in training), default=0),
        grids=grids,
        scores=files.score_rows(),
        checkpoints=[int(path.stem) for path in files.list_checkpoints()],
        notes=notes,
    )


def _by_name(rows: list[tuple[int, dict[str, Any]]], notes: list[str]) -> Curves:
    """Each loss over the steps; a step that was logged twice counts as last logged."""
    latest = dict(rows)
    losses: Curves = {}
    dropped = 0
    for step in sorted(latest):
        values = finite(latest[step])
        dropped += len(latest[step]) - len(values)
        for name, value in values.items():
            steps, known = losses.setdefault(name, ([], []))
            steps.append(step)
            known.append(value)
    if dropped:
        notes.append(f"{dropped} values of losses are not numbers and are not drawn")
    return losses


def _seconds(rows: list[dict[str, Any]]) -> float | None:
    """Time between the first and the last line; where training paused, the usual gap counts instead."""
    known = [finite(row) for row in rows]
    key = next((key for key in ("seconds", "time") if known and key in known[0]), None)
    times = [row[key] for row in known if key in row] if key else []
    if len(times) < 2:
        return None
    gaps = [max(0.0, late - early) for early, late in itertools.pairwise(times)]
    usual = statistics.median(gaps)
    first = times[0] if key == "seconds" else usual  # the time before the first line is not written down
    return first + sum(gap if gap <= max(60.0, _PAUSE * usual) else usual for gap in gaps)


def sample_grids(files: RunFolder, notes: list[str]) -> list[SampleGrid]:
    """The sample grids of a run by step.

    Args:
        files: of the run.
        notes: what cannot be shown is added here.
    """
    return _read_grids(files.samples, notes)


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
        except (ReskinError, KeyError, TypeError, ValueError, OverflowError):
            notes.append(f"samples/{path.name} is shown without titles: its .json is missing or damaged")
            rows, columns = [], 0
        grids.append(SampleGrid(int(path.stem), path, rows, columns))
    return sorted(grids, key=lambda grid: grid.step)


def _left_out(lines: list[str]) -> list[str]:
    """What the log says was left out, each file once."""
    found = [line.split("left out ", 1)[1] for line in lines if "left out " in line]
    return [f"left out of training: {text}" for text in dict.fromkeys(found)]
