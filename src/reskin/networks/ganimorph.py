"""GANimorph's generator: blocks that concatenate, at four sizes.

Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1808.04325.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reskin.networks.blocks import check_input
from reskin.networks.concatenating import ConcatBlock, double_size, half_size, normed
from reskin.precision import at_least_float32


def _group(in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    """Some blocks of three convolutions; the first one brings the channels to their number."""
    sizes = [in_channels] + [out_channels] * (blocks - 1)
    return nn.Sequential(*(ConcatBlock(size, out_channels) for size in sizes))


class GanimorphGenerator(nn.Module):
    """Four downsamplings, four upsamplings, concatenating blocks and two skips; in and out in [0, 1].

    Every convolution but the first and the last has an instance norm with scale and shift, and a ReLU. No
    convolution has a bias.

    Args:
        width: channels after the first layer.
        blocks: blocks in each of the five groups: 3 in the paper; with 1 it has 23 convolutions.

    >>> GanimorphGenerator(4, 1)(torch.zeros(1, 3, 32, 48)).shape
    torch.Size([1, 3, 32, 48])
    >>> with torch.device("meta"):
    ...     print(sum(p.numel() for p in GanimorphGenerator().parameters()))
    53017728
    """

    size_multiple = 16
    smallest_size = 32  # At 16 px the middle would be one pixel, which cannot be normalised.

    def __init__(self, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        n = width
        self.stem = nn.Sequential(nn.Conv2d(3, n, 4, stride=2, padding=1, bias=False), nn.ReLU(inplace=True))
        self.down1 = nn.Sequential(half_size(n, 2 * n, "affine"), _group(2 * n, 2 * n, blocks))
        self.down2 = nn.Sequential(half_size(2 * n, 4 * n, "affine"), _group(4 * n, 4 * n, blocks))
        self.down3 = nn.Sequential(half_size(4 * n, 8 * n, "affine"), _group(8 * n, 8 * n, blocks))
        self.up2, self.join2 = self._doubled(8 * n, 4 * n), _group(8 * n, 4 * n, blocks)
        self.up1, self.join1 = self._doubled(4 * n, 2 * n), _group(4 * n, 2 * n, blocks)
        self.up0 = self._doubled(2 * n, n)
        self.head = double_size(n, 3, "transposed", bias=False)

    @staticmethod
    def _doubled(many: int, few: int) -> nn.Sequential:
        return normed(double_size(many, few, "transposed", bias=False), few, "affine")

    def forward(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, 3, H, W) in [0, 1]; H and W multiples of 16, at least 32.

        Returns:
            (N, 3, H, W), float32, in [0, 1].

        Raises:
            ShapeError: another number of channels, or a height or width that is too small or no multiple of
                16.
        """
        check_input(images, channels=3, multiple=self.size_multiple, smallest=self.smallest_size)
        skip1 = self.down1(self.stem(images))
        skip2 = self.down2(skip1)
        features = self.join2(torch.cat([self.up2(self.down3(skip2)), skip2], dim=1))
        features = self.join1(torch.cat([self.up1(features), skip1], dim=1))
        return torch.sigmoid(at_least_float32(self.head(self.up0(features))))
