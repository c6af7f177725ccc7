"""The largest maps of a network, which need not exist: made once for their statistics and once more for use.

A generator's first layer and its last upsampling make a map of the full size with many channels, a norm takes
statistics over all of it, and the convolution behind it makes a smaller map of it. In place of the large map
its rows are computed twice, which takes a little longer and a third to a half of the memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from reskin.inference.edges import EDGES, kind_of, reads_rows
from reskin.inference.rows import LEAST_ROWS, Rows, convolution, enlarged, mapped, transposition
from reskin.networks.blocks import ResizeConv2d
from reskin.networks.fast_style import CutTransposed2d
from reskin.networks.normalization import InstanceNorm2d
from reskin.precision import at_least_float32


def made_by(conv: nn.Module | None, rows: Rows) -> Rows | None:
    """The rows of what a convolution, transposed or not, makes of a map; None for one that is not known."""
    if isinstance(conv, nn.ConvTranspose2d):
        cut = 1 if isinstance(conv, CutTransposed2d) else 0
        return transposition(rows, conv, cut=cut) if reads_rows(conv) else None
    if not isinstance(conv, nn.Conv2d) or kind_of(conv) not in EDGES:
        return None
    before = enlarged(rows, conv.mode) if isinstance(conv, ResizeConv2d) else rows
    return convolution(before, conv, EDGES[kind_of(conv)](conv))


def normalised(rows: Rows, norm: InstanceNorm2d, *, at_once: int) -> Rows:
    """The rows of a map that does not exist, behind an instance norm and a ReLU.

    Args:
        rows: of the map; all are read once here, and again whenever they are read.
        norm: its scales and shifts are used.
        at_once: values that are computed at a time, if that leaves `LEAST_ROWS` rows.
    """
    mean, variance = _statistics(rows, at_once)
    factor = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight[:, None, None]
    shift = -mean * factor if norm.bias is None else norm.bias[:, None, None] - mean * factor

    def normalise(part: Tensor) -> Tensor:
        return torch.addcmul(shift, at_least_float32(part), factor).relu_().to(part.dtype)

    return mapped(rows, normalise)


def _statistics(rows: Rows, at_once: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of each picture, (N, C, 1, 1).

    Those of stripes are put together so that nothing cancels out (Chan, Golub and LeVeque 1979).
    """
    number, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for part in _stripes(rows, at_once):
        variance, middle = torch.var_mean(at_least_float32(part), dim=(2, 3), correction=0, keepdim=True)
        more = part.shape[2] * part.shape[3]
        step = middle - mean.to(middle.device)
        squares = (
            squares.to(middle.device) + more * variance + step.square() * (number * more / (number + more))
        )
        mean = mean.to(middle.device) + step * (more / (number + more))
        number += more
    return mean, squares / number


def _stripes(rows: Rows, at_once: int) -> Iterator[Tensor]:
    height, step = rows.shape[2], max(LEAST_ROWS, at_once // max(1, rows.row_size))
    for first in range(0, height, step):
        yield rows.read(first, min(first + step, height))
