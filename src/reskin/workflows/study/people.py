"""What people said in a blind study, as a column of the table of a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reskin.errors import RunError, SettingsError
from reskin.evaluation.blind_study.answers import AnswerStore
from reskin.evaluation.blind_study.plan import read_plan
from reskin.evaluation.blind_study.report import comparison_sentences
from reskin.evaluation.blind_study.results import Results, read_results
from reskin.workflows.study.table import StudyTable, TableCell

HOW = {
    "fooled_a2b": "share of answers that took the output for the real image",
    "preference": "Bradley-Terry strength; 0 is the mean of the conditions, and one 0.7 higher wins "
    "2 of 3 comparisons that are no tie",
}


def with_people(table: StudyTable, folder: Path) -> StudyTable:
    """The table with one more column, for the rows that are called as a condition of a blind study.

    Args:
        table: of a comparison.
        folder: of the blind study.

    Raises:
        RunError: no blind study, or nobody has finished it.
        SettingsError: none of its conditions is a row.
    """
    plan = read_plan(folder)
    store = AnswerStore(folder)
    try:
        results = read_results(plan, store)
    finally:
        store.close()
    if not results.counted.votes:
        raise RunError(f"no rater has finished {folder} yet", "Wait for raters: reskin study serve")
    column, cells = _cells(results)
    if not set(cells) & set(table.labels):
        raise SettingsError(
            f"no row is called as a condition of {folder}: {', '.join(plan.conditions)}",
            f"The rows are {', '.join(table.labels)}; name the folders of --runs so in reskin study new.",
        )
    missing = TableCell(None, why="not in the blind study")
    added = {label: cells.get(label, missing) for label in table.labels}
    found = results.counted
    others = [
        f"{name} {cell.mean:.3g}" for name, cell in cells.items() if name not in table.labels and cell.mean
    ]
    note = (
        f"N = {len(found.votes)} answers of {found.raters} raters on {len(plan.items)} items; {HOW[column]}; "
        f"95 % interval two-way clustered over raters and items; plan {plan.digest()[:16]}"
        + (f"; also judged: {', '.join(others)}" if others else "")
    )
    return replace(
        table,
        columns={**table.columns, column: "higher"},
        notes={**table.notes, column: note},
        cells={
            which: {label: {**known[label], column: added[label]} for label in table.labels}
            for which, known in table.cells.items()
        },
        said={**table.said, column: comparison_sentences(results)},
    )


def _cells(results: Results) -> tuple[str, dict[str, TableCell]]:
    """Name of the column, and the cell of each condition."""
    plan, found = results.plan, results.counted
    if plan.kind == "real-or-fake":
        shares = found.shares.items()
        return "fooled_a2b", {name: TableCell(each.value, (each.low, each.high)) for name, each in shares}
    if found.scale is None:
        why = TableCell(None, why="no finite scale: a condition won, or lost, every comparison")
        return "preference", dict.fromkeys(plan.conditions, why)
    return "preference", {
        name: TableCell(float(found.scale.strengths[number]), found.scale.interval(number))
        for number, name in enumerate(plan.conditions)
    }
