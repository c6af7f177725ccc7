"""The temporal predictors of Recycle-GAN: the next frame of a video from the two before it.

Bansal et al., "Recycle-GAN: Unsupervised Video Retargeting", ECCV 2018, https://arxiv.org/abs/1808.05174; in
the two forms of its code, and one of our own that predicts the change from the newest frame.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from reskin.networks.blocks import MirroredConv2d, bounded, norm_layer
from reskin.networks.unet import UnetGenerator

PredictorKind = Literal["unet", "residual", "framewise"]
"""A U-Net on both frames; the same, added to the newest frame; or features of each frame first."""


class Predictor(nn.Module):
    """The next frame from two; see `frame_predictor`.

    Args:
        network: (N, 6, H, W), the older frame's channels before the newer one's, to (N, 3, H, W) in [-1, 1].
        is_residual: whether what it makes is added to the newer frame.
    """

    def __init__(self, network: nn.Module, *, is_residual: bool) -> None:
        super().__init__()
        self.network, self.is_residual = network, is_residual

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        """Predict a frame.

        Args:
            older: (N, 3, H, W) in [-1, 1]; H and W multiples of 2**downsamplings.
            newer: the frame behind it, the same shape.

        Returns:
            The frame behind both, the same shape, float32, in [-1, 1].

        Raises:
            ShapeError: edges that are no such multiples.
        """
        made = self.network(torch.cat([older, newer], 1))
        return (newer + made).clamp(-1, 1) if self.is_residual else made


class FramewiseNetwork(nn.Module):
    """Features of each frame by shared convolutions, then a U-Net on both ("prediction" in the code).

    Args:
        width: channels of the features of a frame behind the first convolution.
        downsamplings: of the U-Net; the authors' has 6.
    """

    def __init__(self, width: int, downsamplings: int) -> None:
        super().__init__()
        n = width
        self.frame = nn.Sequential(
            *_normed(MirroredConv2d(3, n, 7)), *_convolved(n, 2 * n), *_convolved(2 * n, 4 * n)
        )
        self.unet = UnetGenerator(16 * n, downsamplings, channels=(8 * n, 4 * n))
        self.image = nn.Sequential(*_convolved(4 * n, 2 * n), *_convolved(2 * n, n), MirroredConv2d(n, 3, 7))

    def forward(self, frames: Tensor) -> Tensor:
        """(N, 6, H, W) to (N, 3, H, W)."""
        older, newer = frames.chunk(2, dim=1)
        features = self.frame(torch.cat([older, newer])).chunk(2)
        return bounded(self.image(self.unet(torch.cat(features, 1))))


def frame_predictor(kind: PredictorKind, width: int = 64, downsamplings: int = 8) -> Predictor:
    """A predictor with PyTorch's own initial weights (see `networks.init.initialise`).

    Args:
        kind: "unet" is the paper's; "residual" adds the U-Net's image to the newer frame; "framewise" is the
            code's other one, whose U-Net is twice as wide.
        width: channels after the U-Net's first layer; for "framewise" each frame has an eighth of it.
        downsamplings: of the U-Net: 8 for 256 px, 7 for 128 px; 6 are the authors' for "framewise".

    Raises:
        SettingsError: `width` is below 1 or `downsamplings` below 2.

    >>> frame_predictor("unet", 8, 5)(torch.zeros(1, 3, 32, 64), torch.zeros(1, 3, 32, 64)).shape
    torch.Size([1, 3, 32, 64])
    """
    network: nn.Module
    if kind == "framewise":
        network = FramewiseNetwork(max(1, width // 8), downsamplings)
    else:
        network = UnetGenerator(width, downsamplings, channels=(6, 3))
    return Predictor(network, is_residual=kind == "residual")


def _convolved(channels: int, made: int) -> list[nn.Module]:
    return _normed(nn.Conv2d(channels, made, 3, padding=1))


def _normed(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, norm_layer("instance", conv.out_channels), nn.ReLU(inplace=True)]
