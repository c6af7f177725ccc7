"""A reduced form of GANimorph's generator, for little data and one GPU.

Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1808.04325.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import Upsample, bounded, check_input
from reskin.networks.concatenating import (
    ConcatBlock,
    InstanceNorm,
    double_size,
    half_size,
    has_bias,
    normed,
)

Layout = Literal["concatenate", "add"]
"""Where the reduced generator has its blocks and how its skip joins; the two known readings of its design."""


class LiteGenerator(nn.Module):
    """The reduced generator: three downsamplings, blocks of two convolutions, one skip; in [-1, 1].

    Its figure is lost; both layouts are inferred from what is reported of it (about 5.7 million weights,
    blocks of two convolutions). "concatenate" has two blocks in the middle, one after each of two doublings
    and a skip that is concatenated; "add" has two in the middle, one each before and after them and a skip
    that is added.

    Args:
        width: channels after the first layer.
        upsample: how it grows pictures.
        norm: kind of instance norm.
        layout: "concatenate" or "add".

    Raises:
        SettingsError: a name is unknown.

    >>> LiteGenerator(4)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 3, 16, 24])
    >>> with torch.device("meta"):
    ...     print(sum(p.numel() for p in LiteGenerator().parameters()))
    5705731
    """

    size_multiple = 8
    smallest_size = 16  # At 8 px the middle would be one pixel, which cannot be normalised.

    def __init__(
        self,
        width: int = 64,
        *,
        upsample: Upsample = "transposed",
        norm: InstanceNorm = "instance",
        layout: Layout = "concatenate",
    ) -> None:
        super().__init__()
        n, bias = width, has_bias(norm)
        if layout not in ("concatenate", "add"):
            raise SettingsError(f"unknown layout '{layout}'", "Known: add, concatenate.")
        self.concatenates = layout == "concatenate"

        def block(in_channels: int, out_channels: int) -> ConcatBlock:
            return ConcatBlock(in_channels, out_channels, convs=2, norm=norm)

        def doubled(many: int, few: int) -> nn.Sequential:
            return normed(double_size(many, few, upsample, bias=bias), few, norm)

        self.stem = nn.Sequential(nn.Conv2d(3, n, 4, stride=2, padding=1, bias=bias), nn.ReLU(inplace=True))
        self.down1 = nn.Sequential(half_size(n, 2 * n, norm))
        self.down2 = nn.Sequential(half_size(2 * n, 4 * n, norm), block(4 * n, 4 * n), block(4 * n, 4 * n))
        self.up1 = doubled(4 * n, 2 * n)
        self.up0 = nn.Sequential(doubled(2 * n, n))
        if self.concatenates:
            self.join1 = block(4 * n, 2 * n)
            self.up0.append(block(n, n))
        else:
            self.down1.append(block(2 * n, 2 * n))
            self.join1 = block(2 * n, 2 * n)
        self.head = double_size(n, 3, upsample, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, 3, H, W) in [-1, 1]; H and W multiples of 8, at least 16.

        Returns:
            (N, 3, H, W), float32, in [-1, 1].

        Raises:
            ShapeError: another number of channels, or a height or width that is too small or no multiple of
                8.
        """
        check_input(images, channels=3, multiple=self.size_multiple, smallest=self.smallest_size)
        skip = self.down1(self.stem(images))
        features = self.up1(self.down2(skip))
        features = torch.cat([features, skip], dim=1) if self.concatenates else features + skip
        return bounded(self.head(self.up0(self.join1(features))))
