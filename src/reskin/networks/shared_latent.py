"""The networks of UNIT, whose middle two domains share.

Liu et al., "Unsupervised Image-to-Image Translation Networks", NeurIPS 2017,
https://arxiv.org/abs/1703.00848. Beyond the edges lie zeros, but for `Decoder`, where edges are mirrored.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.networks.blocks import bounded, check_input
from reskin.networks.munit import Enlarger, check_sizes
from reskin.networks.normalization import InstanceNorm2d
from reskin.networks.residual import ResidualBlock

SLOPE = 0.01
"""Of the leaky ReLUs, below 0."""


class LatentBlock(nn.Module):
    """A residual block with zeros beyond the edges; one of them in each half is what both domains share.

    Args:
        channels: of its input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return features + self.change(features)


class PrivateEncoder(nn.Module):
    """The part of an encoder that belongs to one domain: from a picture to a quarter of its size.

    Args:
        width: channels after the first layer; four times as many come out.
        blocks: residual blocks.

    Raises:
        SettingsError: `width` is below 1, or `blocks` below 0.

    >>> import torch
    >>> PrivateEncoder(4, 1)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 16, 4, 6])
    """

    def __init__(self, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        check_sizes(width, blocks + 1)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 7, padding=3), nn.LeakyReLU(SLOPE, inplace=True)]
        for now in (width, 2 * width):
            layers += [nn.Conv2d(now, 2 * now, 3, stride=2, padding=1)]
            layers += [InstanceNorm2d(2 * now), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, *(LatentBlock(4 * width) for _ in range(blocks)))

    def forward(self, images: Tensor) -> Tensor:
        """Features of a batch, to be handed to the shared block.

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


class PrivateDecoder(nn.Module):
    """The part of a decoder that belongs to one domain: from the shared block's features to a picture.

    Args:
        width: a quarter of the channels that come in.
        blocks: residual blocks.

    Raises:
        SettingsError: `width` is below 1, or `blocks` below 0.
    """

    def __init__(self, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        check_sizes(width, blocks + 1)
        layers: list[nn.Module] = [LatentBlock(4 * width) for _ in range(blocks)]
        for now in (4 * width, 2 * width):
            layers += [nn.ConvTranspose2d(now, now // 2, 3, 2, padding=1, output_padding=1)]
            layers += [InstanceNorm2d(now // 2), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(N, 4 * width, H, W) to pictures (N, 3, 4 * H, 4 * W), float32, in [-1, 1]."""
        return bounded(self.layers(features))


class DownsamplingDiscriminator(nn.Module):
    """Judges large overlapping patches: each layer halves the picture and doubles the channels.

    Args:
        width: channels after the first layer.
        layers: downsamplings.

    Raises:
        SettingsError: `width` or `layers` is below 1.

    >>> import torch
    >>> [list(logits.shape) for logits in DownsamplingDiscriminator(1)(torch.zeros(1, 3, 256, 256))]
    [[1, 1, 4, 4]]
    """

    def __init__(self, width: int = 64, layers: int = 6) -> None:
        super().__init__()
        check_sizes(width, layers)
        chain: list[nn.Module] = []
        now = 3
        for layer in range(layers):
            chain += [nn.Conv2d(now, width * 2**layer, 3, stride=2, padding=1)]
            chain += [nn.LeakyReLU(SLOPE, inplace=True)]
            now = width * 2**layer
        self.layers = nn.Sequential(*chain, nn.Conv2d(now, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Judge a batch; higher means "looks real".

        Args:
            images: (N, 3, H, W) in [-1, 1].

        Returns:
            One map of raw logits, (N, 1, h, w), in a list, as a discriminator of several scales gives them.

        Raises:
            ShapeError: another number of channels.
        """
        check_input(images, channels=3, multiple=1, smallest=1)
        return [self.layers(images)]


class Decoder(nn.Module):
    """A picture from a content code alone, as in the UNIT that MUNIT's authors published.

    Args:
        width: a quarter of the code's channels.
        blocks: residual blocks at the code's size.
    """

    def __init__(self, width: int = 64, blocks: int = 4) -> None:
        super().__init__()
        check_sizes(width, blocks)
        self.blocks = nn.Sequential(
            *(ResidualBlock(4 * width, norm="instance", has_dropout=False) for _ in range(blocks))
        )
        self.enlarger = Enlarger(width)

    def forward(self, content: Tensor) -> Tensor:
        """(N, 4 * width, H, W), H and W at least 2, to pictures (N, 3, 4 * H, 4 * W) in [-1, 1]."""
        return self.enlarger(self.blocks(content))
