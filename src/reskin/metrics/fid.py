"""Fréchet distance between the features of two sets of images, taken as two Gaussians.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
2017, https://arxiv.org/abs/1706.08500. It is called FID only with the features of Inception
(`reskin.networks.inception`), and then images are brought to 299 px by `clean_resize`. It is too large for
few images, by an amount that differs from model to model (Chong and Forsyth, CVPR 2020): below
`FEWEST_IMAGES` it compares nothing, and KID stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reskin.errors import ShapeError
from reskin.images import Picture
from reskin.metrics.facts import Facts

FACTS = Facts("fid", "set", better="lower", best=0.0, symmetric=True, needs_features=True)

FEWEST_IMAGES = 2000
"""With fewer images of a set the number comes with a warning."""

RESAMPLES = 20


class FeatureStatistics:
    """Mean and covariance of features that are given a few at a time; the features are not kept.

    Attributes:
        count: features seen so far.

    >>> statistics = FeatureStatistics()
    >>> statistics.update(torch.tensor([[0.0], [1.0]]))
    >>> statistics.update(torch.tensor([[5.0]]))
    >>> statistics.compute()[1].item()
    7.0
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean, self._scatter = torch.zeros(0), torch.zeros(0)

    def update(self, features: Tensor) -> None:
        """Take in more features, (N, D).

        Raises:
            ShapeError: not (N, D), or another D than before.
        """
        dim = self._mean.shape[0] if self.count else features.shape[-1]
        if features.ndim != 2 or features.shape[1] != dim:
            raise ShapeError(f"features of {tuple(features.shape)}", f"Wanted (N, {dim}).")
        if not len(features):
            return
        new = features.detach().double().cpu()
        mean = new.mean(dim=0)
        centred = new - mean
        scatter = centred.T @ centred
        if not self.count:
            self.count, self._mean, self._scatter = len(new), mean, scatter
            return
        # Chan, Golub and LeVeque 1979: no difference of large sums.
        total, away = self.count + len(new), mean - self._mean
        self._scatter += scatter + torch.outer(away, away) * (self.count * len(new) / total)
        self._mean += away * (len(new) / total)
        self.count = total

    def compute(self) -> tuple[Tensor, Tensor]:
        """Mean (D,) and unbiased covariance (D, D), float64.

        Raises:
            ShapeError: fewer than two features.
        """
        if self.count < 2:
            raise ShapeError(f"statistics of {self.count} features", "Give two images or more.")
        return self._mean, self._scatter / (self.count - 1)


@dataclass(frozen=True)
class FrechetDistance:
    """A distance between two sets; lower is closer.

    Attributes:
        mean: the squared Fréchet distance.
        counts: images of the two sets.
    """

    mean: float
    counts: tuple[int, int]

    @property
    def warning(self) -> str:
        """Why the number compares with no other; empty where there are enough images."""
        if min(self.counts) >= FEWEST_IMAGES:
            return ""
        return f"too large by an unknown amount: {min(self.counts)} images, wanted {FEWEST_IMAGES:,}"


def fid(images: Tensor, reference: Tensor, *, features: Callable[[Tensor], Tensor]) -> FrechetDistance:
    """The squared Fréchet distance between two sets of images in memory; lower is closer.

    Args:
        images: (N, 3, H, W), float, in [-1, 1]; N of 2 or more.
        reference: (M, 3, H, W), the same range; M of 2 or more.
        features: images to (N, D), such as an `Inception`.

    Raises:
        ShapeError: other shapes.
    """
    for each in (images, reference):
        if each.ndim != 4 or each.shape[1] != 3 or each.shape[2:] != reference.shape[2:]:
            raise ShapeError(
                f"sets of images of {tuple(images.shape)} and {tuple(reference.shape)}",
                "Both must be (N, 3, H, W) of one size.",
            )
    sets = FeatureStatistics(), FeatureStatistics()
    for statistics, each in zip(sets, (images, reference), strict=True):
        statistics.update(features(each))
    return frechet_distance(*sets)


def frechet_distance(found: FeatureStatistics, wanted: FeatureStatistics) -> FrechetDistance:
    """The same from statistics.

    Raises:
        ShapeError: features of different lengths, or fewer than two of a set.

    >>> one, two = FeatureStatistics(), FeatureStatistics()
    >>> one.update(torch.tensor([[0.0], [2.0]])), two.update(torch.tensor([[3.0], [5.0]]))
    (None, None)
    >>> round(frechet_distance(one, two).mean, 6)
    9.0
    """
    (mean_x, cov_x), (mean_y, cov_y) = found.compute(), wanted.compute()
    if mean_x.shape != mean_y.shape:
        raise ShapeError(f"features of {len(mean_x)} and {len(mean_y)} numbers", "Use one network for both.")
    # The roots of the eigenvalues of a product of two covariances are the singular values of the product of
    # their roots, which are real and not negative whatever rounding does.
    shared = torch.linalg.svdvals(_root(cov_x) @ _root(cov_y)).sum()
    value = (mean_x - mean_y).square().sum() + cov_x.trace() + cov_y.trace() - 2 * shared
    return FrechetDistance(max(0.0, value.item()), (found.count, wanted.count))


def bootstrap_error(features: Tensor, wanted: FeatureStatistics, *, seed: int = 0) -> float:
    """Deviation of the distance over `RESAMPLES` bootstrap samples of the judged images, (N, D)."""
    mean, covariance = wanted.compute()
    root = _root(covariance)
    source = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(RESAMPLES):
        chosen = features.double()[torch.randint(len(features), (len(features),), generator=source)]
        centred = (chosen - chosen.mean(dim=0)) / math.sqrt(len(chosen) - 1)
        shared = torch.linalg.svdvals(centred @ root).sum()
        away = (chosen.mean(dim=0) - mean).square().sum()
        values.append(away + centred.square().sum() + covariance.trace() - 2 * shared)
    return float(torch.stack(values).std())


def clean_resize(image: Picture, edge: int) -> Tensor:
    """An image as the features of FID are to be taken of it: no rounding, no aliasing.

    Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022,
    https://arxiv.org/abs/2104.11222: Pillow's bicubic with antialiasing, channel by channel, in float32.

    Args:
        image: (H, W, 3) uint8.
        edge: of the square, px; the shape is not kept.

    Returns:
        (1, 3, edge, edge) float32 in [-1, 1], past which bicubic may reach a little.
    """
    size = (edge, edge)
    channels = [
        np.asarray(Image.fromarray(image[..., c].astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
        for c in range(3)
    ]
    return torch.from_numpy(np.stack(channels))[None] / 127.5 - 1.0


def _root(covariance: Tensor) -> Tensor:
    """The symmetric root of a covariance; eigenvalues that are rounding noise count as 0."""
    values, vectors = torch.linalg.eigh(covariance)
    least = values.max().clamp_min(0) * len(values) * torch.finfo(values.dtype).eps
    roots = torch.where(values > least, values, 0.0).sqrt()
    return (vectors * roots) @ vectors.T
