"""Scores: one number each, with all that a reader must know of it, and how they are kept in a run folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from reskin.metrics.facts import Better
from reskin.runs.folder import RunFolder
from reskin.types import Direction

Subject = Literal["output", "input", "reinhard", "real"]
"""What is measured: the model's output, the input as it is, the input recoloured, or other real pictures."""

Against = Literal["truth", "real", "source"]
"""What it is compared with: the true translation, real pictures of the target domain, or the input itself."""

SUBJECTS: tuple[Subject, ...] = get_args(Subject)


@dataclass(frozen=True)
class Score:
    """One number and how to read it.

    Attributes:
        value: the mean over the pictures, or the value of the set.
        better: which way is better.
        count: pictures that went into it.
        note: what else a reader must know: protocol, what was left out.
        metric: name of the metric, such as "psnr"; empty in scores of version 0.1.0.
        direction: of the translation; None there.
        subject: what was measured.
        against: what it was compared with; None there.
        unit: of the value, for people; empty where it has none.
        pictures: name, relative to the folder, and value of each picture; empty where only a set has a value.
        spread: standard error of the value over the pictures; None where it follows from `pictures`, or where
            nothing is known.
    """

    value: float
    better: Better
    count: int
    note: str = ""
    metric: str = ""
    direction: Direction | None = None
    subject: Subject = "output"
    against: Against | None = None
    unit: str = ""
    pictures: tuple[tuple[str, float], ...] = ()
    spread: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values.

        JSON has no word for a value that is not finite: it becomes null, and the note says which the mean is.
        """
        row = asdict(self)
        if self.spread is None:
            del row["spread"]
        row["pictures"] = [[name, value if math.isfinite(value) else None] for name, value in self.pictures]
        if not math.isfinite(self.value):
            note = "; ".join(filter(None, [self.note, f"the value is {self.value}"]))
            row |= {"value": None, "note": note}
        return row


class Scores(dict[str, Score]):
    """Name to score, as `evaluate` gives them.

    Args:
        scores: name to score.
        left_out: pictures that could not be read, and why.
    """

    def __init__(self, scores: Mapping[str, Score], left_out: Iterable[tuple[Path, str]] = ()) -> None:
        super().__init__(scores)
        self.left_out = list(left_out)


def record_scores(
    run_folder: Path, step: int, scores: Mapping[str, Score], settings: Mapping[str, Any] | None = None
) -> None:
    """Append the scores of a checkpoint to the run's scores, unless the last line about it says the same.

    Args:
        run_folder: the run.
        step: of the checkpoint that was measured.
        scores: as `evaluate` gives them.
        settings: how they were measured: folders, size, number of pictures.

    Raises:
        StorageError: the disk refuses the write.
    """
    rows = {name: score.to_dict() for name, score in scores.items()}
    RunFolder(run_folder).append_scores(step, rows, settings or {})
