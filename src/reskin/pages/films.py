"""A page on which a film and its translations play together: beside each other, or one over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reskin.pages.media import EmbeddedVideo, embed_video
from reskin.pages.shell import render, write_page

_TALL_COLUMNS, _WIDE_COLUMNS = 4, 2
"""Films in a row of the page: portrait ones need less room."""


@dataclass(frozen=True)
class ShownFilm:
    """A film of the page.

    Attributes:
        title: shown on it.
        path: the video.
    """

    title: str
    path: Path


@dataclass(frozen=True)
class _Pane:
    title: str
    video: EmbeddedVideo


@dataclass(frozen=True)
class FilmGroup:
    """Films that play together.

    Attributes:
        panes: title and video of each.
        columns: of them in a row of the page.
        ratio: width and height, for the style sheet.
        frame_rate: frames per second.
        notes: what differs from the files.
    """

    panes: Sequence[_Pane]
    columns: int
    ratio: str
    frame_rate: float
    notes: Sequence[str]


def write_films(title: str, films: Sequence[ShownFilm], out: Path) -> Path:
    """Write a page with one clock for all films; it holds them and asks for nothing from outside.

    Args:
        title: of the page.
        films: of equal frames and times, the original first; two or more.
        out: the page.

    Raises:
        VideoError: a film cannot be read.
        StorageError: the disk refuses the write.
    """
    page = render(
        "films.html",
        assets=("shell", "report", "films"),
        title=title,
        summary="The original and its translations play together.",
        links=[("films", "Films")],
        group=embed_films(films),
    )
    return write_page(out, page)


def embed_films(films: Sequence[ShownFilm]) -> FilmGroup:
    """Films with one clock, as a template shows them.

    Args:
        films: of equal frames and times, the original first; two or more.

    Raises:
        VideoError: a film cannot be read.
    """
    panes = [_Pane(film.title, embed_video(film.path)) for film in films]
    width, height = panes[0].video.size
    return FilmGroup(
        panes,
        columns=min(len(panes), _TALL_COLUMNS if height > width else _WIDE_COLUMNS),
        ratio=f"{width}/{height}",
        frame_rate=panes[0].video.frame_rate,
        notes=[pane.video.note for pane in panes if pane.video.note],
    )
