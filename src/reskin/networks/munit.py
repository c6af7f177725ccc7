"""The networks of MUNIT: what a picture shows, how it looks, and a picture from both.

Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1804.04732. All edges are mirrored.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.adain import LayerNorm, StyledBlock
from reskin.networks.blocks import MirroredConv2d, bounded, check_input, mirrored
from reskin.networks.normalization import InstanceNorm2d
from reskin.networks.residual import ResidualBlock
from reskin.precision import at_least_float32


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
        layers: list[nn.Module] = [
            MirroredConv2d(3, width, 7),
            InstanceNorm2d(width),
            nn.ReLU(inplace=True),
        ]
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


class StyleEncoder(nn.Module):
    """How a picture looks, in a few numbers; no norm, for it would take out what is asked for.

    Args:
        width: channels after the first layer.
        style_size: numbers in a style code.

    >>> import torch
    >>> StyleEncoder(4, 8)(torch.zeros(2, 3, 16, 24)).shape
    torch.Size([2, 8])
    """

    def __init__(self, width: int = 64, style_size: int = 8) -> None:
        super().__init__()
        check_sizes(width, style_size)
        layers: list[nn.Module] = [MirroredConv2d(3, width, 7), nn.ReLU(inplace=True)]
        for now, then in ((1, 2), (2, 4), (4, 4), (4, 4)):
            layers += [MirroredDownsampling(now * width, then * width), nn.ReLU(inplace=True)]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Conv2d(4 * width, style_size, 1), nn.Flatten()]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """The styles of a batch.

        Args:
            images: (N, 3, H, W) in [-1, 1]; H and W at least 16.

        Returns:
            (N, style_size), float32.

        Raises:
            ShapeError: another number of channels, or a height or width that is too small.
        """
        check_input(images, channels=3, multiple=1, smallest=16)
        return at_least_float32(self.layers(images))


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


class StyledDecoder(nn.Module):
    """A picture from a content code and a style, which reaches it through AdaIN only.

    Args:
        width: a quarter of the code's channels.
        blocks: residual blocks at the code's size, two AdaIN in each.
        style_size: numbers in a style code.
        mlp_width: channels of the two hidden layers that make AdaIN's numbers from a style.
    """

    def __init__(
        self, width: int = 64, blocks: int = 4, *, style_size: int = 8, mlp_width: int = 256
    ) -> None:
        super().__init__()
        check_sizes(width, blocks, style_size, mlp_width)
        self.blocks = nn.ModuleList(StyledBlock(4 * width) for _ in range(blocks))
        self.enlarger = Enlarger(width)
        self.mlp = nn.Sequential(
            nn.Linear(style_size, mlp_width),
            nn.ReLU(inplace=True),
            nn.Linear(mlp_width, mlp_width),
            nn.ReLU(inplace=True),
            nn.Linear(mlp_width, blocks * 2 * 2 * 4 * width),
        )

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Draw the content in a style.

        Args:
            content: (N, 4 * width, H, W), H and W at least 2.
            style: (N, style_size), one for each content.

        Returns:
            (N, 3, 4 * H, 4 * W), float32, in [-1, 1].

        Raises:
            ShapeError: there are not as many styles as contents.
        """
        if len(content) != len(style):
            raise ShapeError(f"{len(content)} contents and {len(style)} styles", "Give as many of each.")
        # (N, blocks, AdaIN in the block, shift and scale, channels)
        looks = self.mlp(style).unflatten(1, (len(self.blocks), 2, 2, -1))
        features = content
        for block, look in zip(self.blocks, looks.unbind(1), strict=True):
            features = block(features, look)
        return self.enlarger(features)


def check_sizes(*sizes: int) -> None:
    """Refuse (SettingsError) a width or number of layers below 1."""
    if min(sizes) < 1:
        raise SettingsError(f"a network of the sizes {sizes}", "Use at least 1 for each of them.")
