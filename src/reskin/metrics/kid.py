"""Kernel inception distance: whether two sets of pictures have the same features.

Binkowski et al., "Demystifying MMD GANs", ICLR 2018, https://arxiv.org/abs/1801.01401. The paper takes its
features from Inception v3; with another network, a number says nothing without the name of that network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("kid", "set", better="lower", best=0.0, symmetric=True, needs_features=True, is_unbiased=True)

SUBSETS, SUBSET_SIZE = 100, 1000


@dataclass(frozen=True)
class KernelDistance:
    """A distance between two sets; lower is closer.

    Attributes:
        mean: over the subsets; around 0, and so at times below it, for sets of one kind.
        deviation: over the subsets; 0 where the sets were taken whole.
        error: standard error of the value over the pictures of both sets, by the jackknife.
    """

    mean: float
    deviation: float
    error: float = 0.0


def kid(
    images: Tensor, reference: Tensor, *, features: Callable[[Tensor], Tensor], seed: int = 0
) -> KernelDistance:
    """The kernel distance between two sets of pictures in memory; lower is closer.

    Args:
        images: (N, 3, H, W), float, in [-1, 1]; N of 2 or more.
        reference: (M, 3, H, W), the same range; M of 2 or more.
        features: pictures to (N, D), such as a `SqueezeNet`.
        seed: decides the subsets.

    Raises:
        ShapeError: other shapes.
    """
    for pictures in (images, reference):
        if pictures.ndim != 4 or pictures.shape[1] != 3 or pictures.shape[2:] != reference.shape[2:]:
            raise ShapeError(
                f"sets of pictures of {tuple(images.shape)} and {tuple(reference.shape)}",
                "Both must be (N, 3, H, W) of one size.",
            )
    return kernel_distance(features(images), features(reference), seed=seed)


def kernel_distance(found: Tensor, wanted: Tensor, *, seed: int = 0) -> KernelDistance:
    """The same from features, (N, D) and (M, D): unbiased MMD² under (x·y / D + 1)³, over 100 subsets.

    Sets of up to 1000 are taken whole, so that nothing is left to random choice.

    Raises:
        ShapeError: features of different lengths, or fewer than two of a set.

    >>> x, y = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> kernel_distance(x, y).mean
    -2.375
    """
    if (
        found.ndim != 2
        or wanted.ndim != 2
        or found.shape[1] != wanted.shape[1]
        or min(len(found), len(wanted)) < 2
    ):
        raise ShapeError(
            f"features of {tuple(found.shape)} and {tuple(wanted.shape)}", "Both must be (2 or more, D)."
        )
    found, wanted = found.double(), wanted.double()
    size = min(SUBSET_SIZE, len(found), len(wanted))
    if len(found) == len(wanted) == size:
        return KernelDistance(_mmd(found, wanted), 0.0, jackknife_error(found, wanted))
    source = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(SUBSETS):
        one, two = (torch.randperm(len(every), generator=source)[:size] for every in (found, wanted))
        values.append(_mmd(found[one.to(found.device)], wanted[two.to(wanted.device)]))
    spread = torch.tensor(values, dtype=torch.float64)
    small = [every[: 2 * SUBSET_SIZE] for every in (found, wanted)]
    scale = math.sqrt(min(map(len, small)) / min(len(found), len(wanted)))
    return KernelDistance(spread.mean().item(), spread.std().item(), scale * jackknife_error(*small))


def jackknife_error(found: Tensor, wanted: Tensor) -> float:
    """Standard error of the squared discrepancy over the pictures, from leaving each out once.

    Quenouille's and Tukey's jackknife for two samples (Efron & Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 11): the variances over the pictures of either set are added.

    Args:
        found: (N, D), N of 3 or more; with fewer there is no error to be had, and nan is given.
        wanted: (M, D), M of 3 or more.
    """
    x, y = found.double(), wanted.double()
    if min(len(x), len(y)) < 3:
        return math.nan
    within_x, within_y, across = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    variance = 0.0
    for within, rows in ((within_x, across.sum(1)), (within_y, across.sum(0))):
        n, m = len(within), across.numel() // len(within)
        own = within.sum(1) - within.diagonal()
        left = (own.sum() - 2 * own) / ((n - 1) * (n - 2)) - 2 * (rows.sum() - rows) / ((n - 1) * m)
        variance += (n - 1) / n * (left - left.mean()).square().sum().item()
    return math.sqrt(variance)


def _mmd(x: Tensor, y: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy; eq. 4 of the paper."""
    n, m = len(x), len(y)
    within_x, within_y, across = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    value = (within_x.sum() - within_x.trace()) / (n * (n - 1))
    value += (within_y.sum() - within_y.trace()) / (m * (m - 1))
    return (value - 2 * across.mean()).item()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
