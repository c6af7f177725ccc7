"""Feature matching: generated images should have the mean features of real ones.

Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, https://arxiv.org/abs/1606.03498.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.precision import at_least_float32


def feature_distance(
    of_reals: Sequence[Tensor], of_fakes: Sequence[Tensor], over_batch: Callable[[Tensor], Tensor]
) -> Tensor:
    """Distance between the mean features of a batch of fakes and of real images; lower is closer.

    Args:
        of_reals: maps (N, C, H, W) of a discriminator, any number; no gradient is taken through them.
        of_fakes: as many maps of the same C, H, W.
        over_batch: the mean of a map over the batch, (N, C, H, W) to (1, C, H, W).

    Returns:
        A scalar, float32: the mean over maps of the mean squared difference of batch means.

    Raises:
        ShapeError: the images of both domains differ in size.

    >>> mean = lambda maps: maps.mean(dim=0, keepdim=True)
    >>> feature_distance([torch.zeros(2, 1, 1, 1)], [torch.ones(4, 1, 1, 1)], mean)
    tensor(1.)
    """
    gaps = []
    for real, fake in zip(of_reals, of_fakes, strict=True):
        if real.shape[1:] != fake.shape[1:]:
            raise ShapeError(
                "feature matching compares positions, but the images of A and B differ in size",
                "Use a --preprocess that crops, or --matching-weight 0.",
            )
        gap = over_batch(at_least_float32(fake)) - over_batch(at_least_float32(real.detach()))
        gaps.append(gap.square().mean())
    return torch.stack(gaps).mean()
