"""The table of a study: means over seeds with their intervals, what it took, and which rows differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from reskin.errors import ReskinError, RunError
from reskin.pages.intervals import mean_interval
from reskin.pages.scores import images_of, value_of
from reskin.paths import inside, relative_fault
from reskin.runs.folder import as_group
from reskin.significance import CONFIDENCE, holm, t_interval, welch
from reskin.storage import read_json

COSTS = {"seconds": "seconds of training", "steps": "steps", "weights": "weights", "memory_bytes": "memory"}


MOST_SEEDS = 1000
"""A study that states more was not made by `reskin compare`."""


def _below(folder: str) -> str:
    if fault := relative_fault(folder):
        raise ValueError(fault)
    return folder


class _Row(BaseModel):
    model_config = ConfigDict(strict=True)

    label: str
    folder: Annotated[str, AfterValidator(_below)]


class _Facts(BaseModel):
    """What is read of study.json, which may be somebody else's."""

    model_config = ConfigDict(strict=True)

    a: str
    b: str
    seeds: int = Field(ge=1, le=MOST_SEEDS)
    length: dict[str, FiniteFloat]
    rows: list[_Row]


@dataclass(frozen=True)
class TableCell:
    """One number of the table.

    Attributes:
        mean: over the seeds; None where there is none.
        interval: 95 % over the seeds, by Student's t; None for fewer than two.
        of_images: 95 % over the images, by the bootstrap of each image's mean over the seeds; None where
            images have no values of their own.
        seeds: the value of each seed.
        why: why numbers are missing, empty where none is.
    """

    mean: float | None
    interval: tuple[float, float] | None = None
    of_images: tuple[float, float] | None = None
    seeds: tuple[float, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class StudyTable:
    """All that is known of a study.

    Attributes:
        facts: study.json.
        labels: the rows.
        columns: names of scores such as "swd_a2b", to "higher" or "lower".
        notes: how each was measured.
        cells: by checkpoint ("last", "best"), row and column.
        references: by column, what the input, colour transfer and real images get.
        costs: by row: seconds, steps, weights, memory, each the mean over the seeds.
        missing: (row, seed, why).
        left_out: (picture, why) of those that could not be measured, of all rows, each once.
        said: by column, sentences on which rows differ, where that does not follow from the seeds.
    """

    facts: Mapping[str, Any]
    labels: Sequence[str]
    columns: Mapping[str, str]
    notes: Mapping[str, str]
    cells: Mapping[str, Mapping[str, Mapping[str, TableCell]]]
    references: Mapping[str, Mapping[str, float]]
    costs: Mapping[str, Mapping[str, float | None]]
    missing: Sequence[tuple[str, int, str]] = field(default=())
    left_out: Sequence[tuple[str, str]] = field(default=())
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_table(folder: Path) -> StudyTable:
    """The table of the study in a folder; cells that are not there yet say so.

    Raises:
        RunError: the folder holds no study, or its study.json is damaged.
    """
    try:
        facts = read_json(folder / "study.json")
        checked = _Facts.model_validate(facts)
    except (ReskinError, ValidationError):
        raise RunError(
            f"{folder} holds no study", "Give the --out of `reskin compare`, or run it first."
        ) from None
    known = {
        row.label: [
            _read_cell(folder, f"cells/{row.folder}/{seed}/cell.json") for seed in range(checked.seeds)
        ]
        for row in checked.rows
    }
    columns, notes, references = _columns(known)
    cells = {
        which: {
            label: {column: _cell(found, which, column) for column in columns}
            for label, found in known.items()
        }
        for which in ("last", "best")
    }
    missing = [
        (label, seed, _why(found))
        for label, each in known.items()
        for seed, found in enumerate(each)
        if "scores" not in found
    ]
    costs = {label: _costs(each) for label, each in known.items()}
    left_out = _left_out(itertools.chain.from_iterable(known.values()))
    return StudyTable(facts, list(known), columns, notes, cells, references, costs, missing, left_out)


def _read_cell(folder: Path, name: str) -> dict[str, Any]:
    try:
        path = inside(folder, name)
        return read_json(path) if path.is_file() else {}
    except ReskinError as error:
        return {"why": str(error)}


def _left_out(cells: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The pictures that could not be measured, each once; what is of another kind is left out."""
    found: dict[str, str] = {}
    for cell in cells:
        for group in as_group(cell.get("scores")).values():
            rows = as_group(group).get("left_out")
            pairs = (
                [row for row in rows if isinstance(row, list) and len(row) == 2]
                if isinstance(rows, list)
                else []
            )
            found |= {str(path): str(why) for path, why in pairs}
    return sorted(found.items())


def _why(cell: Mapping[str, Any]) -> str:
    if "scores" in cell:
        return ""
    return str(cell.get("why") or ("trained, not measured yet" if "costs" in cell else "not trained yet"))


def scores_of(cell: Mapping[str, Any], which: str) -> dict[str, dict[str, Any]]:
    """Scores by name of a cell's "last" or "best" checkpoint; what is of another kind is left out."""
    group = as_group(as_group(as_group(cell.get("scores")).get(which)).get("scores"))
    return {str(name): score for name, score in group.items() if isinstance(score, dict)}


def _columns(
    known: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, float]]]:
    """Names of the model's scores with which way is better, their notes, and what the references get."""
    columns: dict[str, str] = {}
    notes: dict[str, str] = {}
    references: dict[str, dict[str, float]] = {}
    for cell in itertools.chain.from_iterable(known.values()):
        for name, score in scores_of(cell, "last").items():
            subject = score.get("subject", "output")
            if subject == "output":
                columns.setdefault(name, str(score.get("better", "")))
                notes.setdefault(name, f"N = {score.get('count')}; {score.get('note', '')}")
            elif (value := value_of(score)) is not None:
                column = f"{score.get('metric')}_{score.get('direction')}"
                references.setdefault(column, {}).setdefault(str(subject), value)
    return columns, notes, references


def _cell(found: Sequence[Mapping[str, Any]], which: str, column: str) -> TableCell:
    scores = [scores_of(cell, which).get(column) for cell in found]
    values = [value_of(score) for score in scores if score is not None]
    finite = [value for value in values if value is not None]
    why = _reason(found, which, column)
    if not finite:
        return TableCell(None, why=why)
    return TableCell(
        mean(finite), t_interval(finite), _over_images([s for s in scores if s]), tuple(finite), why
    )


def _reason(found: Sequence[Mapping[str, Any]], which: str, column: str) -> str:
    """Why a number of a row is missing, or less sure than it should be; empty where nothing is."""
    for seed, cell in enumerate(found):
        if "scores" not in cell:
            return f"seed {seed}: {_why(cell)}"
        if which == "best" and not scores_of(cell, "best"):
            return "no validation split to choose the best checkpoint on"
        score = scores_of(cell, which).get(column)
        if score is None:
            return "not measured for this method"
        if value_of(score) is None:
            return f"seed {seed}: the score is no finite number"
    return ""


def _over_images(scores: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Each image's mean over the seeds, then the interval of their mean."""
    each = [images_of(score) for score in scores]
    if not each or not all(each) or any(one.keys() != each[0].keys() for one in each):
        return None
    return mean_interval([mean(one[name] for one in each) for name in each[0]])


def _costs(cells: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in COSTS:
        values = [cell.get("costs", {}).get(name) for cell in cells if isinstance(cell.get("costs"), dict)]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        found[name] = mean(numbers) if numbers else None
    return found


def differences(table: StudyTable, which: str = "last") -> list[str]:
    """For each column in words: which rows differ at 95 %, after Holm's correction for all their pairs."""
    sentences = []
    for column in table.columns:
        if column in table.said:
            sentences += [f"{column}: {sentence}" for sentence in table.said[column]]
            continue
        rows = {label: table.cells[which][label][column].seeds for label in table.labels}
        pairs = [pair for pair in itertools.combinations(rows, 2) if min(len(rows[one]) for one in pair) > 1]
        if not pairs:
            sentences.append(f"{column}: fewer than two rows with two seeds or more, nothing can be said.")
            continue
        raw = [welch(rows[one], rows[other]) for one, other in pairs]
        corrected = holm([value for value in raw if value is not None])
        differ = [
            f"{one} and {other} (p = {p:.3g})"
            for (one, other), p in zip(pairs, corrected, strict=True)
            if p < 1 - CONFIDENCE
        ]
        rest = len(pairs) - len(differ)
        if not differ:
            sentences.append(f"{column}: none of the {len(pairs)} pairs of rows differs at 95 %.")
        else:
            others = f" The other {rest} of {len(pairs)} pairs do not." if rest else ""
            sentences.append(f"{column}: at 95 % these differ: {'; '.join(differ)}.{others}")
    return sentences
