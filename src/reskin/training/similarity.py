"""How similar translations are to their inputs and to real images of the other domain, without pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

GREY_BELOW = 0.05
"""An image whose values spread less than this around their mean is grey: it has no colours to invert."""
NEGATIVE_BELOW = -0.5
"""So strong a correlation with the input is a negative's: red for blue on grey stays above -0.4."""
VARIED_ABOVE = 0.03
"""Pictures that differ less than this, in [-1, 1], have no diversity that a translation could lose."""
_EDGE, _TONES = 64, 256


@dataclass(frozen=True)
class Similarity:
    """What the monitor measures on one row of translations.

    Attributes:
        correlation: mean over images of the correlation with the input, -1 to 1; 0 where all are grey.
        inverted_share: share of the images that are not grey whose correlation is that of a negative.
        tone_distance: distance of the outputs' tones from the other domain's, as a share of the distance of
            the inputs' tones or of the negated outputs', whichever is more; 0 where all are the same.
        change: mean |output - input|, in [-1, 1].
        domain_distance: the least that pixels must change on average, in [-1, 1], for the tones of one domain
            to become the other's, less what two halves of a domain differ at random. A sound translation
            changes more.
        diversity: how far outputs differ from each other, as a share of how far inputs and real images of
            the other domain do, whichever is less; inf where those hardly differ.
    """

    correlation: float
    inverted_share: float
    tone_distance: float
    change: float
    domain_distance: float
    diversity: float


def similarity(inputs: Tensor, outputs: Tensor, targets: Tensor) -> Similarity:
    """Measure translations.

    Args:
        inputs: (N, 3, H, W), float32, in [-1, 1].
        outputs: their translations, same shape and range.
        targets: (M, 3, H', W'), real images of the other domain, which need not show the same things.
    """
    inputs, outputs, targets = _thinned(inputs), _thinned(outputs), _thinned(targets)
    correlations = _correlations(inputs, outputs)
    tones = {"in": _tones(inputs), "out": _tones(outputs), "real": _tones(targets)}
    by_chance = 0.5 * (_distance_of_halves(inputs) + _distance_of_halves(targets))
    farthest = max(_distance(those, tones["real"]) for those in (tones["in"], -tones["out"].flip(1)))
    wanted = min(_diversity(inputs), _diversity(targets))
    return Similarity(
        correlation=correlations.mean().item() if len(correlations) else 0.0,
        inverted_share=(correlations < NEGATIVE_BELOW).float().mean().item() if len(correlations) else 0.0,
        tone_distance=_distance(tones["out"], tones["real"]) / max(farthest, 1e-8),
        change=(outputs - inputs).abs().mean().item(),
        domain_distance=max(0.0, _distance(tones["in"], tones["real"]) - by_chance),
        diversity=_diversity(outputs) / wanted if wanted > VARIED_ABOVE else float("inf"),
    )


def _thinned(images: Tensor) -> Tensor:
    """Every second, third ... pixel of large images: some thousands are as good as all, in less time."""
    step = max(1, min(images.shape[-2:]) // _EDGE)
    return images[..., ::step, ::step]


def _correlations(one: Tensor, other: Tensor) -> Tensor:
    """(n,) correlation of each pair of images over all pixels and channels; grey images are left out."""
    first, second = (
        (images - images.mean(dim=(1, 2, 3), keepdim=True)).flatten(1) for images in (one, other)
    )
    spread = first.square().mean(dim=1).sqrt(), second.square().mean(dim=1).sqrt()
    has_colours = (spread[0] > GREY_BELOW) & (spread[1] > GREY_BELOW)
    return ((first * second).mean(dim=1) / (spread[0] * spread[1]).clamp(min=1e-8))[has_colours]


def _tones(images: Tensor) -> Tensor:
    """(3, 256): for each channel, evenly spaced quantiles of all pixels."""
    values = images.transpose(0, 1).flatten(1).sort(dim=1).values
    return values[:, torch.linspace(0, values.shape[1] - 1, _TONES).round().long()]


def _distance(one: Tensor, other: Tensor) -> float:
    """Mean distance between two sets of tones: the 1-Wasserstein distance of their channels.

    No way of pairing pixels moves them by less, so a translation to these tones changes at least this much.
    """
    return (one - other).abs().mean().item()


def _distance_of_halves(images: Tensor) -> float:
    """How far the tones of two halves of one domain are apart; inf for a single image."""
    if len(images) < 2:
        return float("inf")
    return _distance(_tones(images[::2]), _tones(images[1::2]))


def _diversity(images: Tensor) -> float:
    """Mean over pixels of the spread between images, in [-1, 1]; 0 for a single one."""
    return images.std(dim=0, correction=0).mean().item()
