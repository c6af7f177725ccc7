"""The report of a study: one HTML file that opens from disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reskin.errors import ReskinError
from reskin.evaluation.published import published_rows
from reskin.pages.charts import Chart, loss_chart, prepare
from reskin.pages.shell import write_page
from reskin.pages.study import StudyPage, study_page
from reskin.paths import inside
from reskin.runs.folder import RunFolder
from reskin.runs.record import read_run
from reskin.workflows.study.extremes import extreme_rows
from reskin.workflows.study.formats import as_html, caption, rows_of
from reskin.workflows.study.moving import shown_films
from reskin.workflows.study.shown import shown_rows
from reskin.workflows.study.table import StudyTable, differences, read_table

LIMITS = (
    "Equal budgets are not equal efforts: a method that its paper trains longer is not at its best here.",
    "An interval over seeds is about another training on the same images, not about other images.",
    "An interval over images takes them as independent; neighbouring frames of a film are not.",
    "The best checkpoint is chosen on the validation split; the numbers are of the test split.",
    "No number replaces looking at the images.",
)


def write_study_report(folder: Path, *, published: str | None = None) -> Path:
    """Write report.html of the study in a folder.

    Args:
        folder: the --out of `reskin compare`.
        published: name of a published table to stand beside, see `evaluation.published`.

    Raises:
        RunError: the folder holds no study.
        DataError: a link in it leads out of it.
        StorageError: the disk refuses the write.
    """
    table = read_table(folder)
    known = published_rows(published) if published else []
    rows = [
        (str(row["label"]), inside(folder, f"cells/{row['folder']}", kind="folder"))
        for row in table.facts["rows"]
    ]
    first = [(label, path / "0") for label, path in rows]
    page = StudyPage(
        title=folder.absolute().name,
        summary=caption(table),
        tables=[(which, as_html(table, rows_of(table, which, known))) for which in ("last", "best")],
        grids=list(shown_rows(first).items()),
        differences=differences(table),
        charts=[chart for label, path in first if (chart := _chart(label, path / "run"))],
        extremes=extreme_rows(first),
        films=list(shown_films(first).items()),
        settings=_differing([(label, path / "run") for label, path in first]),
        notes=[f"{column}: {note}" for column, note in table.notes.items()],
        missing=[
            *(f"{label}, seed {seed}: {why}" for label, seed, why in table.missing),
            *(f"left out {path}: {why}" for path, why in table.left_out),
        ],
        says=_says(table),
        limits=[*_undecided(table), *LIMITS],
    )
    return write_page(folder / "report.html", study_page(page))


def _chart(label: str, run: Path) -> Chart | None:
    """The validation scores of a run over its steps, None where there are none."""
    rows = RunFolder(run).validation_rows() if run.is_dir() else []
    if len(rows) < 2:
        return None
    steps, values = [row["step"] for row in rows], [float(row["mean"]) for row in rows]
    return loss_chart(label, None, prepare(steps, values, is_smoothed=False), max(steps))


def _differing(runs: Sequence[tuple[str, Path]]) -> list[list[str]]:
    """Headings and rows of the settings that not all rows share."""
    settings: dict[str, dict[str, str]] = {}
    for label, run in runs:
        try:
            groups = read_run(run).settings
        except ReskinError:
            continue
        settings[label] = {name: str(value) for group in groups.values() for name, value in group.items()}
    names = sorted({name for each in settings.values() for name in each})
    rows = []
    for name in names:
        values = [each.get(name, "–") for each in settings.values()]
        if len(set(values)) > 1:
            rows.append([name, *values])
    return [["setting", *settings], *rows] if rows else []


def _undecided(table: StudyTable) -> list[str]:
    seeds = int(table.facts["seeds"])
    return [f"{seeds} seeds: intervals are wide, and small differences stay undecided."] if seeds < 5 else []


def _says(table: StudyTable) -> list[str]:
    """What the numbers of this study can say, from what it holds."""
    seeds = int(table.facts["seeds"])
    length = ", ".join(f"{value:g} {name}" for name, value in table.facts["length"].items())
    found = [
        f"How {len(table.labels)} rows compare on these images after equal {length}, with everything else "
        'that is under "Settings that differ".'
    ]
    if seeds > 1:
        found.append(
            "Which rows would very probably keep their order if all were trained again on the same images: "
            'the pairs under "What differs", at 95 % after correction for the number of pairs.'
        )
    else:
        found.append(
            "With one seed no difference between rows is more than that of another draw of the seed could be."
        )
    if any(table.references.values()):
        found.append(
            "How much of a score costs nothing: the rows of the untouched input and of colour transfer; and "
            "what real images of the target domain get."
        )
    if table.missing:
        found.append(f"Nothing of the {len(table.missing)} trainings that are missing; the others are whole.")
    return found
