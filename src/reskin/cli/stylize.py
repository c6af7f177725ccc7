"""`reskin stylize IN --style PICTURE`: a photograph with the strokes and colours of another picture."""

from __future__ import annotations

from reskin.cli.options import parse
from reskin.cli.translate import finish
from reskin.progress import Progress
from reskin.workflows.stylize import StylizeConfig, above_preset, run_stylize


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    config = parse(StylizeConfig, words, command="reskin stylize", merge=above_preset)
    with Progress() as progress:
        made = run_stylize(config, progress)
    return finish(made, config.source, config.out)
