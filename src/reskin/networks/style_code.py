"""MUNIT's style code: the encoder that finds it, the decoder that puts it into a content code.

Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1804.04732. All edges are mirrored.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.errors import ShapeError
from reskin.networks.adain import StyledBlock
from reskin.networks.blocks import MirroredConv2d, check_input
from reskin.networks.munit import Enlarger, MirroredDownsampling, check_sizes
from reskin.precision import at_least_float32


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
