"""Instance norm with a gradient that is right for every memory layout.

On a CPU, torch 2.13 returns a wrong gradient of `F.instance_norm` at batch 1 where the incoming gradient lies
in channels-last order: one `permute` behind a norm is enough. Every instance norm of this package is made
here, and hands the incoming gradient on in the plain order.

Ulyanov et al., "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016,
https://arxiv.org/abs/1607.08022.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def instance_norm(
    features: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Each channel of each picture with mean 0 and variance 1, then scaled and shifted.

    Args:
        features: (N, C, H, W), more than one pixel.
        weight: (C,), the scales; none by default.
        bias: (C,), the shifts; none by default.
        eps: added to the (biased) variance.

    Returns:
        The shape of `features`.

    >>> instance_norm(torch.tensor([[[[1.0, 3.0]]]])).round(decimals=4).tolist()
    [[[[-1.0, 1.0]]]]
    """
    normed = F.instance_norm(features, weight=weight, bias=bias, eps=eps)
    # Only the CPU's kernel has the fault; a compiled graph has kernels of its own.
    if normed.requires_grad and normed.device.type == "cpu" and not torch.compiler.is_compiling():
        normed.register_hook(_in_plain_order)
    return normed


class InstanceNorm2d(nn.InstanceNorm2d):
    """`instance_norm` as a layer, without running statistics.

    Args:
        channels: C of the features.
        affine: whether scales and shifts are learnt.
        eps: added to the variance.

    >>> list(InstanceNorm2d(8).parameters())
    []
    """

    def __init__(self, channels: int, *, affine: bool = False, eps: float = 1e-5) -> None:
        super().__init__(channels, affine=affine, eps=eps)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return instance_norm(input, self.weight, self.bias, self.eps)


def _in_plain_order(grad: Tensor) -> Tensor:
    return grad.contiguous()
