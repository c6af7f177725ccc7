"""Normalisations that a style or the whole picture decides on.

AdaIN: Huang and Belongie, "Arbitrary Style Transfer in Real-Time with Adaptive Instance Normalization",
ICCV 2017, https://arxiv.org/abs/1703.06868; `LayerNorm` is that of MUNIT's decoder (Huang et al., ECCV 2018,
https://arxiv.org/abs/1804.04732).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.errors import ShapeError
from reskin.networks.blocks import MirroredConv2d
from reskin.networks.normalization import instance_norm
from reskin.precision import at_least_float32


def adain(features: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """The features with the mean and the spread that a style asks for, in every picture and channel.

    Args:
        features: (N, C, H, W), more than one pixel.
        shift: (N, C), the new means.
        scale: (N, C), the new standard deviations.

    Returns:
        (features - mean) / sqrt(variance + 1e-5) * scale + shift, shaped as `features`; the variance is the
        biased one of a picture's channel.

    Raises:
        ShapeError: `shift` or `scale` is not (N, C).

    >>> row = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4)
    >>> adain(row, torch.tensor([[10.0]]), torch.tensor([[2.0]])).flatten()
    tensor([ 7.3167,  9.1056, 10.8944, 12.6833])
    """
    if not shift.shape == scale.shape == features.shape[:2]:
        raise ShapeError(
            f"a shift of {tuple(shift.shape)} and a scale of {tuple(scale.shape)} for features of "
            f"{tuple(features.shape)}",
            "Give both one number for each picture and channel.",
        )
    plain = instance_norm(features)
    return torch.addcmul(shift[..., None, None].to(plain), plain, scale[..., None, None].to(plain))


class LayerNorm(nn.Module):
    """Brings each picture's features, all channels together, to mean 0 and spread 1; then scales channels.

    This is MUNIT's own: the standard deviation is the unbiased one and 1e-5 is added to it, not to the
    variance; so it is not quite torch's GroupNorm with one group. The scales start anywhere in 0 to 1.

    Args:
        channels: C of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        variance, mean = torch.var_mean(at_least_float32(features), dim=(1, 2, 3), keepdim=True)
        # A root has no slope at 0: features that are all alike get no gradient there, not a broken one.
        spread = variance.clamp(min=1e-12).sqrt() + 1e-5
        factor = self.scale[:, None, None] / spread
        return torch.addcmul(self.shift[:, None, None] - mean * factor, features, factor).to(features.dtype)


class StyledBlock(nn.Module):
    """A residual block whose two normalisations are AdaIN, fed from outside.

    Args:
        channels: of its input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = MirroredConv2d(channels, channels, 3)
        self.conv2 = MirroredConv2d(channels, channels, 3)

    def forward(self, features: Tensor, look: Tensor) -> Tensor:
        """Change the features.

        Args:
            features: (N, C, H, W).
            look: (N, 2, 2, C): for the first and the second AdaIN, the shift and then the scale.

        Returns:
            The shape of `features`.
        """
        first, second = look.unbind(1)
        change = F.relu(adain(self.conv1(features), first[:, 0], first[:, 1]))
        return features + adain(self.conv2(change), second[:, 0], second[:, 1])
