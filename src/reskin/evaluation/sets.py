"""Scores of sets of images from their features: each with N, network, weights, resize and spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reskin.errors import DataError
from reskin.evaluation.scores import Score, Subject
from reskin.metrics import coverage, domain, fid, kid, named_classes, neighbours
from reskin.metrics.facts import Facts
from reskin.types import Direction

METRICS = ("kid", "fid", "frechet", "coverage", "domain", "copies")
"""Those that compare features: `fid` with Inception only, `frechet` the same distance of SqueezeNet's."""

NEEDS_TRAINING = ("domain", "copies")

_RIVALS: dict[str, Subject] = {"": "output", "_input": "input", "_reinhard": "reinhard", "_real": "real"}


@dataclass(frozen=True)
class Features:
    """Features of one direction.

    Attributes:
        shown: by what was measured ("" for the output, "_input", "_reinhard"), (N, D).
        real: held-out images of the target domain, (M, D).
        training: of both domains, source first; None where they are not needed.
    """

    shown: Mapping[str, Tensor]
    real: Tensor
    training: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class _Found:
    """A number on its way to a score."""

    value: float
    spread: float
    count: int
    note: str = ""


def set_scores(
    features: Features, metrics: Sequence[str], direction: Direction, note: str
) -> dict[str, Score]:
    """Scores by name, such as "kid_a2b", "kid_input_a2b" and "kid_real_b".

    Args:
        features: of this direction.
        metrics: some of `METRICS`.
        direction: of the translation.
        note: network, weights and resize.

    Raises:
        DataError: too few images for a metric.
    """
    if min(len(features.real), *(len(each) for each in features.shown.values())) < 2:
        raise DataError(
            f"{len(features.real)} real images to compare with in direction {direction}",
            "Sets are compared from 2 images on; give more of them, or leave these --metrics out.",
        )
    measures = {
        "kid": _kid,
        "fid": _frechet,
        "frechet": _frechet,
        "coverage": _coverage,
        "domain": _domain,
        "copies": _copies,
    }
    scores: dict[str, Score] = {}
    for metric in metrics:
        for name, facts, rivals in measures[metric](features, direction):
            title = "fid" if metric == "fid" else "frechet_squeezenet" if metric == "frechet" else name
            scores |= _scores(title, facts, rivals, direction, note)
    return scores


_Measured = list[tuple[str, Facts, dict[str, _Found]]]


def _scores(
    name: str, facts: Facts, rivals: Mapping[str, _Found], direction: Direction, note: str
) -> dict[str, Score]:
    scores = {}
    for rival, found in rivals.items():
        subject = _RIVALS[rival]
        end = direction[-1] if subject == "real" else direction
        scores[f"{name}{rival}_{end}"] = Score(
            found.value,
            facts.better,
            found.count,
            "; ".join(filter(None, [note, found.note])),
            metric=name,
            direction=direction,
            subject=subject,
            against="real",
            unit=facts.unit,
            spread=found.spread if math.isfinite(found.spread) else None,
        )
    return scores


def _pairs(features: Features) -> dict[str, tuple[Tensor, Tensor]]:
    """What is compared with what: every set with all real images, and two halves of these."""
    pairs = {rival: (found, features.real) for rival, found in features.shown.items()}
    middle = len(features.real) // 2
    if middle > 1:
        pairs["_real"] = (features.real[:middle], features.real[middle:])
    return pairs


def _kid(features: Features, direction: Direction) -> _Measured:
    found = {}
    for rival, (one, other) in _pairs(features).items():
        distance = kid.kernel_distance(one, other)
        found[rival] = _Found(distance.mean, distance.error, len(one), f"against {len(other)} real images")
    return [("kid", kid.FACTS, found)]


def _frechet(features: Features, direction: Direction) -> _Measured:
    found = {}
    for rival, (one, other) in _pairs(features).items():
        statistics = fid.FeatureStatistics(), fid.FeatureStatistics()
        for each, vectors in zip(statistics, (one, other), strict=True):
            each.update(vectors)
        distance = fid.frechet_distance(*statistics)
        spread = fid.bootstrap_error(one, statistics[1]) if rival == "" else math.nan
        note = "; ".join(filter(None, [f"against {len(other)} real images", distance.warning]))
        found[rival] = _Found(distance.mean, spread, len(one), note)
    return [("frechet", fid.FACTS, found)]


def _coverage(features: Features, direction: Direction) -> _Measured:
    density: dict[str, _Found] = {}
    covered: dict[str, _Found] = {}
    for rival, (one, other) in _pairs(features).items():
        k = min(coverage.NEIGHBOURS, len(other) - 1)
        value = coverage.coverage(one, other, k=k)
        draws = [coverage.coverage(part, other, k=k) for part in _resampled(one)] if rival == "" else []
        note = f"neighbourhoods of {k} among {len(other)} real images"
        density[rival] = _Found(value.density, _deviation([d.density for d in draws]), len(one), note)
        covered[rival] = _Found(value.coverage, _deviation([d.coverage for d in draws]), len(one), note)
    return [("density", coverage.FACTS, density), ("coverage", coverage.FACTS, covered)]


def _domain(features: Features, direction: Direction) -> _Measured:
    assert features.training is not None, "the caller reads them for this metric"
    source, target = features.training
    classifier = domain.fit_domains(source, target)
    sets = {**features.shown, "_real": features.real}
    note = f"classifier of {len(source)} and {len(target)} training images"
    found = {}
    for rival, vectors in sets.items():
        share = domain.domain_share(vectors, classifier)
        found[rival] = _Found(share, _share_error(share, len(vectors)), len(vectors), note)
    return [("domain_share", domain.FACTS, found)]


def _copies(features: Features, direction: Direction) -> _Measured:
    assert features.training is not None, "the caller reads them for this metric"
    target, found = features.training[1], {}
    note = (
        f"share nearer to one of {len(target)} training images than {neighbours.QUANTILE:.0%} of "
        f"{len(features.real)} held-out real ones"
    )
    for rival, vectors in features.shown.items():
        share = neighbours.nearer_than_real(vectors, features.real, target)
        found[rival] = _Found(share, _share_error(share, len(vectors)), len(vectors), note)
    return [("nearer_than_real", neighbours.FACTS, found)]


def class_scores(
    shown: Mapping[str, Tensor], classes: Sequence[int], direction: Direction, note: str
) -> dict[str, Score]:
    """Share of images that a classifier puts into named classes.

    Args:
        shown: scores of all classes (N, C) by what was measured; "_real" for real images of the target.
        classes: their numbers.
        direction: of the translation.
        note: network and weights.

    Raises:
        ShapeError: a class that there is not.
    """
    found = {}
    for rival, scores in shown.items():
        share = named_classes.named_share(scores, classes).double().mean().item()
        found[rival] = _Found(share, _share_error(share, len(scores)), len(scores))
    names = ", ".join(str(each) for each in classes)
    about = f"{note}; class {names} among the first {named_classes.FIRST}"
    return _scores("named_share", named_classes.FACTS, found, direction, about)


def _share_error(share: float, count: int) -> float:
    """Standard error of a share of so many images."""
    return math.sqrt(share * (1 - share) / count)


def _resampled(vectors: Tensor, count: int = 20) -> list[Tensor]:
    source = torch.Generator().manual_seed(0)
    draws = (torch.randint(len(vectors), (len(vectors),), generator=source) for _ in range(count))
    return [vectors[chosen] for chosen in draws]


def _deviation(values: Sequence[float]) -> float:
    return torch.tensor(values, dtype=torch.float64).std().item() if len(values) > 1 else math.nan
