"""The generator of vid2vid: a new picture and the warped picture before, composed by a mask.

Wang et al., "Video-to-Video Synthesis", NeurIPS 2018, https://arxiv.org/abs/1808.06601, section 3.1; written
from the paper, without pyramids and without the branch for the foreground.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from reskin.networks.blocks import MirroredConv2d, bounded, check_input, norm_layer, upsampling
from reskin.networks.flow import warp
from reskin.networks.residual import ResidualBlock
from reskin.precision import at_least_float32

FLOW_PX = 20.0
"""What the flow's head gives is multiplied by this to give px."""


class Composed(NamedTuple):
    """A frame and what it was composed of.

    Attributes:
        image: (N, 3, H, W) in [-1, 1].
        raw: the same shape: the new picture.
        flow: (N, 2, H, W), px, from the frame to the one before.
        mask: (N, 1, H, W) in [0, 1]: share of the new picture.
    """

    image: Tensor
    raw: Tensor
    flow: Tensor
    mask: Tensor


class VideoGenerator(nn.Module):
    """A frame from three of the input and two of the output.

    Args:
        width: channels after the first layer.
        downsamplings: how often the size is halved.
        blocks: residual blocks: the larger half before the branches part, the others in each branch.

    >>> sum(p.numel() for p in VideoGenerator(32, 2, 6).parameters())
    3944230
    """

    def __init__(self, width: int = 32, downsamplings: int = 2, blocks: int = 6) -> None:
        super().__init__()
        self.multiple = 2**downsamplings
        early, late = -(-blocks // 2), blocks // 2
        self.inputs = _encoder(9, width, downsamplings, early)
        self.outputs = _encoder(6, width, downsamplings, early)
        self.image = nn.Sequential(_decoder(width, downsamplings, late), MirroredConv2d(width, 3, 7))
        self.motion = _decoder(width, downsamplings, late)
        self.flow, self.mask = MirroredConv2d(width, 2, 7), MirroredConv2d(width, 1, 7)

    def forward(self, frames: Tensor, before: Tensor, *, continues: bool = True) -> Composed:
        """Make a frame.

        Args:
            frames: (N, 9, H, W): three frames of the input, the newest last.
            before: (N, 6, H, W): the two frames made before, the newest last; zeros where there is none.
            continues: whether there is a frame before; without one the new picture is all there is.

        Raises:
            ShapeError: edges that are no multiples of 2**downsamplings, or are too short.
        """
        check_input(frames, channels=9, multiple=self.multiple, smallest=2 * self.multiple)
        features = self.inputs(frames)
        if continues:
            # Of zeros alone the encoder gives zeros: each norm of a constant map is rounding noise, enlarged.
            features = features + self.outputs(before)
        raw, motion = bounded(self.image(features)), self.motion(features)
        flow = FLOW_PX * at_least_float32(self.flow(motion))
        mask = torch.sigmoid(at_least_float32(self.mask(motion)))
        image = mask * raw + (1 - mask) * warp(before[:, 3:], flow) if continues else raw
        return Composed(image, raw, flow, mask)


def _encoder(channels: int, width: int, downsamplings: int, blocks: int) -> nn.Sequential:
    layers = [MirroredConv2d(channels, width, 7), norm_layer("instance", width), nn.ReLU(inplace=True)]
    for level in range(downsamplings):
        now = width * 2**level
        layers += [nn.Conv2d(now, 2 * now, 3, stride=2, padding=1), norm_layer("instance", 2 * now)]
        layers += [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *_blocks(width * 2**downsamplings, blocks))


def _decoder(width: int, downsamplings: int, blocks: int) -> nn.Sequential:
    layers = _blocks(width * 2**downsamplings, blocks)
    for level in reversed(range(downsamplings)):
        now = width * 2**level
        layers += [upsampling("transposed", 2 * now, now), norm_layer("instance", now), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _blocks(channels: int, count: int) -> list[nn.Module]:
    return [ResidualBlock(channels, norm="instance", has_dropout=False) for _ in range(count)]
