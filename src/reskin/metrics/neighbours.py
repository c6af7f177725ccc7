"""Nearest training neighbours: does a model repeat images that it learnt from?

For each output the nearest training image of the target domain by the features of a network. Held-out real
images say how near is near: Meehan et al., "A Non-Parametric Test to Detect Data-Copying in Generative
Models", AISTATS 2020, https://arxiv.org/abs/2004.05675, compare the same two distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("nearer_than_real", "numbers", better="lower", best=0.0, symmetric=False, needs_features=True)

QUANTILE = 0.05
"""An output counts as suspiciously near if it is nearer than this share of held-out real images."""

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of some features.

    Attributes:
        distances: (N,) to the nearest.
        indices: (N,) which it is.
    """

    distances: Tensor
    indices: Tensor


def nearest(found: Tensor, training: Tensor) -> Neighbours:
    """The nearest of the training features (M, D) to each of the found (N, D), in Euclidean distance.

    Raises:
        ShapeError: features of different lengths, or none.

    >>> nearest(torch.tensor([[1.0], [7.0]]), torch.tensor([[0.0], [5.0]])).indices.tolist()
    [0, 1]
    """
    if found.ndim != 2 or training.ndim != 2 or found.shape[1] != training.shape[1] or not len(training):
        raise ShapeError(
            f"features of {tuple(found.shape)} and {tuple(training.shape)}", "Both must be (N, D)."
        )
    parts = [torch.cdist(rows.double(), training.double()).min(dim=1) for rows in found.split(_ROWS_AT_ONCE)]
    return Neighbours(torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts]))


def nearer_than_real(found: Tensor, held_out: Tensor, training: Tensor) -> float:
    """Share of outputs that are suspiciously near to a training image; lower is better.

    Args:
        found: (N, D) features of outputs.
        held_out: (K, D) features of real images that were not trained on.
        training: (M, D) features of the training images of the same domain.

    Returns:
        In [0, 1]; about `QUANTILE` is what real images get.

    Raises:
        ShapeError: features of different lengths, or none.

    >>> training = torch.tensor([[0.0], [10.0]])
    >>> nearer_than_real(torch.tensor([[0.0], [5.0]]), torch.tensor([[2.0], [3.0]]), training)
    0.5
    """
    if not len(found) or not len(held_out):
        raise ShapeError("no images to compare with the training images", "Give one or more of each.")
    limit = nearest(held_out, training).distances.quantile(QUANTILE)
    return (nearest(found, training).distances < limit).double().mean().item()
