"""Layers of GANimorph: a convolution with its norm and ReLU, and blocks that concatenate.

Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1808.04325.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import ResizeConv2d, Upsample
from reskin.networks.normalization import InstanceNorm2d

InstanceNorm = Literal["instance", "affine"]
"""Instance norm without parameters after biased convolutions, or with scale and shift after unbiased ones."""


def normed(convolution: nn.Module, channels: int, norm: InstanceNorm) -> nn.Sequential:
    """A convolution, its instance norm over `channels` and a ReLU.

    Raises:
        SettingsError: `norm` is not a known one.
    """
    return nn.Sequential(
        convolution, InstanceNorm2d(channels, affine=not has_bias(norm)), nn.ReLU(inplace=True)
    )


def has_bias(norm: InstanceNorm) -> bool:
    if norm not in ("instance", "affine"):
        raise SettingsError(f"unknown norm '{norm}'", "Known: affine, instance.")
    return norm == "instance"


def same_size(in_channels: int, out_channels: int, norm: InstanceNorm, *, dilation: int = 1) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, with norm and ReLU."""
    convolution = nn.Conv2d(
        in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=has_bias(norm)
    )
    return normed(convolution, out_channels, norm)


def half_size(in_channels: int, out_channels: int, norm: InstanceNorm) -> nn.Sequential:
    """A 4x4 convolution that halves the size, with norm and ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1, bias=has_bias(norm))
    return normed(convolution, out_channels, norm)


def double_size(in_channels: int, out_channels: int, upsample: Upsample, *, bias: bool) -> nn.Module:
    """A layer that doubles the size: a 4x4 transposed convolution, or enlarging and a 3x3 convolution.

    Raises:
        SettingsError: `upsample` is not a known one.
    """
    if upsample == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)
    if upsample in ("nearest", "bilinear"):
        return ResizeConv2d(in_channels, out_channels, mode=upsample, bias=bias)
    raise SettingsError(f"unknown upsample '{upsample}'", "Known: bilinear, nearest, transposed.")


class ConcatBlock(nn.Module):
    """Convolutions whose last one sees the block's input again, beside what the others made of it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        convs: 3x3 convolutions, at least 2; each with norm and ReLU.
        norm: kind of instance norm.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, convs: int = 3, norm: InstanceNorm = "affine"
    ) -> None:
        super().__init__()
        sizes = [in_channels] + [out_channels] * (convs - 1)
        self.change = nn.Sequential(*(same_size(few, out_channels, norm) for few in sizes[:-1]))
        self.join = same_size(out_channels + in_channels, out_channels, norm)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.join(torch.cat([self.change(features), features], dim=1))
