"""`reskin make A --like B`: footage of A in the look of B, start to end in one command."""

from __future__ import annotations

from reskin.cli.options import parse
from reskin.cli.streams import say
from reskin.exits import PartialError
from reskin.progress import Progress
from reskin.workflows.make import MakeConfig, run_make


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    config = parse(MakeConfig, words, command="reskin make")
    with Progress() as progress:
        made = run_make(config, progress)
    say(f"done: {made.translated}, {made.report}")
    if made.damaged:
        raise PartialError(
            f"done, but a source is damaged: {made.damaged[0]}", "What is sound was used; see the report."
        )
    return 0
