"""Losses between the features of pictures: what is where (content), and what there is at all (style).

Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import SettingsError, ShapeError
from reskin.precision import at_least_float32

GramSize = Literal["none", "places", "values"]
"""What a Gram matrix is divided by: nothing (the paper), h * w positions, or c * h * w values."""


def gram(features: Tensor, divided_by: GramSize = "places") -> Tensor:
    """Gram matrices: how often two channels are strong at the same position, wherever that is.

    Args:
        features: (N, C, H, W), float.
        divided_by: "positions" makes matrices of pictures of different sizes comparable; "values" also those
            of layers of different widths.

    Returns:
        (N, C, C), float32, symmetric.

    Raises:
        ShapeError: `features` are not (N, C, H, W).
        SettingsError: `divided_by` is not known.

    >>> gram(torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])).tolist()
    [[[2.5, 5.5], [5.5, 12.5]]]
    """
    if features.dim() != 4:
        raise ShapeError(f"features must be (N, C, H, W), not {tuple(features.shape)}")
    channels, height, width = features.shape[1:]
    sizes = {"none": 1, "places": height * width, "values": channels * height * width}
    if divided_by not in sizes:
        raise SettingsError(f"unknown size of a Gram matrix '{divided_by}'", f"Known: {', '.join(sizes)}.")
    # Half precision overflows in these sums, and autocast would use it.
    with torch.autocast(features.device.type, enabled=False):
        flat = at_least_float32(features).flatten(2)
        return flat @ flat.transpose(1, 2) / sizes[divided_by]


def content_loss(features: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference of two sets of features; lower keeps more of what is where.

    Args:
        features: (N, C, H, W), float.
        wanted: of the content picture, the same shape.

    Returns:
        A scalar, float32. The paper's half sum of squares is this times C * H * W / 2 for one picture.

    Raises:
        ShapeError: the shapes differ (nothing is broadcast).

    >>> content_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 2.0]]]]))
    tensor(2.5000)
    """
    _check_same(features, wanted)
    return F.mse_loss(at_least_float32(features), at_least_float32(wanted))


def style_loss(features: Tensor, wanted: Tensor, divided_by: GramSize = "places") -> Tensor:
    """Mean squared difference of Gram matrices; lower is nearer to the style.

    Args:
        features: (N, C, H, W), float.
        wanted: Gram matrices of the style, (N, C, C) or (1, C, C) for all, made with the same `divided_by`.
        divided_by: as in `gram`.

    Returns:
        A scalar, float32. The paper's loss of a layer is a quarter of this, for pictures of one size.

    Raises:
        ShapeError: `wanted` is not of as many channels or pictures.

    >>> style_loss(torch.ones(1, 1, 2, 3), torch.tensor([[[3.0]]]))
    tensor(4.)
    """
    made = gram(features, divided_by)
    if len(wanted) == 1:
        wanted = wanted.expand(len(made), -1, -1)
    _check_same(made, wanted)
    return F.mse_loss(made, at_least_float32(wanted))


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of pixels that touch, across and down; lower is smoother.

    Args:
        images: (N, C, H, W), float; H and W at least 2.

    Returns:
        A scalar, float32: the mean over pairs side by side plus the mean over pairs one above the other.

    Raises:
        ShapeError: the pictures are not (N, C, H, W) or a height or width of one pixel.

    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    tensor(1.)
    """
    if images.dim() != 4 or min(images.shape[2:]) < 2:
        raise ShapeError(f"pictures must be (N, C, H, W) of 2 px or more, not {tuple(images.shape)}")
    images = at_least_float32(images)
    across, down = images.diff(dim=3), images.diff(dim=2)
    return across.square().mean() + down.square().mean()


def _check_same(found: Tensor, wanted: Tensor) -> None:
    if found.shape != wanted.shape:
        raise ShapeError(
            f"{tuple(found.shape)} cannot be compared with {tuple(wanted.shape)}",
            "Take both from the same layer, and content features from pictures of the same size.",
        )
