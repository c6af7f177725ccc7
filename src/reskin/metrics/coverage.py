"""Density and coverage: whether outputs lie where real images do, and whether they reach all of them.

Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020,
https://arxiv.org/abs/2002.09797, eq. 4 and 5, with k = 5 as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("coverage", "numbers", better="higher", best=1.0, symmetric=False, needs_features=True)

NEIGHBOURS = 5

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Coverage:
    """Two shares; higher is better.

    Attributes:
        density: how many neighbourhoods of real images an output lies in, over k: fidelity; 1 is expected of
            real images, and it may be larger.
        coverage: share of real images whose neighbourhood holds an output: diversity; at most 1.
    """

    density: float
    coverage: float


def coverage(found: Tensor, real: Tensor, *, k: int = NEIGHBOURS) -> Coverage:
    """Density and coverage of features; higher is better.

    Args:
        found: (N, D) features of the outputs.
        real: (M, D) features of real images, M more than `k`.
        k: the neighbourhood of a real image reaches to its k-th nearest real neighbour.

    Raises:
        ShapeError: features of different lengths, or too few.

    >>> real = torch.tensor([[0.0], [1.0], [10.0]])
    >>> coverage(torch.tensor([[0.5], [0.9], [50.0]]), real, k=1)
    Coverage(density=1.3333333333333333, coverage=0.6666666666666666)
    """
    if found.ndim != 2 or real.ndim != 2 or found.shape[1] != real.shape[1] or not len(found):
        raise ShapeError(f"features of {tuple(found.shape)} and {tuple(real.shape)}", "Both must be (N, D).")
    if not 1 <= k < len(real):
        raise ShapeError(
            f"neighbourhoods of {k} among {len(real)} real images", "Give more real images than neighbours."
        )
    found, real = found.double(), real.double()
    inside, covered = 0, torch.zeros(len(real), dtype=torch.bool)
    radii = torch.cat(
        [torch.cdist(rows, real).kthvalue(k + 1, dim=1).values for rows in real.split(_ROWS_AT_ONCE)]
    )
    for rows in found.split(_ROWS_AT_ONCE):
        is_near = torch.cdist(rows, real) < radii
        inside += int(is_near.sum())
        covered |= is_near.any(dim=0).cpu()
    return Coverage(inside / (k * len(found)), covered.double().mean().item())
