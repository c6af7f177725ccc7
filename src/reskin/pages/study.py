"""The page of a study: tables, the same images in every method, curves, settings, limits."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image
from torch import Tensor

from reskin.images import to_image
from reskin.pages.charts import Chart
from reskin.pages.films import ShownFilm, embed_films
from reskin.pages.grids import GridRows, embed_rows
from reskin.pages.media import data_url
from reskin.pages.report import domain_of
from reskin.pages.shell import render

_LINKS = [
    ("tables", "Tables"),
    ("samples", "Images"),
    ("films", "Films"),
    ("differences", "What differs"),
    ("curves", "Curves"),
    ("extremes", "Worst and best"),
    ("settings", "Settings"),
    ("limits", "What it can say"),
]


@dataclass(frozen=True)
class Tile:
    """One of the worst or best images.

    Attributes:
        name: of the image.
        value: of the measure, as text.
        picture: its panels from left to right, (1, 3, H, W) in [-1, 1]; None where they are not kept.
    """

    name: str
    value: str
    picture: Tensor | None = None


@dataclass(frozen=True)
class ExtremeRow:
    """The worst and best images of a row by one measure.

    Attributes:
        row: of the study.
        measure: name of the score.
        panels: what each picture shows from left to right; empty where there are none.
        worst: the worst one first.
        best: the best one first.
    """

    row: str
    measure: str
    panels: Sequence[str]
    worst: Sequence[Tile]
    best: Sequence[Tile]


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
        extremes: worst and best images.
        films: direction and its films, the input first; empty where the test images are no footage.
        settings: headings and rows of the settings that differ.
        notes: how each score was measured.
        missing: what is not there, and why.
        says: what the numbers can say.
        limits: what they cannot say.
    """

    title: str
    summary: str
    tables: Sequence[tuple[str, str]]
    grids: Sequence[tuple[str, GridRows]]
    differences: Sequence[str]
    charts: Sequence[Chart]
    extremes: Sequence[ExtremeRow]
    films: Sequence[tuple[str, Sequence[ShownFilm]]]
    settings: Sequence[Sequence[str]]
    notes: Sequence[str]
    missing: Sequence[str]
    says: Sequence[str]
    limits: Sequence[str]


def study_page(page: StudyPage) -> str:
    """The page as text."""
    return render(
        "study.html",
        assets=("shell", "report", "films"),
        title=page.title,
        summary=page.summary,
        links=_LINKS,
        tables=[(which, Markup(table)) for which, table in page.tables],  # noqa: S704 - escaped where made
        grid_sets=[(direction, [embed_rows(rows)]) for direction, rows in page.grids],
        films_by_direction=[(direction, embed_films(films)) for direction, films in page.films],
        extremes={
            label: [each for each in page.extremes if each.row == label]
            for label in dict.fromkeys(each.row for each in page.extremes)
        },
        picture_url=_picture_url,
        domain_of=domain_of,
        page=page,
    )


def _picture_url(picture: Tensor) -> str:
    """A picture (1, 3, H, W) as a data URL."""
    data = io.BytesIO()
    Image.fromarray(to_image(picture)[0]).save(data, "WEBP", quality=85, method=2)
    return data_url("image/webp", data.getvalue())
