"""`reskin report RUN`: one HTML file with settings, curves, samples, scores and video."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reskin.cli.arguments import parse


@dataclass(frozen=True)
class Arguments:
    """Write one HTML file about a run that opens from disk, without a server or network.

    Examples:
      reskin report runs/film-game
      reskin report runs/film-game --clip clip.mp4 clip-as-game.mp4
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run folder."""
    out: Path | None = None
    """Name of the page; by default report.html in the run folder."""
    clip: tuple[Path, Path] | None = None
    """A video and its translation, to be shown side by side."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin report")

    from reskin.pages.report import write_report

    clips = [(arguments.clip[0].name, *arguments.clip)] if arguments.clip else []
    page = write_report(arguments.run, arguments.out, clips=clips)
    print(f"done: {page}", file=sys.stderr)
    return 0
