"""Whether rows of a study had stopped improving when they ended.

By the measure of the study: what trainings of other lengths reach. And by validation scores along a training,
which fall to its end whatever its length where the learning rate does.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reskin.runs.folder import RunFolder
from reskin.runs.record import read_run
from reskin.storage import read_json

TENTHS = 10
STOPPED_SHARE = 0.05
"""A row has stopped improving if its last three to five tenths take less than this share off its score."""
EARLIEST, BEFORE = 5, 7
"""The end is compared with the last of these tenths that has scores: they wait while they are dear."""


@dataclass(frozen=True)
class BudgetCurve:
    """What trainings of several lengths reach, each with its own schedule; higher is better.

    Attributes:
        title: of the row.
        points: the scores of the seeds by steps, in one order of the seeds.
    """

    title: str
    points: Mapping[int, Sequence[float]]

    def mean(self, steps: int) -> float:
        """Over the seeds of trainings of this length."""
        return statistics.fmean(self.points[steps])

    def verdict(self, steps: int) -> str:
        """One sentence on whether more than these steps are worth it."""
        longest, shorter = max(self.points), [each for each in self.points if each < steps]
        if steps not in self.points or longest == steps or not shorter:
            return f"{self.title} lacks a shorter or a longer training: nothing can be said."
        gain = self.mean(longest) / self.mean(steps) - 1
        before = self.mean(steps) / self.mean(max(shorter)) - 1
        now, after = self.points[steps], self.points[longest]
        of_seeds = ""
        if len(now) == len(after) > 1:  # else a seed is missing, and there is no telling which
            each = [two / one - 1 for one, two in zip(now, after, strict=True)]
            of_seeds = f" ({', '.join(f'{change:+.1%}' for change in each)})"
        found = (
            f"{longest / steps:g} times the steps change it by {gain:+.1%}{of_seeds}, where the last "
            f"doubling up to {steps} did by {before:+.1%}"
        )
        if gain < STOPPED_SHARE:
            return f"{self.title} has stopped improving: {found}."
        return f"{self.title} was still improving: {found}."


def budget_lines(curves: Sequence[BudgetCurve], steps: int) -> list[str]:
    """A table of the curves and a sentence on each; `steps` are those of the study."""
    columns = sorted({each for curve in curves for each in curve.points})
    seeds = max((len(each) for curve in curves for each in curve.points.values()), default=1)
    of = "seed 0" if seeds == 1 else f"mean over {seeds} seeds (in brackets below, each seed's change)"
    lines = [
        "Class IoU by the steps of a training, each one of its own whose learning rate falls to zero at its "
        f"end, {of}:",
        "",
        f"| row | {' | '.join(str(each) for each in columns)} |",
        "|" + "---|" * (len(columns) + 1),
    ]
    for curve in curves:
        cells = [f"{curve.mean(each):.3f}" if each in curve.points else "–" for each in columns]
        lines.append(f"| {curve.title} | {' | '.join(cells)} |")
    return [*lines, "", *(f"- {curve.verdict(steps)}" for curve in curves)]


@dataclass(frozen=True)
class LearningCurve:
    """Validation scores of a row; lower is better.

    Attributes:
        title: of the row.
        seeds: seeds that have scores.
        means: over the seeds at each tenth of the training; None where no seed was scored there.
    """

    title: str
    seeds: int
    means: tuple[float | None, ...]

    def verdict(self) -> str:
        """One sentence on whether it has stopped improving."""
        end = self.means[-1]
        known = [tenth for tenth in range(EARLIEST, BEFORE + 1) if self.means[tenth - 1] is not None]
        if end is None or not known:
            return f"{self.title} lacks scores after half of it or at the end: nothing can be said."
        tenth = known[-1]
        before = self.means[tenth - 1] or 0.0
        change = (before - end) / before if before else 0.0
        found = (
            f"{abs(change):.1%} {'lower' if change >= 0 else 'higher'} at the end than after {tenth} tenths"
        )
        if change < STOPPED_SHARE:
            return f"{self.title} has stopped improving: its score is {found}."
        return f"{self.title} was still improving: its score is {found}."


def learning_curve(title: str, row: Path) -> LearningCurve:
    """The curve of a row of a study.

    Args:
        title: of the row.
        row: its folder, with one folder for each seed.
    """
    seeds = [found for path in sorted(row.glob("*/run")) if any(found := _at_tenths(path))]
    columns = [[one[tenth] for one in seeds] for tenth in range(TENTHS)]
    return LearningCurve(title, len(seeds), tuple(_mean(column) for column in columns))


def _at_tenths(run: Path) -> list[float | None]:
    """The validation score nearest to each tenth, at most half a tenth away; None where there is none."""
    steps = read_run(run).steps or 0
    rows = {int(row["step"]): float(row["mean"]) for row in RunFolder(run).validation_rows()}
    found: list[float | None] = []
    for tenth in range(1, TENTHS + 1):
        wanted = steps * tenth / TENTHS
        nearest = min(rows, key=lambda step: abs(step - wanted), default=None)
        is_near = nearest is not None and abs(nearest - wanted) <= steps / TENTHS / 2
        found.append(rows[nearest] if is_near and nearest is not None else None)
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def curve_lines(curves: Sequence[LearningCurve]) -> list[str]:
    """A table of the curves and a sentence on each."""
    tenths = [f"{tenth / TENTHS:.1f}" for tenth in range(1, TENTHS + 1)]
    lines = [
        "Within a training, as its learning rate falls: sliced Wasserstein distance to the validation photos "
        "and labels (x 1000, lower is better), mean over the directions and the seeds, after each tenth:",
        "",
        f"| row | seeds | {' | '.join(tenths)} |",
        "|" + "---|" * (TENTHS + 2),
    ]
    for curve in curves:
        cells = ["–" if mean is None else f"{mean:.1f}" for mean in curve.means]
        lines.append(f"| {curve.title} | {curve.seeds} | {' | '.join(cells)} |")
    return [*lines, "", *(f"- {curve.verdict()}" for curve in curves)]


def trained_with(studies: Sequence[Path]) -> str:
    """The package and torch versions that the runs in studies were trained with.

    A file trained_by.txt beside a study adds what only whoever started it knows, such as the commit.
    """
    runs = [run for study in studies for run in sorted(study.glob("cells/*/*/run/config.json"))]
    configs = [read_json(run) for run in runs]
    versions = {f"reskin {each.get('reskin', '?')}, torch {each.get('torch', '?')}" for each in configs}
    files = {study.parent / "trained_by.txt" for study in studies}
    notes = [path.read_text(encoding="utf-8").strip() for path in sorted(files) if path.is_file()]
    known = "; ".join(filter(None, [*sorted(versions), *notes]))
    return f"Trained with {known or 'nothing yet'} ({len(runs)} trainings)."
