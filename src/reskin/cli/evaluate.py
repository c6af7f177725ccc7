"""`reskin evaluate RUN`: scores of a model on held-out pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show_text, table_text
from reskin.config import BASIC, Settings
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.parsing import Spelled
from reskin.types import Domain

if TYPE_CHECKING:
    from reskin.evaluation.request import Request
    from reskin.evaluation.scores import Scores


class Arguments(Settings):
    """Measure a model on held-out pictures of both domains (the test split where there is one).

    Beside every score stand the same measure of the untouched input and of real pictures, to compare with.
    Metrics: psnr, ssim, ms_ssim, lpips (to a truth); cycle_l1, noise_probe (hidden information); swd, kid,
    fid, frechet, coverage, domain, copies (sets); classes, fcn; diversity and
    inception_score of several outputs of each input.

    Examples:
      reskin evaluate runs/film-game --a data/film --b data/game
      reskin evaluate runs/film-game --a data/film --b data/game --truth-a2b data/film-as-game
      reskin evaluate runs/h2z --a horse2zebra --b horse2zebra --metrics kid swd copies classes --classes 340
      reskin evaluate runs/street --a labels --b photos --metrics fcn --palette camvid --segmenter seg
    """

    run: Annotated[Path, Spelled(position="RUN")]
    """The run folder."""
    a: Path
    """Pictures of domain A."""
    b: Path
    """Pictures of domain B."""
    truth_a2b: Path | None = None
    """Where it is known: the A pictures as they should look in B, with the same file names."""
    truth_b2a: Path | None = None
    """The B pictures as they should look in A."""
    max_images: int | None = None
    """Use at most this many pictures of each domain."""
    size: int | None = None
    """Shorter edge in px that pictures are brought to first; by default they stay as they are."""
    metrics: Annotated[tuple[str, ...], BASIC] = ()
    """What to measure; by default psnr, ssim (with a truth), cycle_l1 and swd, which need no weights."""
    palette: str | None = None
    """For fcn: whose classes and colours, cityscapes, camvid, facades or street."""
    label_domain: Domain = "a"
    """For fcn: the domain whose pictures are labels."""
    labels: Path | None = None
    """For fcn, photo to labels: folder of the photos' true labels, PNG files of the same names."""
    segmenter: Path | None = None
    """For fcn, labels to photo: the folder that `reskin segmenter train` made."""
    classes: tuple[str, ...] = ()
    """For classes: numbers of the classifier's classes, such as 340 for ImageNet's zebras, or their names."""
    classifier: Path | None = None
    """For classes and inception_score: a classifier as .onnx (ImageNet's mean and deviation), or weights of
    SqueezeNet 1.1 with any classes (.pth, .safetensors); by default SqueezeNet with those of ImageNet."""
    class_names: Path | None = None
    """Text file with the names of the classifier's classes, one a line, in their order."""
    classifier_size: int = 224
    """Edge in px of the squares that the classifier is shown."""
    lpips_network: str = "auto"
    """For lpips and diversity: alex, vgg, squeeze; auto takes the first whose weights are here."""
    style: Literal["sampled", "examples"] = "sampled"
    """Of a model with styles: a random one, or the mean style of training pictures of the target."""
    outside: Path | None = None
    """Pictures of neither domain: they are translated, measured and shown in RUN/outside.html."""
    cache: Path | None = None
    """Folder that features are kept in, so that each picture is computed once."""
    step: int | None = None
    """Checkpoint to measure; by default the last."""
    best: bool = False
    """Measure the checkpoint with the best validation score of `reskin train --eval-every`."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print the scores as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin evaluate")

    from reskin.evaluation.evaluate import evaluate_request
    from reskin.evaluation.outside import evaluate_outside, write_outside
    from reskin.evaluation.scores import record_scores
    from reskin.runs.folder import RunFolder
    from reskin.runs.load import load

    request, files = _request(arguments), RunFolder(arguments.run)
    step = _step(arguments, files.best_step if arguments.best else None)
    request.chosen()  # what cannot be measured is refused before a model is loaded
    model = load(arguments.run, device=arguments.device, step=step)
    scores = evaluate_request(model, request)
    record_scores(arguments.run, step or files.last_step, scores, _facts(arguments))
    progress.result("scores", files.scores)
    if arguments.outside is not None:
        found = evaluate_outside(model, arguments.outside, request)
        page = write_outside(arguments.run / "outside.html", found)
        progress.result("page", page)
        say(f"outside: {page}")
        scores |= found.scores
    if arguments.as_json:
        show_text(json.dumps({name: score.to_dict() for name, score in scores.items()}, indent=2))
        return _finished(scores)
    rows = [
        (name, f"{score.value:.4g}", _spread(score.spread), score.better, str(score.count), score.note)
        for name, score in scores.items()
    ]
    show_text(table_text(("score", "value", "±", "better", "n", ""), rows, right=("value", "±", "n")))
    return _finished(scores)


def _step(arguments: Arguments, best: int | None) -> int | None:
    """The checkpoint that is meant.

    Raises:
        SettingsError: a step and the best are asked for, or none was scored in training.
    """
    if not arguments.best:
        return arguments.step
    if arguments.step is not None:
        raise SettingsError("--best and --step name two checkpoints", "Give one of them.")
    if best is None:
        fix = "Train with --eval-every, or leave --best out for the last checkpoint."
        raise SettingsError(f"no checkpoint of {arguments.run} has a validation score", fix)
    return best


def _spread(spread: float | None) -> str:
    return "" if spread is None else f"{spread:.2g}"


def _request(arguments: Arguments) -> Request:
    """What is to be measured.

    Raises:
        SettingsError: labels or a segmenter without a palette.
    """
    from reskin.evaluation.labelled import LabelRequest
    from reskin.evaluation.request import Request

    if arguments.palette is None and (arguments.labels or arguments.segmenter):
        raise SettingsError("labels and a segmenter want a palette", "Give --palette, such as camvid.")
    labels = None
    if arguments.palette is not None:
        labels = LabelRequest(
            arguments.palette, arguments.label_domain, arguments.labels, arguments.segmenter
        )
    return Request(
        a=arguments.a,
        b=arguments.b,
        truth_a2b=arguments.truth_a2b,
        truth_b2a=arguments.truth_b2a,
        metrics=arguments.metrics or None,
        size=arguments.size,
        max_images=arguments.max_images,
        labels=labels,
        classes=arguments.classes,
        classifier=arguments.classifier,
        class_names=arguments.class_names,
        classifier_size=arguments.classifier_size,
        lpips_network=arguments.lpips_network,
        cache=arguments.cache,
        style=arguments.style,
    )


def _facts(arguments: Arguments) -> dict[str, str]:
    """How the scores were measured, as they are kept beside them."""
    names = ["truth_a2b", "truth_b2a", "max_images", "size", "palette", "labels", "segmenter", "classes"]
    names += ["classifier", "class_names"]
    given = {name: getattr(arguments, name) for name in names}
    facts = {"a": str(arguments.a), "b": str(arguments.b)}
    facts |= {name: str(value) for name, value in given.items() if value}
    return facts | ({"metrics": str(arguments.metrics)} if arguments.metrics else {})


def _finished(scores: Scores) -> int:
    """The exit code of a whole measurement.

    Raises:
        PartialError: pictures were left out.
    """
    if scores.left_out:
        raise PartialError(
            f"pictures left out: {len(scores.left_out)}, the first {scores.left_out[0][0]}",
            "Mend or remove them and run the same command again.",
        )
    return 0
