"""The network that paints a picture in one style in a single pass.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016,
https://arxiv.org/abs/1603.08155.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import Upsample, check_input, mirrored, upsampling
from reskin.networks.normalization import InstanceNorm2d
from reskin.precision import at_least_float32

Layout = Literal["pytorch", "tensorflow"]
"""The form of the layers. pytorch: mirrored edges, biases and a bare last layer; tensorflow: zeros beyond the
edges, no biases and a norm after every layer. Both are the common form in networks of that library."""

Output = Literal["linear", "tanh"]
"""How the last layer gives its levels: as they are, or as 150 * tanh + 127.5."""


class EdgeConv2d(nn.Conv2d):
    """A convolution of odd `kernel_size` that divides the size by `stride`, with the edges of a layout.

    Where TensorFlow halves a picture of even size, what is missing is added on the right and below only.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd, in px.
        stride: 1 or 2.
        layout: "pytorch" mirrors the edges and has a bias, "tensorflow" adds zeros and has none.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, layout: Layout
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, bias=layout == "pytorch")
        self.margin = kernel_size // 2 if layout == "pytorch" else 0
        before = (kernel_size - stride) // 2
        self.zeros = (0, 0) if layout == "pytorch" else (before, kernel_size - stride - before)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        if self.margin:
            return super().forward(mirrored(input, self.margin))
        return super().forward(F.pad(input, self.zeros + self.zeros))


class CutTransposed2d(nn.ConvTranspose2d):
    """A 3x3 transposed convolution that doubles the size by cutting off the last row and column.

    It is the reverse of an `EdgeConv2d` of stride 2 in TensorFlow's layout.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride=2, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, 2H, 2W)."""
        return super().forward(input, output_size)[..., :-1, :-1]


class StyleBlock(nn.Module):
    """Adds to its input what two 3x3 convolutions make of it; nothing after the sum."""

    def __init__(self, channels: int, layout: Layout) -> None:
        super().__init__()
        self.conv1 = EdgeConv2d(channels, channels, 3, layout=layout)
        self.norm1 = _norm(channels, layout)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = EdgeConv2d(channels, channels, 3, layout=layout)
        self.norm2 = _norm(channels, layout)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        change = self.relu(self.norm1(self.conv1(features)))
        return features + self.norm2(self.conv2(change))


class FastStyleNetwork(nn.Module):
    """Two downsamplings, residual blocks, two upsamplings; see `fast_style_network`."""

    size_multiple = 4
    smallest_size = 8  # At 4 px the blocks would see one pixel, which cannot be mirrored or normalised.

    def __init__(
        self, width: int, blocks: int, *, layout: Layout, upsample: Upsample, output: Output
    ) -> None:
        super().__init__()
        self.output = output
        self.stem = _layer(EdgeConv2d(3, width, 9, layout=layout), width, layout)
        self.down, self.up = nn.Sequential(), nn.Sequential()
        for few, many in ((width, 2 * width), (2 * width, 4 * width)):
            self.down.extend(_layer(EdgeConv2d(few, many, 3, stride=2, layout=layout), many, layout))
        self.blocks = nn.Sequential(*(StyleBlock(4 * width, layout) for _ in range(blocks)))
        for many, few in ((4 * width, 2 * width), (2 * width, width)):
            self.up.extend(_layer(_doubling(upsample, many, few, layout), few, layout))
        self.head = nn.Sequential(EdgeConv2d(width, 3, 9, layout=layout))
        if layout == "tensorflow":
            self.head.append(_norm(3, layout))

    def forward(self, images: Tensor) -> Tensor:
        """Paint a batch.

        Args:
            images: (N, 3, H, W), RGB levels from 0 to 255; H and W multiples of 4, at least 8.

        Returns:
            (N, 3, H, W), float32, RGB levels. "linear" is not bounded, "tanh" lies between -22.5 and 277.5:
            limit either to 0 to 255 before it is shown.

        Raises:
            ShapeError: not three channels, or a height or width that is too small or no multiple of 4.
        """
        check_input(images, channels=3, multiple=self.size_multiple, smallest=self.smallest_size)
        levels = at_least_float32(self.head(self.up(self.blocks(self.down(self.stem(images))))))
        return 150 * torch.tanh(levels) + 127.5 if self.output == "tanh" else levels


def _norm(channels: int, layout: Layout) -> nn.Module:
    """Instance norm with a scale and a shift that are learnt."""
    return InstanceNorm2d(channels, affine=True, eps=1e-5 if layout == "pytorch" else 1e-3)


def _layer(convolution: nn.Module, channels: int, layout: Layout) -> nn.Sequential:
    return nn.Sequential(convolution, _norm(channels, layout), nn.ReLU(inplace=True))


def _doubling(kind: Upsample, in_channels: int, out_channels: int, layout: Layout) -> nn.Module:
    if layout == "pytorch":
        return upsampling(kind, in_channels, out_channels)
    if kind == "transposed":
        return CutTransposed2d(in_channels, out_channels)
    enlarge = nn.Upsample(scale_factor=2.0, mode=kind)
    return nn.Sequential(enlarge, EdgeConv2d(in_channels, out_channels, 3, layout=layout))


def fast_style_network(
    width: int = 32,
    blocks: int = 5,
    *,
    layout: Layout = "pytorch",
    upsample: Upsample = "nearest",
    output: Output = "linear",
) -> FastStyleNetwork:
    """The network of fast style transfer, with PyTorch's own initial weights.

    Args:
        width: channels after the first layer.
        blocks: residual blocks.
        layout: edges, biases and norms; see `Layout`.
        upsample: "nearest" enlarges and then convolves, which makes no checkerboard.
        output: how levels are given; see `Output`.

    Raises:
        SettingsError: `width` or `blocks` is below 1, or a name is unknown.

    >>> sum(p.numel() for p in fast_style_network().parameters())
    1679235
    >>> fast_style_network(4, 1, layout="tensorflow", upsample="transposed")(torch.zeros(1, 3, 8, 16)).shape
    torch.Size([1, 3, 8, 16])
    """
    if width < 1 or blocks < 1:
        raise SettingsError(
            f"a style network of width {width} with {blocks} blocks", "Use at least 1 of each."
        )
    if layout not in ("pytorch", "tensorflow") or output not in ("linear", "tanh"):
        raise SettingsError(
            f"unknown layout '{layout}' or output '{output}'",
            "Known layouts: pytorch, tensorflow; outputs: linear, tanh.",
        )
    return FastStyleNetwork(width, blocks, layout=layout, upsample=upsample, output=output)
