"""The pieces that several networks are put together from."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.normalization import InstanceNorm2d
from reskin.precision import at_least_float32

Norm = Literal["instance", "batch"]
"""How activations are normalised: per picture and channel, or per channel over the batch."""

Upsample = Literal["transposed", "nearest", "bilinear"]
"""How a decoder doubles the size: a transposed convolution, or enlarging followed by a convolution."""


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """A normalisation layer for (N, `channels`, H, W); instance norm has no parameters or running statistics.

    Raises:
        SettingsError: `kind` is not a known one.

    >>> sum(p.numel() for p in norm_layer("instance", 8).parameters())
    0
    """
    if kind == "instance":
        return InstanceNorm2d(channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    raise SettingsError(f"unknown norm '{kind}'", "Known: batch, instance.")


def needs_bias(norm: Norm) -> bool:
    """Whether a convolution before this norm has a bias: batch norm has its own, instance norm has none."""
    return norm != "batch"


def mirrored(images: Tensor, margin: int) -> Tensor:
    """The pictures with their edges mirrored, the edge itself not doubled.

    Args:
        images: (N, C, H, W); H and W larger than `margin`.
        margin: what is added at each edge, px.

    Returns:
        (N, C, H + 2 * margin, W + 2 * margin).

    >>> mirrored(torch.arange(3.0).view(1, 1, 1, 3).expand(1, 1, 2, 3), 1)[0, 0, 0].tolist()
    [1.0, 0.0, 1.0, 2.0, 1.0]
    """
    if margin == 0:
        return images
    if images.device.type != "cpu":
        return F.pad(images, (margin,) * 4, mode="reflect")
    # Autocast would widen the padding to float32 and back, which costs time and changes no value.
    with torch.autocast("cpu", enabled=False):
        if images.requires_grad and torch.is_grad_enabled():
            return _Mirror.apply(images, margin)
        return F.pad(images, (margin,) * 4, mode="reflect")


class _Mirror(torch.autograd.Function):
    """`mirrored` with a gradient that adds strips: on a CPU three to nine times faster than torch's own."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, margin: int) -> Tensor:
        ctx.margin = margin
        return F.pad(images, (margin,) * 4, mode="reflect")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        m = ctx.margin
        inner = grad[..., m:-m, m:-m].clone()
        _fold(inner, grad[..., :m, m:-m], grad[..., -m:, m:-m], dim=-2)
        sides = []
        for strip in (grad[..., :m], grad[..., -m:]):  # left and right, with the corners
            side = strip[..., m:-m, :].clone()
            _fold(side, strip[..., :m, :], strip[..., -m:, :], dim=-2)
            sides.append(side)
        _fold(inner, *sides, dim=-1)
        return inner, None


def _fold(inner: Tensor, before: Tensor, after: Tensor, *, dim: int) -> None:
    """Add what lies before and after `inner` to what it mirrored, in place."""
    margin, size = before.shape[dim], inner.shape[dim]
    inner.narrow(dim, 1, margin).add_(before.flip(dim))
    inner.narrow(dim, size - 1 - margin, margin).add_(after.flip(dim))


class MirroredConv2d(nn.Conv2d):
    """A convolution of odd `kernel_size` that keeps the size; beyond the edges it sees the picture mirrored.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd, in pixels.
        bias: whether a constant is added per channel.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=bias)
        self.margin = kernel_size // 2

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return super().forward(mirrored(input, self.margin))


class ResizeConv2d(MirroredConv2d):
    """Enlarges twofold, then a 3x3 convolution with mirrored edges: no checkerboard by construction.

    Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016. It has as many parameters as the
    transposed convolution it stands in for.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, which is (N, out_channels, 2H, 2W).
        mode: how the picture is enlarged.
        bias: whether a constant is added per channel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, mode: Literal["nearest", "bilinear"], bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, 3, bias=bias)
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, 2H, 2W)."""
        return super().forward(F.interpolate(input, scale_factor=2.0, mode=self.mode))


def upsampling(kind: Upsample, in_channels: int, out_channels: int, *, bias: bool = True) -> nn.Module:
    """A layer that doubles height and width.

    Args:
        kind: "transposed" is the paper's 3x3 transposed convolution; the others enlarge and then convolve.
        in_channels: channels of the input.
        out_channels: channels of the output.
        bias: whether a constant is added per channel.

    Raises:
        SettingsError: `kind` is not a known one.

    >>> upsampling("nearest", 4, 2)(torch.zeros(1, 4, 3, 5)).shape
    torch.Size([1, 2, 6, 10])
    """
    if kind == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 3, 2, padding=1, output_padding=1, bias=bias)
    if kind in ("nearest", "bilinear"):
        return ResizeConv2d(in_channels, out_channels, mode=kind, bias=bias)
    raise SettingsError(f"unknown upsample '{kind}'", "Known: bilinear, nearest, transposed.")


def check_input(images: Tensor, *, channels: int, multiple: int, smallest: int) -> None:
    """Refuse a batch that a network cannot take.

    Args:
        images: what was given.
        channels: the number of channels the network was built for.
        multiple: height and width must be multiples of this.
        smallest: the least height and width, in pixels.

    Raises:
        ShapeError: the batch is not (N, channels, H, W), or H or W is too small or no such multiple.
    """
    got = f"got {tuple(images.shape)}"
    if images.dim() != 4 or images.shape[1] != channels:
        raise ShapeError(
            f"the network takes (N, {channels}, H, W), {got}", "Check the channels of the pictures."
        )
    height, width = images.shape[-2:]
    if height % multiple or width % multiple:
        raise ShapeError(
            f"height and width must be multiples of {multiple}, got {width}x{height}",
            f"Pad or crop the pictures (in training: a --crop-size that is a multiple of {multiple}).",
        )
    if min(height, width) < smallest:
        raise ShapeError(
            f"height and width must be at least {smallest}, got {width}x{height}",
            "Use larger pictures (in training: a larger --crop-size).",
        )


def bounded(logits: Tensor) -> Tensor:
    """A generator's last step: values in [-1, 1], computed in float32 whatever the precision of the network.

    >>> bounded(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return torch.tanh(at_least_float32(logits))
