"""Models with styles: which style they are measured in, and how different their outputs are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from reskin.data.folders import split_images
from reskin.errors import DataError, WeightsError
from reskin.evaluation.features import FEATURES_EDGE_PX, squeezenet_file
from reskin.evaluation.perceptual import Perceptual
from reskin.evaluation.pictures import HeldOut, square
from reskin.evaluation.scores import Score
from reskin.images import read_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics.cycle import round_to_8_bits
from reskin.metrics.diversity import INPUTS, PAIRS, diversity
from reskin.metrics.inception_score import inception_score
from reskin.metrics.lpips import lpips
from reskin.networks.squeezenet import read_squeezenet
from reskin.spread import spread_ends
from reskin.types import Direction, Domain

STYLES = 20
"""Outputs of each input that the random pairs are drawn from."""

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


def diversity_scores(
    model: Translator, domains: Mapping[str, HeldOut], network: Perceptual
) -> dict[str, Score]:
    """LPIPS between random outputs of the same input, and inception scores where a classifier is here.

    100 inputs with 19 pairs each, as the papers; with fewer images as many as there are. A model without
    styles has one output of each input, and a diversity of 0.
    """
    scores: dict[str, Score] = {}
    for direction in model.directions:
        source = domains[direction[0]]
        count = min(INPUTS, len(source))
        note = f"{count} inputs, {PAIRS} random pairs of outputs each; {network.note}"
        if not isinstance(model, Styled):
            score = Score(0.0, "higher", count, f"{note}; one output of each input", metric="diversity")
            scores[f"diversity_{direction}"] = _directed(score, direction)
            continue
        classes: list[Tensor] = []
        outputs = _outputs(model, direction, source, classes=classes)
        found = diversity(outputs, lambda one, two: _distance(network, one, two))
        names = source.names([source.paths[index] for index in spread_ends(len(source), count)])
        each = tuple(zip(names, found.of_inputs, strict=True))
        score = Score(found.mean, "higher", count, note, metric="diversity", pictures=each)
        scores[f"diversity_{direction}"] = _directed(score, direction)
        if classes:
            scores |= _class_scores(torch.stack(classes), direction)
    return scores


def _outputs(
    model: Styled, direction: Direction, source: HeldOut, *, classes: list[Tensor]
) -> Iterator[Tensor]:
    """For each input its outputs in `STYLES` random styles; their classes are added to `classes`."""
    try:
        classifier = read_squeezenet(squeezenet_file())
    except WeightsError:
        classifier = None
    count = min(INPUTS, len(source))
    for number, index in enumerate(spread_ends(len(source), count)):
        image = to_tensor(source.read(source.paths[index]))
        made = []
        for style in model.sample_styles(STYLES, seed=number):
            translated = Engine(model.with_style(style), direction).run(image)
            made.append(round_to_8_bits(translated).cpu())
        outputs = torch.cat(made)
        if classifier is not None:
            with torch.no_grad():
                squares = square(outputs, FEATURES_EDGE_PX)
                classes.append(classifier.classify(squares).softmax(dim=1))
        yield outputs


@torch.no_grad()
def _distance(network: Perceptual, one: Tensor, two: Tensor) -> Tensor:
    return lpips(one, two, taps=network.taps, weights=network.weights)


def _class_scores(probabilities: Tensor, direction: Direction) -> dict[str, Score]:
    found = inception_score(probabilities)
    note = f"{STYLES} outputs of each; classes of SqueezeNet 1.1 (ImageNet), mean divergence in nats, no exp"
    values = {"is_nats": found.score, "cis_nats": found.conditional}
    return {
        f"{name}_{direction}": _directed(
            Score(value, "higher", len(probabilities), note, metric=name), direction
        )
        for name, value in values.items()
    }


def _directed(score: Score, direction: Direction) -> Score:
    return replace(score, direction=direction, against="source")
