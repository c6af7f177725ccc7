"""Whether rows of a study had stopped improving when they ended: what trainings of other lengths reach.

Scores along one training do not say it: they improve to its end, whatever its length, as the learning rate
falls.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reskin.storage import read_json

STOPPED_SHARE = 0.05
"""A row has stopped improving at a length if no longer training gains this share over the one before it."""


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

    def gains(self, steps: int) -> tuple[float, ...]:
        """What the next longer training gains over this one, as a share: of the mean, then of each seed.

        Over the seeds that both have; empty for the longest.
        """
        longer = [each for each in self.points if each > steps]
        if not longer:
            return ()
        pairs = list(zip(self.points[steps], self.points[min(longer)], strict=False))
        before, after = (statistics.fmean(values) for values in zip(*pairs, strict=True))
        return tuple(two / one - 1 if one else math.inf for one, two in [(before, after), *pairs])

    @property
    def enough(self) -> int | None:
        """The fewest steps from which on nothing longer gains `STOPPED_SHARE`; None if the longest does."""
        found = None
        for steps in sorted(self.points, reverse=True)[1:]:
            if self.gains(steps)[0] >= STOPPED_SHARE:
                break
            found = steps
        return found

    def verdict(self, steps: int) -> str:
        """One sentence on whether more than these steps are worth it."""
        shorter = [each for each in self.points if each < steps]
        if steps not in self.points or not self.gains(steps) or not shorter:
            return f"{self.title} lacks a shorter or a longer training: nothing can be said."
        before = self.gains(max(shorter))[0]
        found = f"{self._in_words(steps)}, where those before gained {before:+.1%}"
        if self.enough is not None and steps >= self.enough:
            return f"{self.title} has stopped improving at {steps}: {found}."
        if self.enough is None:
            return f"{self.title} was still improving at {steps}, and at every length tried: {found}."
        return (
            f"{self.title} was still improving at {steps}: {found}. It stops at {self.enough}: "
            f"{self._in_words(self.enough)}."
        )

    def _in_words(self, steps: int) -> str:
        mean, *seeds = self.gains(steps)
        times = min(each for each in self.points if each > steps) / steps
        of = f" ({', '.join(f'{gain:+.1%}' for gain in seeds)})" if len(seeds) > 1 else " (seed 0 alone)"
        return f"{times:g} times the steps change it by {mean:+.1%}{of}"


def budget_lines(curves: Sequence[BudgetCurve], steps: int) -> list[str]:
    """A table of the curves and a sentence on each; `steps` are those of the study."""
    columns = sorted({each for curve in curves for each in curve.points})
    counts = {each: max(len(curve.points.get(each, ())) for curve in curves) for each in columns}
    seeds = max(counts.values(), default=1)
    of = "seed 0" if seeds == 1 else f"mean over {seeds} seeds (in brackets below, each seed's change)"
    of += "".join(f", at {each} over {count} of them" for each, count in counts.items() if count < seeds)
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
