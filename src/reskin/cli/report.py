"""`reskin report RUN`: one HTML file with settings, curves, samples, scores and video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say
from reskin.config import Settings
from reskin.parsing import Spelled


class Arguments(Settings):
    """Write one HTML file about a run that opens from disk, without a server or network.

    Examples:
      reskin report runs/film-game
      reskin report runs/film-game --clip clip.mp4 clip-as-game.mp4
    """

    run: Annotated[Path, Spelled(position="RUN")]
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
    progress.result("page", page)
    say(f"done: {page}")
    return 0
