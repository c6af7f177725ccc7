"""The networks of MUNIT and UNIT: what a picture shows, and a picture from that; style_code.py has the rest.

Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1804.04732. All edges are mirrored.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.adain import LayerNorm
from reskin.networks.blocks import MirroredConv2d, bounded, check_input, mirrored
from reskin.networks.normalization import InstanceNorm2d
from reskin.networks.residual import ResidualBlock


class MirroredDownsampling(nn.Conv2d):
    """A 4x4 convolution with mirrored edges that halves height and width (rounded down).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W), H and W at least 2, to (N, out_channels, H // 2, W // 2)."""
        return super().forward(mirrored(input, 1))


class ContentEncoder(nn.Module):
    """What a picture shows, without its look: instance norm takes out colour and contrast.

    Args:
        width: channels after the first layer; the code has four times as many.
        blocks: residual blocks at a quarter of the size.

    >>> import torch
    >>> ContentEncoder(4, 1)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 16, 4, 6])
    """

    def __init__(self, width: int = 64, blocks: int = 4) -> None:
        super().__init__()
        check_sizes(width, blocks)
        layers: list[nn.Module] = [MirroredConv2d(3, width, 7), InstanceNorm2d(width), nn.ReLU(inplace=True)]
        for now in (width, 2 * width):
            layers += [MirroredDownsampling(now, 2 * now), InstanceNorm2d(2 * now), nn.ReLU(inplace=True)]
        layers += [ResidualBlock(4 * width, norm="instance", has_dropout=False) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """The content codes of a batch.

        Args:
            images: (N, 3, H, W) in [-1, 1]; H and W multiples of 4, at least 8.

        Returns:
            (N, 4 * width, H / 4, W / 4).

        Raises:
            ShapeError: another number of channels, or a height or width that is too small or no multiple of
                4.
        """
        check_input(images, channels=3, multiple=4, smallest=8)
        return self.layers(images)


class Enlarger(nn.Module):
    """The second half of a decoder: from the code's size, twice doubled, to a picture.

    Args:
        width: a quarter of the channels that come in.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for now in (4 * width, 2 * width):
            layers += [nn.Upsample(scale_factor=2), MirroredConv2d(now, now // 2, 5)]
            layers += [LayerNorm(now // 2), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, MirroredConv2d(width, 3, 7))

    def forward(self, features: Tensor) -> Tensor:
        """(N, 4 * width, H, W) to pictures (N, 3, 4 * H, 4 * W), float32, in [-1, 1]."""
        return bounded(self.layers(features))


def check_sizes(*sizes: int) -> None:
    """Refuse (SettingsError) a width or number of layers below 1."""
    if min(sizes) < 1:
        raise SettingsError(f"a network of the sizes {sizes}", "Use at least 1 for each of them.")
