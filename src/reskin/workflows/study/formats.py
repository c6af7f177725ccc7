"""The table of a study as Markdown, HTML, CSV and LaTeX."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Sequence

from reskin.evaluation.published import Published
from reskin.pages.scores import digits
from reskin.workflows.study.table import COSTS, StudyTable, TableCell, differences

REFERENCES = {"input": "untouched input", "reinhard": "colour transfer", "real": "real images"}

MARK = "published, other data and protocol"


def rows_of(table: StudyTable, which: str = "last", published: Sequence[Published] = ()) -> list[list[str]]:
    """Headings and rows as text."""
    columns = list(table.columns)
    arrows = {"higher": "↑", "lower": "↓"}
    heading = ["row", *(f"{column} {arrows.get(table.columns[column], '')}".strip() for column in columns)]
    rows = [[*heading, *COSTS.values()]]
    for label in table.labels:
        cells = [cell_text(table.cells[which][label][column]) for column in columns]
        rows.append([label, *cells, *(_cost(name, table.costs[label][name]) for name in COSTS)])
    for subject, title in REFERENCES.items():
        values = [table.references.get(column, {}).get(subject) for column in columns]
        if any(value is not None for value in values):
            texts = ["–" if value is None else digits(value) for value in values]
            rows.append([title, *texts, *[""] * len(COSTS)])
    for row in published:
        texts = ["" if column not in row.values else digits(row.values[column]) for column in columns]
        if any(texts):
            note = "" if row.is_checked else ", as quoted by others"
            rows.append([f"{row.method} ({MARK}: {row.source}{note})", *texts, *[""] * len(COSTS)])
    return rows


def cell_text(cell: TableCell) -> str:
    """A number with its intervals, or why there is none.

    >>> cell_text(TableCell(0.5, (0.4, 0.6), None, (0.45, 0.55)))
    '0.5 [0.4, 0.6]'
    """
    if cell.mean is None:
        return f"– ({cell.why})"
    interval = (
        f" [{digits(cell.interval[0])}, {digits(cell.interval[1])}]" if cell.interval else " (one seed)"
    )
    images = f" images [{digits(cell.of_images[0])}, {digits(cell.of_images[1])}]" if cell.of_images else ""
    return f"{digits(cell.mean)}{interval}{images}{f' ({cell.why})' if cell.why else ''}"


def _cost(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1e6:,.0f} MB" if name == "memory_bytes" else f"{value:,.0f}"


def caption(table: StudyTable) -> str:
    """What the numbers are, in a sentence or two."""
    length = ", ".join(f"{value:g} {name}" for name, value in table.facts["length"].items())
    seeds = table.facts["seeds"]
    return (
        f"{table.facts['a']} and {table.facts['b']}; equal for all rows: {length}; {seeds} seeds. "
        "Mean over seeds, in brackets its 95 % interval (Student's t); images: 95 % interval over the images "
        "(bootstrap)."
    )


def as_markdown(table: StudyTable, rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown with its caption and what differs."""
    heading, *body = [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in rows]
    lines = [caption(table), "", f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    lines += [f"| {' | '.join(row)} |" for row in body]
    notes = [f"- `{column}`: {note}" for column, note in table.notes.items()]
    return "\n".join([*lines, "", *differences(table), "", *notes]) + "\n"


def as_html(table: StudyTable, rows: Sequence[Sequence[str]]) -> str:
    """A table element and nothing around it."""
    heading, *body = [[html.escape(cell) for cell in row] for row in rows]
    lines = ["<table>", f"<caption>{html.escape(caption(table))}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col">{cell}</th>' for cell in heading] + ["</tr></thead>", "<tbody>"]
    for first, *rest in body:
        lines.append(
            f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        )
    return "\n".join([*lines, "</tbody>", "</table>"]) + "\n"


def as_csv(table: StudyTable, rows: Sequence[Sequence[str]]) -> str:
    """One line a row, checkpoint and column, with every number at full precision, for programs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["row", "checkpoint", "score", "mean", "low", "high", "image_low", "image_high", "seeds", "why"]
    )
    for which, labels in table.cells.items():
        for label, cells in labels.items():
            for column, cell in cells.items():
                low, high = cell.interval or ("", "")
                image_low, image_high = cell.of_images or ("", "")
                value = "" if cell.mean is None else cell.mean
                seeds = " ".join(map(repr, cell.seeds))
                writer.writerow(
                    [label, which, column, value, low, high, image_low, image_high, seeds, cell.why]
                )
    return text.getvalue()


_LATEX = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "↑": "$\\uparrow$",
    "↓": "$\\downarrow$",
    "–": "--",
    "→": "$\\to$",
}


def as_latex(table: StudyTable, rows: Sequence[Sequence[str]]) -> str:
    """A tabular of LaTeX with booktabs' rules."""
    heading, *body = [["".join(_LATEX.get(mark, mark) for mark in cell) for cell in row] for row in rows]
    lines = [f"\\begin{{tabular}}{{l{'r' * (len(heading) - 1)}}}", "\\toprule"]
    lines += [f"{' & '.join(heading)} \\\\", "\\midrule", *(f"{' & '.join(row)} \\\\" for row in body)]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


FORMATS: dict[str, Callable[[StudyTable, Sequence[Sequence[str]]], str]] = {
    "md": as_markdown,
    "html": as_html,
    "csv": as_csv,
    "latex": as_latex,
}
