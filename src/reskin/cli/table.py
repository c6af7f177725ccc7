"""`reskin table STUDY`: the table of a study as Markdown, HTML, CSV or LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from reskin.cli.options import parse
from reskin.cli.streams import show_text
from reskin.config import Settings
from reskin.parsing import Spelled
from reskin.unknown import unknown


class Arguments(Settings):
    """Print the table of a study.

    Examples:
      reskin table studies/x --format md
      reskin table studies/street --format latex --published cityscapes
      reskin table studies/street --people studies/street-people
    """

    study: Annotated[Path, Spelled(position="STUDY")]
    """The folder that `reskin compare` wrote."""
    format: Literal["md", "html", "csv", "latex"] = "md"
    """How it is written; csv holds every number at full precision."""
    checkpoint: Literal["last", "best"] = "last"
    """The last checkpoint of each run, or the best by its validation score."""
    published: str | None = None
    """Rows of a published table beside ours, such as cityscapes, cityscapes_ablation, edges2shoes, animals,
    horse2zebra_fid or viper_day."""
    people: Path | None = None
    """A blind study, which becomes a column: how often an output was taken for real, or was preferred."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin table")

    from reskin.evaluation.published import TABLES, published_rows
    from reskin.workflows.study.formats import FORMATS, rows_of
    from reskin.workflows.study.table import read_table

    if arguments.published is not None and arguments.published not in TABLES:
        raise unknown("published table", arguments.published, TABLES)
    known = published_rows(arguments.published) if arguments.published else []
    table = read_table(arguments.study)
    if arguments.people is not None:
        from reskin.workflows.study.people import with_people

        table = with_people(table, arguments.people)
    show_text(FORMATS[arguments.format](table, rows_of(table, arguments.checkpoint, known)).rstrip())
    return 0
