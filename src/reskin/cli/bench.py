"""`reskin bench RUN`: how fast, how exact and how large each engine is with a model on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from reskin.cli.options import parse, picture_size
from reskin.cli.streams import say, show, show_text
from reskin.config import Settings
from reskin.parsing import Spelled
from reskin.types import Direction

USUAL_PX = 256
"""Edge of the picture where the run does not say at which size it learnt."""


class Arguments(Settings):
    """Measure every engine that is installed on one drawn picture, in a table.

    Engine and precision, milliseconds for a frame, share of the peak that this machine reaches in a
    convolution, difference from PyTorch in fp32 in levels of 255, peak memory, and how long it takes until
    the first picture. Nothing else should run meanwhile.

    Examples:
      reskin bench runs/film-game
      reskin bench runs/film-game --size 1280x720 --json
    """

    run: Annotated[Path, Spelled(position="RUN")]
    """The run folder (or a folder that `reskin import` made)."""
    size: str | None = None
    """Size of the picture, WIDTHxHEIGHT such as 1280x720; by default a square at which the model learnt."""
    direction: Direction | None = None
    """a2b or b2a; by default the first one that the model was made for."""
    step: int | None = None
    """Checkpoint to use; by default the last."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print what was measured as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin bench")

    from reskin.runs.folder import RunFolder
    from reskin.runs.load import trained_edge
    from reskin.workflows.bench import Subject, bench, in_words

    if arguments.size is None:
        edge = trained_edge(RunFolder(arguments.run).read_config()) or USUAL_PX
        size = (edge, edge)
    else:
        size = picture_size(arguments.size)
    subject = Subject(arguments.run, size, arguments.direction, arguments.step, arguments.device)
    found = bench(subject, lambda what: say(f"measuring {what}"))
    if arguments.as_json:
        show_text(json.dumps(found, indent=2))
    else:
        show(*in_words(found))
    return 0
