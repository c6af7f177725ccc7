"""The networks of SimGAN: a refiner that keeps the size all the way, and a judge of small patches.

Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017,
https://arxiv.org/abs/1612.07828.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import MirroredConv2d, bounded, check_input


class RefinerBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input, then ReLU; no normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = MirroredConv2d(channels, channels, 3)
        self.conv2 = MirroredConv2d(channels, channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return torch.relu(features + self.conv2(torch.relu(self.conv1(features))))


class Refiner(nn.Module):
    """A 3x3 convolution, blocks at full size, a 1x1 convolution; see `refiner`."""

    def __init__(self, width: int, blocks: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.stem = nn.Sequential(MirroredConv2d(channels, width, 3), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*(RefinerBlock(width) for _ in range(blocks)))
        self.head = nn.Conv2d(width, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Refine a batch.

        Args:
            images: (N, channels, H, W) in [-1, 1]; at least 2 px high and wide.

        Returns:
            The same shape, float32, in [-1, 1].

        Raises:
            ShapeError: another number of channels, or a height or width below 2 px.
        """
        check_input(images, channels=self.channels, multiple=1, smallest=2)
        return bounded(self.head(self.blocks(self.stem(images))))


def refiner(width: int = 64, blocks: int = 4, *, channels: int = 3) -> Refiner:
    """The refiner of SimGAN, with PyTorch's own initial weights. Each output value sees 19 px (4 blocks).

    Args:
        width: channels in between.
        blocks: residual blocks; the paper has 4 for eyes, 10 for hands.
        channels: of the pictures; 1 for the paper's grey ones.

    Raises:
        SettingsError: `width` is below 1 or `blocks` below 0.

    >>> sum(p.numel() for p in refiner(channels=1).parameters())
    296129
    """
    if width < 1 or blocks < 0:
        raise SettingsError(f"a refiner of width {width} with {blocks} blocks", "Use a width of at least 1.")
    return Refiner(width, blocks, channels)


class LocalDiscriminator(nn.Module):
    """Judges each small patch of a picture: refined or real; see `local_discriminator`."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 3 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(3 * width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Judge a batch.

        Args:
            images: (N, channels, H, W) in [-1, 1].

        Returns:
            (N, 2, ceil(H / 4), ceil(W / 4)): raw logits of "refined" and "real" for each position.

        Raises:
            ShapeError: another number of channels.
        """
        check_input(images, channels=self.channels, multiple=1, smallest=1)
        return self.layers(images)


def local_discriminator(width: int = 32, *, channels: int = 3) -> LocalDiscriminator:
    """The discriminator of SimGAN, with PyTorch's own initial weights.

    Args:
        width: channels before the last layer; the first has three times as many.
        channels: of the pictures; 1 for the paper's grey ones.

    Raises:
        SettingsError: `width` is below 1.

    >>> sum(p.numel() for p in local_discriminator(channels=1).parameters())
    75906
    """
    if width < 1:
        raise SettingsError(f"a discriminator of width {width}", "Use a width of at least 1.")
    return LocalDiscriminator(width, channels)
