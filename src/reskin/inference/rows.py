"""Maps of features read and written a few rows at a time: what a convolution in stripes is made of.

A `Rows` gives any range of rows of a map that need not exist as a whole: one that is padded, enlarged, joined
of two or activated is computed for the rows asked for. A convolution reads its stripe and the rows around it
and writes into one output, so the result is the same as of the whole map, but for the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_ROWS = 8
"""A stripe is not made lower than this: the rows around it would cost more than they save."""


@dataclass(frozen=True)
class Rows:
    """A map (N, C, H, W) of which any rows can be read.

    Attributes:
        shape: (N, C, H, W).
        read: gives rows first to last (without it), (N, C, last - first, W); perhaps a view of the map.
    """

    shape: tuple[int, int, int, int]
    read: Callable[[int, int], Tensor]

    @property
    def row_size(self) -> int:
        """Values in a row, of all pictures and channels."""
        number, channels, _, width = self.shape
        return number * channels * width


@dataclass(frozen=True)
class Edges:
    """What a convolution sees beyond the edges of a map.

    Attributes:
        left, right, top, bottom: how far it sees, px.
        mode: "constant" for zeros, or "reflect", "replicate" or "circular".
    """

    left: int
    right: int
    top: int
    bottom: int
    mode: str

    @classmethod
    def even(cls, margin: int, mode: str) -> Edges:
        """The same margin on all four edges."""
        return cls(margin, margin, margin, margin, mode)


def rows_of(features: Tensor) -> Rows:
    """The rows of a map that exists."""
    number, channels, height, width = features.shape
    return Rows((number, channels, height, width), lambda first, last: features[:, :, first:last])


def mapped(rows: Rows, function: Callable[[Tensor], Tensor]) -> Rows:
    """The map with `function`, which acts on each value alone, applied."""
    return Rows(rows.shape, lambda first, last: function(rows.read(first, last)))


def joined(*parts: Rows) -> Rows:
    """The channels of several maps of one size, one after the other."""
    number, _, height, width = parts[0].shape
    channels = sum(part.shape[1] for part in parts)
    return Rows(
        (number, channels, height, width),
        lambda first, last: torch.cat([part.read(first, last) for part in parts], dim=1),
    )


def enlarged(rows: Rows, mode: str) -> Rows:
    """The map enlarged twofold as `F.interpolate` does it, "nearest" or "bilinear"."""
    number, channels, height, width = rows.shape
    margin = 0 if mode == "nearest" else 1

    def read(first: int, last: int) -> Tensor:
        start, stop = max(first // 2 - margin, 0), min(-(-last // 2) + margin, height)
        large = F.interpolate(rows.read(start, stop), scale_factor=2.0, mode=mode)
        return large[:, :, first - 2 * start : last - 2 * start]

    return Rows((number, channels, 2 * height, 2 * width), read)


def padded(rows: Rows, edges: Edges) -> Rows:
    """The map extended beyond its edges."""
    number, channels, height, width = rows.shape

    def read(first: int, last: int) -> Tensor:
        start, stop = first - edges.top, last - edges.top  # in rows of the map; may lie beyond its edges
        above, below = range(start, min(stop, 0)), range(max(start, height), stop)
        body = rows.read(max(start, 0), max(min(stop, height), 0))
        # Autocast would widen the padding to float32, which changes no value.
        with torch.autocast(body.device.type, enabled=False):
            if edges.mode == "constant":
                return F.pad(body, (edges.left, edges.right, len(above), len(below)))
            if above or below:
                parts = [[_row(rows, row, edges.mode) for row in beyond] for beyond in (above, below)]
                body = torch.cat([*parts[0], body, *parts[1]], dim=2)
            if not edges.left and not edges.right:
                return body
            return F.pad(body, (edges.left, edges.right, 0, 0), mode=edges.mode)

    size = (height + edges.top + edges.bottom, width + edges.left + edges.right)
    return Rows((number, channels, *size), read)


def _row(rows: Rows, row: int, mode: str) -> Tensor:
    """The row of the map that stands in for one beyond its edge."""
    height = rows.shape[2]
    if mode == "circular":
        inside = row % height
    elif mode == "replicate":
        inside = min(max(row, 0), height - 1)
    else:
        inside = -row if row < 0 else 2 * (height - 1) - row
    return rows.read(inside, inside + 1)


def in_stripes(height: int, row_size: int, make: Callable[[int, int], Tensor], *, at_once: int) -> Tensor:
    """A map put together from stripes.

    Args:
        height: rows of the map.
        row_size: values that computing one row takes.
        make: gives rows first to last (without it), (N, C, last - first, W).
        at_once: values that a stripe may take, if that leaves it `LEAST_ROWS`.

    Returns:
        (N, C, height, W), a new tensor.
    """
    rows = max(LEAST_ROWS, at_once // max(1, row_size))
    part = make(0, min(rows, height))
    if rows >= height:
        return part
    number, channels, _, width = part.shape
    whole = part.new_empty((number, channels, height, width))
    whole[:, :, :rows] = part
    for first in range(rows, height, rows):
        last = min(first + rows, height)
        whole[:, :, first:last] = make(first, last)
    return whole


def convolution(rows: Rows, conv: nn.Conv2d, edges: Edges, *, channels: slice = slice(None)) -> Rows:
    """The rows of what a convolution makes of a map, computed when they are read.

    Args:
        rows: of the map, not padded.
        conv: its weights, stride, dilation and groups are used.
        edges: its padding.
        channels: of the output; all by default. A layer of several groups takes no others.
    """
    (stride, across), (dilation, along), (kernel, wide) = conv.stride, conv.dilation, conv.kernel_size
    whole = padded(rows, edges)
    weight, bias = _cast(conv.weight[channels], rows), conv.bias
    bias = None if bias is None else _cast(bias[channels], rows)
    reach = dilation * (kernel - 1) + 1

    def read(first: int, last: int) -> Tensor:
        seen = whole.read(first * stride, (last - 1) * stride + reach)
        return F.conv2d(seen, weight, bias, conv.stride, 0, conv.dilation, conv.groups)

    height = (whole.shape[2] - reach) // stride + 1
    width = (whole.shape[3] - along * (wide - 1) - 1) // across + 1
    return Rows((rows.shape[0], len(weight), height, width), read)


def convolved(
    rows: Rows, conv: nn.Conv2d, edges: Edges, *, at_once: int, channels: slice = slice(None)
) -> Tensor:
    """What a convolution makes of a map, in stripes.

    Args:
        rows, conv, edges, channels: see `convolution`.
        at_once: values that a stripe may take.
    """
    made = convolution(rows, conv, edges, channels=channels)
    row_size = max(conv.stride[0] * padded(rows, edges).row_size, made.row_size)
    return in_stripes(made.shape[2], row_size, made.read, at_once=at_once)


def transposition(rows: Rows, conv: nn.ConvTranspose2d, *, cut: int = 0) -> Rows:
    """The rows of what a transposed convolution makes of a map, computed when they are read.

    Args:
        rows: of the map.
        conv: its weights and settings are used; its kernel is at least as large as its stride.
        cut: rows and columns left out at the end.
    """
    number, _, height, width = rows.shape
    (stride, across), (dilation, along), (kernel, wide) = conv.stride, conv.dilation, conv.kernel_size
    padding, extra = _pair(conv.padding), _pair(conv.output_padding)
    weight, bias = _cast(conv.weight, rows), None if conv.bias is None else _cast(conv.bias, rows)
    reach = dilation * (kernel - 1)
    total = (height - 1) * stride + reach + 1 - 2 * padding[0] + extra[0]
    breadth = (width - 1) * across + along * (wide - 1) + 1 - 2 * padding[1] + extra[1]

    def read(first: int, last: int) -> Tensor:
        low, high = first + padding[0], last + padding[0]  # rows of the output before it is cropped
        start = max(-(-(low - reach) // stride), 0)
        stop = min((high - 1) // stride + 1, height)
        missing = max(high - ((stop - 1) * stride + reach + 1), 0)
        large = F.conv_transpose2d(
            rows.read(start, stop),
            weight,
            bias,
            conv.stride,
            (0, padding[1]),
            (missing, extra[1]),
            conv.groups,
            conv.dilation,
        )
        large = large[:, :, low - start * stride : high - start * stride]
        return large[..., : large.shape[3] - cut]

    return Rows((number, conv.out_channels, total - cut, breadth - cut), read)


def transposed(rows: Rows, conv: nn.ConvTranspose2d, *, at_once: int, cut: int = 0) -> Tensor:
    """What a transposed convolution makes of a map, in stripes.

    Args:
        rows, conv, cut: see `transposition`.
        at_once: values that a stripe may take.
    """
    made = transposition(rows, conv, cut=cut)
    row_size = max(rows.row_size // conv.stride[0], made.row_size)
    return in_stripes(made.shape[2], row_size, made.read, at_once=at_once)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _cast(weight: Tensor, rows: Rows) -> Tensor:
    """The weight in the type that autocast computes in, once instead of for each stripe."""
    device = weight.device.type
    if torch.is_autocast_enabled(device) and weight.dtype == torch.float32:
        return weight.to(torch.get_autocast_dtype(device))
    return weight
