"""Models with styles: which style they are measured in, and how different their outputs are."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from reskin.data.folders import split_images
from reskin.errors import DataError
from reskin.evaluation.classifiers import Classifier
from reskin.evaluation.perceptual import Perceptual
from reskin.evaluation.pictures import HeldOut, square
from reskin.evaluation.scores import Score
from reskin.images import Picture, read_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics.cycle import round_to_8_bits
from reskin.metrics.diversity import INPUTS, PAIRS, diversity
from reskin.metrics.inception_score import inception_score
from reskin.metrics.lpips import lpips
from reskin.spread import spread_ends
from reskin.types import Direction, Domain

STYLES = 20
"""Outputs of each input that the random pairs are drawn from."""

RESAMPLES = 100
"""Draws of the bootstrap over the inputs."""

EXAMPLES = 16
"""Training images of the target domain whose mean style is taken."""


def in_one_style(
    model: Translator, direction: Direction, target: HeldOut, *, from_examples: bool
) -> Translator:
    """The model as it is measured in this direction.

    Args:
        model: with styles or without; one without is given back as it is.
        direction: of the translation.
        target: the target domain; its training images are the examples.
        from_examples: take the mean style of `EXAMPLES` training images instead of the first random style of
            seed 0.

    Raises:
        DataError: there is no training image to take a style from.
    """
    if not isinstance(model, Styled):
        return model
    if not from_examples:
        return model.with_style(model.sample_styles(1, seed=0)[0])
    domain: Domain = "a" if direction[-1] == "a" else "b"
    paths = split_images(target.folder, domain, "train")
    if not paths:
        raise DataError(
            f"no training image of domain {domain.upper()} in {target.folder} to take a style from"
        )
    device, multiple = next(model.parameters()).device, model.size_multiple
    codes = []
    for index in spread_ends(len(paths), min(EXAMPLES, len(paths))):
        image = to_tensor(read_image(paths[index]))
        edge = max(multiple, min(image.shape[-2:]) // multiple * multiple)
        with torch.no_grad():
            codes.append(model.encode_style(square(image, edge).to(device), direction))
    return model.with_style(torch.cat(codes).mean(dim=0))


def style_scores(
    model: Translator,
    domains: Mapping[str, HeldOut],
    perceptual: Perceptual | None,
    classifier: Classifier | None,
) -> dict[str, Score]:
    """LPIPS between random outputs of the same input, and the inception scores of all outputs.

    100 inputs with 19 pairs of 20 outputs each; with fewer images as many as there are. A model without
    styles has one output of each input, a diversity of 0 and a conditional inception score of 0.

    Args:
        model: what translates.
        domains: held-out images by domain.
        perceptual: for the diversity; None for none.
        classifier: for the inception scores; None for none.

    Raises:
        WeightsError: the classifier does not take the images.
    """
    scores: dict[str, Score] = {}
    for direction in model.directions:
        source = domains[direction[0]]
        chosen = [source.paths[index] for index in spread_ends(len(source), min(INPUTS, len(source)))]
        classes: list[Tensor] = []
        outputs = _outputs(model, direction, (source.read(path) for path in chosen))
        noted = _noting_classes(outputs, classifier, classes)
        if perceptual is not None:
            score = _diversity_score(noted, source.names(chosen), perceptual, isinstance(model, Styled))
            scores[f"diversity_{direction}"] = _directed(score, direction)
        for _ in noted:
            pass  # what the diversity did not look at
        if classifier is not None:
            scores |= _class_scores(torch.stack(classes), classifier.note, direction)
    return scores


def _outputs(model: Translator, direction: Direction, images: Iterable[Picture]) -> Iterator[Tensor]:
    """For each input its outputs in `STYLES` random styles, or the one that it has, rounded to 8 bits."""
    for number, image in enumerate(images):
        models = [model]
        if isinstance(model, Styled):
            models = [model.with_style(style) for style in model.sample_styles(STYLES, seed=number)]
        engines = [Engine(each, direction) for each in models]
        inputs = to_tensor(image).to(engines[0].compute.device)
        made = [round_to_8_bits(engine.run(inputs).float().clamp(-1, 1)).cpu() for engine in engines]
        yield torch.cat(made)


def _noting_classes(
    outputs: Iterable[Tensor], classifier: Classifier | None, classes: list[Tensor]
) -> Iterator[Tensor]:
    """The outputs as they are; the probabilities of their classes are added to `classes`."""
    for each in outputs:
        if classifier is not None:
            classes.append(classifier.probabilities(square(each, classifier.edge_px)))
        yield each


def _diversity_score(
    outputs: Iterator[Tensor], names: Sequence[str], network: Perceptual, is_styled: bool
) -> Score:
    note = f"{len(names)} inputs, {PAIRS} random pairs of outputs each; {network.note}"
    if not is_styled:
        return Score(0.0, "higher", len(names), f"{note}; one output of each input", metric="diversity")
    found = diversity(outputs, lambda one, two: _distance(network, one, two))
    each = tuple(zip(names, found.of_inputs, strict=True))
    return Score(found.mean, "higher", len(names), note, metric="diversity", pictures=each)


@torch.no_grad()
def _distance(network: Perceptual, one: Tensor, two: Tensor) -> Tensor:
    return lpips(one, two, taps=network.taps, weights=network.weights)


def _class_scores(probabilities: Tensor, note: str, direction: Direction) -> dict[str, Score]:
    """Both scores in nats, as MUNIT's table has them, and as exponentials (Salimans et al.)."""
    inputs, outputs, _ = probabilities.shape
    about = f"{inputs} inputs, {outputs} output{'s' if outputs > 1 else ''} of each; {note}"
    spreads, scores = _spreads(probabilities), {}
    for name, value in _values(probabilities).items():
        form = "mean divergence in nats" if name.endswith("nats") else "exp of the mean divergence"
        score = Score(value, "higher", inputs, f"{form}; {about}", metric=name, spread=spreads.get(name))
        scores[f"{name}_{direction}"] = _directed(score, direction)
    return scores


def _values(probabilities: Tensor) -> dict[str, float]:
    found = inception_score(probabilities)
    exponentials = dict(zip(("is_exp", "cis_exp"), found.exponential, strict=True))
    return {"is_nats": found.score, "cis_nats": found.conditional, **exponentials}


def _spreads(probabilities: Tensor) -> dict[str, float]:
    """Standard errors over the inputs, by the bootstrap; none for one input."""
    count, source = len(probabilities), torch.Generator().manual_seed(0)
    if count < 2:
        return {}
    draws = [
        _values(probabilities[torch.randint(count, (count,), generator=source)]) for _ in range(RESAMPLES)
    ]
    return {name: statistics.stdev(draw[name] for draw in draws) for name in draws[0]}


def _directed(score: Score, direction: Direction) -> Score:
    return replace(score, direction=direction, against="source")
