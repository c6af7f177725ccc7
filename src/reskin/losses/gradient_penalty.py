"""The penalty on a critic's gradient that WGAN-GP adds to its adversarial loss.

Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, https://arxiv.org/abs/1704.00028.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.precision import at_least_float32


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, weight: float = 10.0
) -> Tensor:
    """Gradient penalty: keeps the discriminator's gradient norm near 1 between real and fake.

    WGAN-GP, Gulrajani et al. 2017, eq. 3.

    The slope is that of a picture's mean logit, which is the value that the "wgan-gp" loss compares, so the
    number of patches does not change it. The points are drawn with torch's default random numbers, one for
    each pair of pictures.

    Args:
        discriminator: (N, C, H, W) to (N, ...) logits; each picture is judged on its own.
        real: (N, C, H, W).
        fake: same shape as `real`; no gradient flows into it.
        weight: the factor of the penalty.

    Returns:
        A scalar, float32: weight * mean((|slope| - 1)^2).

    Raises:
        ShapeError: the shapes differ.

    >>> gradient_penalty(lambda x: 3 * x.flatten(1)[:, :1], torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
    tensor(40.)
    """
    if real.shape != fake.shape:
        raise ShapeError(
            f"wgan-gp mixes real pictures and fakes of one size: {tuple(real.shape)}, {tuple(fake.shape)}",
            "Use a --preprocess that crops, or another --adversarial.",
        )
    real, fake = at_least_float32(real.detach()), at_least_float32(fake.detach())
    share = torch.rand((len(real), *[1] * (real.dim() - 1)), device=real.device)
    with torch.enable_grad():
        between = (share * real + (1 - share) * fake).requires_grad_()
        judged = at_least_float32(discriminator(between)).mean() * len(real)
        (slopes,) = torch.autograd.grad(judged, between, create_graph=True)
        return weight * (slopes.flatten(1).norm(dim=1) - 1).square().mean()
