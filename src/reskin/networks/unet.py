"""The U-Net generator of pix2pix: an encoder and a decoder with skip connections at every size.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
https://arxiv.org/abs/1611.07004.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import Norm, bounded, check_input, needs_bias, norm_layer


class UnetGenerator(nn.Module):
    """`downsamplings` 4x4 convolutions down, as many transposed ones up, with PyTorch's own initial weights.

    `down[k]` and `up[k]` are the two ends of level k, counted from the outside. Between them lies everything
    deeper, and `up[k]` also sees what `down[k]` gave.

    Args:
        width: channels after the first layer; deeper ones have 2, 4 and then 8 times as many.
        downsamplings: how often the size is halved: 8 for 256 px, 7 for 128 px. Height and width must be
            multiples of 2**downsamplings.
        channels: of the pictures that go in and that come out.
        norm: pix2pix uses "batch".
        has_dropout: drop half of the values in the inner levels while training; acts from 6 downsamplings on.

    Raises:
        SettingsError: `width` is below 1, `downsamplings` below 2, or a name is unknown.

    >>> UnetGenerator(4, 3)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 3, 16, 24])
    >>> with torch.device("meta"):  # no memory is taken, nothing is computed
    ...     network = UnetGenerator(norm="batch")
    >>> sum(p.numel() for p in network.parameters())
    54413955
    """

    def __init__(
        self,
        width: int = 64,
        downsamplings: int = 8,
        *,
        channels: tuple[int, int] = (3, 3),
        norm: Norm = "instance",
        has_dropout: bool = False,
    ) -> None:
        super().__init__()
        if width < 1 or downsamplings < 2:
            raise SettingsError(
                f"a U-Net of width {width} with {downsamplings} downsamplings",
                "Use a width of at least 1 and 2 downsamplings or more.",
            )
        self.in_channels, self.out_channels = channels
        self.size_multiple = 2**downsamplings
        bias = needs_bias(norm)
        widths = [width * min(2**level, 8) for level in range(downsamplings)]
        innermost = downsamplings - 1
        self.down = nn.ModuleList([nn.Conv2d(self.in_channels, width, 4, stride=2, padding=1, bias=bias)])
        self.up = nn.ModuleList()
        for level in range(1, downsamplings):
            conv = nn.Conv2d(widths[level - 1], widths[level], 4, stride=2, padding=1, bias=bias)
            layers = [nn.LeakyReLU(0.2), conv]  # Not in place: the skip connection still needs the input.
            if level < innermost:  # One pixel cannot be normalised.
                layers.append(norm_layer(norm, widths[level]))
            self.down.append(nn.Sequential(*layers))
        for level in range(downsamplings):
            seen = widths[level] * (1 if level == innermost else 2)
            made = self.out_channels if level == 0 else widths[level - 1]
            conv_up = nn.ConvTranspose2d(seen, made, 4, stride=2, padding=1, bias=bias or level == 0)
            layers = [nn.ReLU(), conv_up]
            if level > 0:
                layers.append(norm_layer(norm, made))
            if has_dropout and 4 <= level < innermost:  # downsamplings - 5 levels, next to the innermost
                layers.append(nn.Dropout(0.5))
            self.up.append(nn.Sequential(*layers))

    def forward(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, in_channels, H, W) in [-1, 1]; H and W multiples of `size_multiple`.

        Returns:
            (N, out_channels, H, W), float32, in [-1, 1].

        Raises:
            ShapeError: another number of channels, or a height or width that is no multiple of
                `size_multiple`.
        """
        check_input(
            images, channels=self.in_channels, multiple=self.size_multiple, smallest=self.size_multiple
        )
        features, skips = images, []
        for layer in self.down:
            features = layer(features)
            skips.append(features)
        features = self.up[-1](skips.pop())
        for layer in reversed(self.up[:-1]):
            features = layer(torch.cat([skips.pop(), features], dim=1))
        return bounded(features)
