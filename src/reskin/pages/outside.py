"""The page on images of neither domain: before and after, and how far they are from both."""

from __future__ import annotations

from collections.abc import Sequence

from reskin.pages.grids import GridRows, TextRows, embed_rows
from reskin.pages.report import domain_of
from reskin.pages.shell import render

__all__ = ["GridRows", "outside_page"]

_LINKS = [("samples", "Images"), ("scores", "Distances"), ("notes", "Left out")]


def outside_page(title: str, rows: GridRows, scores: TextRows, notes: Sequence[str]) -> str:
    """The page as text.

    Args:
        title: of the images.
        rows: the images and their translations.
        scores: name, value, number of images and note of each distance.
        notes: what was left out.
    """
    return render(
        "outside.html",
        assets=("shell", "report"),
        title=title,
        summary="Images of neither domain, translated: what a model does where it has learnt nothing.",
        links=_LINKS,
        grids=[embed_rows(rows)],
        domain_of=domain_of,
        scores=scores,
        notes=notes,
    )
