"""Bring pictures of any size to a size that a network can take, and back again."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """The pictures with their right and lower edge extended until height and width divide by `multiple`.

    The edge is mirrored, which a convolution takes for more of the same picture. Where an edge is too short
    for that (the border is as wide as the picture or wider), its last row or column is repeated.

    Args:
        images: (N, C, H, W), any range.
        multiple: what height and width must divide by, at least 1.

    Returns:
        (N, C, H', W') with the smallest such H' >= H and W' >= W; `images` itself when they already fit.

    Raises:
        ShapeError: not four dimensions, or a height or width of 0.

    >>> import torch
    >>> pad_to_multiple(torch.zeros(1, 3, 30, 33), 4).shape
    torch.Size([1, 3, 32, 36])
    """
    if images.ndim != 4 or 0 in images.shape[-2:]:
        raise ShapeError(f"pictures of shape {tuple(images.shape)}", "Wanted (N, C, H, W) with H, W > 0.")
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if not below and not right:
        return images
    wide = F.pad(images, (0, right, 0, 0), mode="reflect" if right < width else "replicate")
    return F.pad(wide, (0, 0, 0, below), mode="reflect" if below < height else "replicate")


def crop_to(images: Tensor, height: int, width: int) -> Tensor:
    """The upper left part of the pictures: undoes `pad_to_multiple`.

    Args:
        images: (N, C, H, W).
        height: rows to keep, at most H.
        width: columns to keep, at most W.

    Returns:
        (N, C, height, width), a view of `images`.

    Raises:
        ShapeError: the pictures are smaller than what is to be kept.

    >>> import torch
    >>> crop_to(torch.zeros(1, 3, 32, 36), 30, 33).shape
    torch.Size([1, 3, 30, 33])
    """
    if images.shape[-2] < height or images.shape[-1] < width:
        got = " x ".join(str(side) for side in images.shape[-2:])
        raise ShapeError(f"{height} x {width} cannot be cut from {got}", "Pad first.")
    return images[..., :height, :width]
