"""What the layers of the networks do at the edges of a map, and which of them enlarge it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from reskin.inference.rows import Edges
from reskin.networks.antialias import BlurDownsample, BlurUpsample
from reskin.networks.blocks import MirroredConv2d, ResizeConv2d
from reskin.networks.fast_style import CutTransposed2d, EdgeConv2d
from reskin.networks.munit import MirroredDownsampling
from reskin.networks.normalization import InstanceNorm2d


def kind_of(module: nn.Module) -> type:
    """The class whose `forward` the module has."""
    return forward_class(type(module))


def forward_class(kind: type) -> type:
    """The class among the parents of `kind` that defines `forward`."""
    return next(parent for parent in kind.__mro__ if "forward" in vars(parent))


def plain_edges(conv: nn.Conv2d) -> Edges:
    """The padding of a convolution of torch."""
    if isinstance(conv.padding, str):
        reach = zip(conv.dilation, conv.kernel_size, strict=True)
        total = [d * (k - 1) if conv.padding == "same" else 0 for d, k in reach]
        (top, left), (bottom, right) = [t // 2 for t in total], [t - t // 2 for t in total]
    else:
        (top, left), (bottom, right) = conv.padding, conv.padding
    return Edges(left, right, top, bottom, "constant" if conv.padding_mode == "zeros" else conv.padding_mode)


def _layout_edges(conv: EdgeConv2d) -> Edges:
    if conv.margin:
        return Edges.even(conv.margin, "reflect")
    return Edges(*conv.zeros, *conv.zeros, "constant")


EDGES: dict[type, Callable[[Any], Edges]] = {
    nn.Conv2d: plain_edges,
    MirroredConv2d: lambda conv: Edges.even(conv.margin, "reflect"),
    ResizeConv2d: lambda conv: Edges.even(conv.margin, "reflect"),
    MirroredDownsampling: lambda conv: Edges.even(1, "reflect"),
    EdgeConv2d: _layout_edges,
}
"""The edges of each known kind of convolution."""


def enlarger_mode(layer: nn.Module) -> str | None:
    """How a layer enlarges twofold; None if it does not, or in another way."""
    if isinstance(layer, BlurUpsample):
        return "bilinear"
    if isinstance(layer, nn.Upsample) and layer.size is None and layer.scale_factor == 2:
        is_known = layer.mode == "nearest" or (layer.mode == "bilinear" and not layer.align_corners)
        return layer.mode if is_known else None
    return None


def reads_rows(conv: nn.ConvTranspose2d) -> bool:
    """Whether a transposed convolution has a striped form: every row of its output sees one of its input."""
    is_known = kind_of(conv) in (nn.ConvTranspose2d, CutTransposed2d)
    return (
        is_known
        and conv.dilation[0] * (conv.kernel_size[0] - 1) + 1 >= conv.stride[0]
        and conv.padding_mode == "zeros"
    )


def norm_before_blur(conv: nn.Conv2d, behind: list[nn.Module]) -> InstanceNorm2d | None:
    """The norm behind a convolution, where that and a ReLU are followed by a blur to half the size."""
    is_blurred = [type(layer) for layer in behind] == [InstanceNorm2d, nn.ReLU, BlurDownsample]
    norm = behind[0] if is_blurred and conv.groups == 1 else None
    return norm if isinstance(norm, InstanceNorm2d) else None
