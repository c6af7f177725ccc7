"""`reskin evaluate RUN`: scores of a model on held-out pictures."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from reskin.cli.arguments import parse

if TYPE_CHECKING:
    from reskin.evaluation.evaluate import Score


@dataclass(frozen=True)
class Arguments:
    """Measure a model on held-out pictures of both sides (the test split where there is one).

    Beside every score stand the same measure of the untouched input and of real pictures, to compare with.

    Examples:
      reskin evaluate runs/film-game --a data/film --b data/game
      reskin evaluate runs/film-game --a data/film --b data/game --truth-a2b data/film-as-game
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run folder."""
    a: Path
    """Pictures of side A."""
    b: Path
    """Pictures of side B."""
    truth_a2b: Path | None = None
    """Where it is known: the A pictures as they should look in B, with the same file names."""
    truth_b2a: Path | None = None
    """The B pictures as they should look in A."""
    max_images: int | None = None
    """Use at most this many pictures of each side."""
    step: int | None = None
    """Checkpoint to measure; by default the last."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    json: bool = False
    """Print the scores as JSON."""


def _facts(score: Score) -> dict[str, Any]:
    """A score as JSON, which has no word for the infinite PSNR of equal pictures."""
    value = score.value if math.isfinite(score.value) else None
    return {"value": value, "better": score.better, "count": score.count, "note": score.note}


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin evaluate")

    from reskin.evaluation.evaluate import evaluate, record_scores
    from reskin.runs.load import final_step, load

    model = load(arguments.run, device=arguments.device, step=arguments.step)
    options: dict[str, Any] = {
        "truth_a2b": arguments.truth_a2b,
        "truth_b2a": arguments.truth_b2a,
        "max_images": arguments.max_images,
    }
    scores = evaluate(model, a=arguments.a, b=arguments.b, **options)
    step = arguments.step or final_step(arguments.run)
    facts = {"a": str(arguments.a), "b": str(arguments.b)} | {k: str(v) for k, v in options.items() if v}
    record_scores(arguments.run, step, scores, facts)
    if arguments.json:
        print(json.dumps({name: _facts(score) for name, score in scores.items()}, indent=2))
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in (
        ("score", "left"),
        ("value", "right"),
        ("better", "left"),
        ("n", "right"),
        ("", "left"),
    ):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for name, score in scores.items():
        table.add_row(name, f"{score.value:.4g}", score.better, str(score.count), score.note)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0
