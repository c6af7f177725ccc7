"""`reskin evaluate RUN`: scores of a model on held-out pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from reskin.cli.options import parse
from reskin.cli.streams import show_text, table_text
from reskin.config import Settings
from reskin.exits import PartialError
from reskin.parsing import Spelled

if TYPE_CHECKING:
    from reskin.evaluation.scores import Scores


class Arguments(Settings):
    """Measure a model on held-out pictures of both sides (the test split where there is one).

    Beside every score stand the same measure of the untouched input and of real pictures, to compare with.

    Examples:
      reskin evaluate runs/film-game --a data/film --b data/game
      reskin evaluate runs/film-game --a data/film --b data/game --truth-a2b data/film-as-game
    """

    run: Annotated[Path, Spelled(position="RUN")]
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
    metrics: tuple[str, ...] = ()
    """Which of psnr, ssim, lpips, cycle_l1, swd, kid; by default all but kid and lpips (need weights)."""
    step: int | None = None
    """Checkpoint to measure; by default the last."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print the scores as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin evaluate")

    from reskin.evaluation.evaluate import evaluate
    from reskin.evaluation.scores import record_scores
    from reskin.runs.folder import RunFolder
    from reskin.runs.load import load

    model = load(arguments.run, device=arguments.device, step=arguments.step)
    options: dict[str, Any] = {
        "truth_a2b": arguments.truth_a2b,
        "truth_b2a": arguments.truth_b2a,
        "max_images": arguments.max_images,
        "metrics": arguments.metrics or None,
    }
    scores = evaluate(model, a=arguments.a, b=arguments.b, **options)
    step = arguments.step or RunFolder(arguments.run).last_step
    facts = {"a": str(arguments.a), "b": str(arguments.b)} | {k: str(v) for k, v in options.items() if v}
    record_scores(arguments.run, step, scores, facts)
    if arguments.as_json:
        show_text(json.dumps({name: score.to_dict() for name, score in scores.items()}, indent=2))
        return _finished(scores)
    rows = [
        (name, f"{score.value:.4g}", score.better, str(score.count), score.note)
        for name, score in scores.items()
    ]
    show_text(table_text(("score", "value", "better", "n", ""), rows, right=("value", "n")))
    return _finished(scores)


def _finished(scores: Scores) -> int:
    """The exit code of a whole measurement.

    Raises:
        PartialError: pictures were left out.
    """
    if scores.left_out:
        raise PartialError(
            f"{len(scores.left_out)} pictures were left out, first {scores.left_out[0][0]}",
            "Mend or remove them and run the same command again.",
        )
    return 0
