"""The page of a study: tables, the same images in every method, curves, settings, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reskin.pages.charts import Chart
from reskin.pages.grids import GridRows, embed_rows
from reskin.pages.report import domain_of
from reskin.pages.shell import render

_LINKS = [
    ("tables", "Tables"),
    ("samples", "Images"),
    ("differences", "What differs"),
    ("curves", "Curves"),
    ("extremes", "Worst and best"),
    ("settings", "Settings"),
    ("limits", "What it cannot say"),
]


@dataclass(frozen=True)
class StudyPage:
    """What the page shows.

    Attributes:
        title: of the study.
        summary: what is compared.
        tables: name of the checkpoint and a table element, made of escaped text.
        grids: direction and its rows of images.
        differences: sentences on which rows differ.
        charts: of the validation scores.
        extremes: row, measure, worst and best images.
        settings: headings and rows of the settings that differ.
        notes: how each score was measured.
        missing: what is not there, and why.
        limits: what the numbers cannot say.
    """

    title: str
    summary: str
    tables: Sequence[tuple[str, str]]
    grids: Sequence[tuple[str, GridRows]]
    differences: Sequence[str]
    charts: Sequence[Chart]
    extremes: Sequence[tuple[str, str, str, str]]
    settings: Sequence[Sequence[str]]
    notes: Sequence[str]
    missing: Sequence[str]
    limits: Sequence[str]


def study_page(page: StudyPage) -> str:
    """The page as text."""
    return render(
        "study.html",
        assets=("shell", "report"),
        title=page.title,
        summary=page.summary,
        links=_LINKS,
        tables=[(which, Markup(table)) for which, table in page.tables],  # noqa: S704 - escaped where made
        grid_sets=[(direction, [embed_rows(rows)]) for direction, rows in page.grids],
        domain_of=domain_of,
        page=page,
    )
