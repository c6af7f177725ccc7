"""Bring pictures to the size that they are worked at, and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.precision import at_least_float32

SMALLEST_PX = 32
"""Pictures are not made smaller than this in height or width."""


def working_size(height: int, width: int, longest: int) -> tuple[int, int]:
    """Height and width to work at: a longest edge of at most `longest`, 0 for any; none made below 32 px.

    >>> working_size(3000, 4000, 512), working_size(40, 4000, 512), working_size(100, 200, 512)
    ((384, 512), (32, 512), (100, 200))
    """
    scale = min(1.0, longest / max(height, width)) if longest else 1.0
    sides = [max(round(side * scale), min(side, SMALLEST_PX)) for side in (height, width)]
    return sides[0], sides[1]


def shrunk(images: Tensor, longest: int) -> Tensor:
    """The pictures, (N, C, H, W) in [-1, 1], at their `working_size`."""
    height, width = working_size(images.shape[2], images.shape[3], longest)
    return resized(images, torch.Size((*images.shape[:2], height, width)))


def bilinear(images: Tensor, height: int, width: int) -> Tensor:
    """The pictures, (N, C, H, W), at another size: bilinear, without aliasing; float32 at least."""
    if images.shape[-2:] == (height, width):
        return images
    return F.interpolate(at_least_float32(images), (height, width), mode="bilinear", antialias=True)


def resized(images: Tensor, shape: torch.Size) -> Tensor:
    """The pictures, (N, C, H, W) in [-1, 1], at the height and width of `shape`, by cubic curves.

    >>> resized(torch.ones(1, 3, 8, 8), torch.Size((1, 3, 4, 16))).shape
    torch.Size([1, 3, 4, 16])
    """
    if images.shape[2:] == shape[2:]:
        return images
    return F.interpolate(images, tuple(shape[2:]), mode="bicubic", antialias=True).clamp(-1, 1)
