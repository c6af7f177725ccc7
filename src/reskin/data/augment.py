"""Chance put to work on a batch that lies on the device: flips and colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601


@dataclass(frozen=True)
class ColourJitter:
    """How much colours may change: a factor is drawn evenly from [1 - strength, 1 + strength]; 0 is off."""

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    @property
    def is_on(self) -> bool:
        """Whether anything is changed at all."""
        return any((self.brightness, self.contrast, self.saturation))


def flip(images: Tensor, mirrored: NDArray[np.bool_]) -> Tensor:
    """Mirror those images that are to be mirrored, left to right.

    Args:
        images: (N, 3, H, W).
        mirrored: (N,), one truth value for each image.

    >>> flip(torch.tensor([1.0, 2.0]).expand(2, 3, 1, 2), np.array([True, False]))[:, 0, 0].tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """
    if not mirrored.any():
        return images
    choice = on_device(torch.from_numpy(mirrored), images.device)[:, None, None, None]
    return torch.where(choice, images.flip(3), images)


def jitter(images: Tensor, chances: NDArray[np.float64], colours: ColourJitter) -> Tensor:
    """Change brightness, then contrast, then saturation of each image by its own factors.

    Brightness multiplies the values, contrast their distance to the image's mean grey, saturation their
    distance to the pixel's grey; each result is clipped.

    Args:
        images: (N, 3, H, W), float32, in [-1, 1].
        chances: (N, 3), in [0, 1): for brightness, contrast and saturation.
        colours: the strengths.

    Returns:
        The same shape and range.
    """
    if not colours.is_on:
        return images
    strengths = np.array([colours.brightness, colours.contrast, colours.saturation])
    factors = (1.0 + strengths * (2.0 * chances - 1.0)).astype(np.float32)
    bright, contrast, saturation = on_device(torch.from_numpy(factors), images.device)[
        :, :, None, None, None
    ].unbind(1)
    levels = images.add(1.0).div_(2.0)  # [0, 1], where black is 0 and a factor means what it says
    if colours.brightness:
        levels = levels.mul_(bright).clamp_(0.0, 1.0)
    if colours.contrast:
        mean = _grey(levels).mean(dim=(2, 3), keepdim=True)
        levels = torch.lerp(mean.expand_as(levels), levels, contrast).clamp_(0.0, 1.0)
    if colours.saturation:
        levels = torch.lerp(_grey(levels).expand_as(levels), levels, saturation).clamp_(0.0, 1.0)
    return levels.mul_(2.0).sub_(1.0)


def _grey(levels: Tensor) -> Tensor:
    red, green, blue = levels.unbind(1)
    return (red * _GREY[0] + green * _GREY[1] + blue * _GREY[2]).unsqueeze(1)


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, sent without waiting for it where that is possible."""
    if device.type != "cuda":
        return values.to(device)
    pinned = values if values.is_pinned() else values.pin_memory()
    return pinned.to(device, non_blocking=True)
