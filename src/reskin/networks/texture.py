"""Texture of a bounded strength on a picture, which can neither be clipped by it nor turned over."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

FINE_PX = 5
"""Edge of the square whose mean is taken out: what is larger is colour and light, and no texture."""


def fine_detail(images: Tensor) -> Tensor:
    """What of pictures is finer than `FINE_PX`: each value less the mean of the square around it.

    Args:
        images: (N, C, H, W).

    Returns:
        The same shape; 0 where a picture is even.
    """
    mean = F.avg_pool2d(images, FINE_PX, stride=1, padding=FINE_PX // 2, count_include_pad=False)
    return images - mean


def with_texture(images: Tensor, texture: Tensor, most: float) -> Tensor:
    """Pictures with a texture added, less and less towards black and white.

    Args:
        images: (N, C, H, W) in [-1, 1].
        texture: the same shape and range.
        most: change of a medium grey by a texture of 1, at most 0.5.

    Returns:
        The same shape, in [-1, 1]: black and white stay, and brighter pixels stay brighter under one texture.

    >>> import torch
    >>> grey = torch.tensor([-1.0, -0.5, 0.0, 1.0]).view(1, 1, 2, 2)
    >>> with_texture(grey, torch.ones(1, 1, 2, 2), 0.5).flatten().tolist()
    [-1.0, -0.125, 0.5, 1.0]
    """
    return images + most * texture * (1 - images * images)
