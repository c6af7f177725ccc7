"""LPIPS diversity: how different the outputs of one input are from each other.

Zhu et al., "Toward Multimodal Image-to-Image Translation", NeurIPS 2017, https://arxiv.org/abs/1711.11586,
and MUNIT (https://arxiv.org/abs/1804.04732), section 5.2: 100 inputs, 19 random pairs of outputs of
each, 1,900 distances. Noise is most diverse of all: it says nothing without a measure of quality beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts(
    "diversity", "numbers", better="higher", best=float("inf"), symmetric=False, needs_features=True
)

INPUTS, PAIRS = 100, 19


@dataclass(frozen=True)
class Diversity:
    """Mean distance between outputs of one input; higher is more diverse.

    Attributes:
        mean: over all pairs.
        of_inputs: the mean of each input.
        pairs: of each input.
    """

    mean: float
    of_inputs: tuple[float, ...]
    pairs: int


def diversity(
    outputs: Iterable[Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    *,
    pairs: int = PAIRS,
    seed: int = 0,
) -> Diversity:
    """Mean distance between random pairs of outputs of the same input; higher is more diverse.

    Args:
        outputs: for each input its outputs under random styles, (S, 3, H, W), S of 2 or more.
        distance: of two batches, (P,): LPIPS with a network and its weights.
        pairs: of each input; a pair is of two different outputs.
        seed: decides the pairs.

    Raises:
        ShapeError: no inputs, or one output of an input.

    >>> levels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    >>> diversity([levels], lambda one, two: (one - two).abs().mean(dim=(1, 2, 3))).mean
    1.0
    """
    source = torch.Generator().manual_seed(seed)
    means = []
    for each in outputs:
        if each.ndim != 4 or len(each) < 2:
            raise ShapeError(f"outputs of shape {tuple(each.shape)}", "Wanted (2 or more, 3, H, W).")
        first = torch.randint(len(each), (pairs,), generator=source)
        second = (first + torch.randint(1, len(each), (pairs,), generator=source)) % len(each)
        means.append(distance(each[first], each[second]).double().mean().item())
    if not means:
        raise ShapeError("diversity of no inputs", "Give one input or more.")
    return Diversity(sum(means) / len(means), tuple(means), pairs)
