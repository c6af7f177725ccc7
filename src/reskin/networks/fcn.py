"""A compact fully convolutional network that puts every pixel of an image into a class.

Of the family of Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015
(https://arxiv.org/abs/1411.4038), in the shape of Ronneberger et al.'s U-Net (MICCAI 2015,
https://arxiv.org/abs/1505.04597); small enough to be trained on a CPU. It is not the FCN-8s of the papers:
its numbers stand beside its own score on real images and are compared with nothing else.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.networks.blocks import check_input

LEVELS = 4
"""Downsamplings."""


def _block(channels: int, out: int) -> nn.Sequential:
    """Two 3x3 convolutions with batch norm."""
    layers: list[nn.Module] = []
    for before in (channels, out):
        layers += [nn.Conv2d(before, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers)


class Fcn(nn.Module):
    """Encoder and decoder with skip connections.

    Args:
        classes: how many there are.
        width: channels at full size; four times as many at the smallest.

    >>> Fcn(11, width=4)(torch.zeros(1, 3, 50, 70)).shape
    torch.Size([1, 11, 50, 70])
    """

    def __init__(self, classes: int, *, width: int = 16) -> None:
        super().__init__()
        widths = [width * min(2**level, 4) for level in range(LEVELS + 1)]
        self.down = nn.ModuleList(
            _block(before, out) for before, out in zip([3, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            _block(widths[level] + widths[level + 1], widths[level]) for level in range(LEVELS)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the classes.

        Args:
            images: (N, 3, H, W) in [-1, 1], any size; edges are mirrored up to a multiple of 16.

        Returns:
            (N, classes, H, W), higher for a likelier class.

        Raises:
            ShapeError: other channels, or an edge below 16 px.
        """
        check_input(images, channels=3, multiple=1, smallest=2**LEVELS)
        height, width = images.shape[-2:]
        below, right = -height % 2**LEVELS, -width % 2**LEVELS
        values, found = F.pad(images.float(), (0, right, 0, below), mode="reflect"), []
        for level, block in enumerate(self.down):
            values = block(F.max_pool2d(values, 2) if level else values)
            found.append(values)
        for level in reversed(range(LEVELS)):
            larger = F.interpolate(values, scale_factor=2.0, mode="nearest")
            values = self.up[level](torch.cat([found[level], larger], dim=1))
        return self.head(values)[..., :height, :width]
