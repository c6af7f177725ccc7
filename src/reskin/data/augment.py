"""Random changes of a batch that lies on the device: flips, blur and colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

_GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601
_BLUR_SIGMA_PX = (0.1, 2.0)


@dataclass(frozen=True)
class ColourJitter:
    """How much colours may change: a factor is drawn evenly from [1 - strength, 1 + strength]; 0 is off.

    `hue` is the largest turn of the colour circle either way, 0.5 being half of it.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    @property
    def is_on(self) -> bool:
        """Whether anything is changed at all."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))


def each(
    images: Tensor, uniforms: NDArray[np.float64], colours: ColourJitter, *, flips: bool, frames: int = 1
) -> Tensor:
    """Flip one half of the images and change the colours of all.

    Args:
        images: (N, 3, H, W), float32, in [-1, 1].
        uniforms: (N, 4), in [0, 1): for the flip and for three changes of colour. What the first leaves open
            after its decision turns the hue, so that more kinds of change need no more numbers.
        colours: the strengths.
        flips: whether there are flips.
        frames: as in `jitter`.

    Returns:
        The same shape and range.
    """
    half, rest = drawn(uniforms[:, 0], (0.5, 0.5))
    if flips:
        images = flip(images, half == 0)
    return jitter(images, np.column_stack([uniforms[:, 1:], rest]), colours, frames=frames)


def one_of_five(
    images: Tensor,
    uniforms: NDArray[np.float64],
    colours: ColourJitter,
    *,
    shares: Sequence[float],
    frames: int = 1,
) -> Tensor:
    """To each image exactly one of: nothing, a flip, an upside-down flip, a blur, other colours.

    Args:
        images: (N, 3, H, W), float32, in [-1, 1].
        uniforms: (N, 4), in [0, 1): the first decides, the others say how much.
        colours: the strengths of the changes of colour.
        shares: probabilities of the five, sum 1.
        frames: as in `jitter`.

    Returns:
        The same shape and range.
    """
    kind, rest = drawn(uniforms[:, 0], shares)
    images = flip(flip(images, kind == 1), kind == 2, dim=2)
    if (kind == 3).any():
        images = torch.where(_mask(kind == 3, images), blur(images, uniforms[:, 1]), images)
    if (kind == 4).any():
        coloured = jitter(images, np.column_stack([uniforms[:, 1:], rest]), colours, frames=frames)
        images = torch.where(_mask(kind == 4, images), coloured, images)
    return images


def drawn(
    uniforms: NDArray[np.float64], shares: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which of several cases each random number picks, and what it leaves: a new number, even in [0, 1).

    Args:
        uniforms: (N,), in [0, 1).
        shares: probabilities of the cases, sum 1.

    >>> drawn(np.array([0.1, 0.6, 0.75]), (0.5, 0.5))
    (array([0, 1, 1]), array([0.2, 0.2, 0.5]))
    """
    ends = np.cumsum(shares)
    ends[-1] = 1.0  # the sum may be a hair short of it
    kind = np.searchsorted(ends, uniforms, side="right")
    start = np.concatenate([[0.0], ends[:-1]])
    return kind, (uniforms - start[kind]) / (ends - start)[kind]


def flip(images: Tensor, mirrored: NDArray[np.bool_], *, dim: int = 3) -> Tensor:
    """Mirror those images that are to be mirrored, left to right or upside down.

    Args:
        images: (N, 3, H, W).
        mirrored: (N,), one truth value for each image.
        dim: 3 for left to right, 2 for upside down.

    >>> flip(torch.tensor([1.0, 2.0]).expand(2, 3, 1, 2), np.array([True, False]))[:, 0, 0].tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """
    if not mirrored.any():
        return images
    return torch.where(_mask(mirrored, images), images.flip(dim), images)


def warped_crop(
    image: Tensor, uniforms: NDArray[np.float64], *, size: tuple[int, int], rotate: float, rescale: float
) -> Tensor:
    """Rotate an image about its middle, rescale it and cut a crop out, in one bilinear resampling.

    What lies beyond the edges repeats them.

    Args:
        image: (1, 3, H, W), float32.
        uniforms: (8,), in [0, 1): the first two choose the crop, the last two draw angle and scale.
        size: height and width of the crop, px.
        rotate: largest angle either way, degrees.
        rescale: largest change of the scale, as a share.

    Returns:
        (1, 3, *size).
    """
    height, width = size
    angle = math.radians(rotate) * (2 * uniforms[6] - 1)
    scale = 1 + rescale * (2 * uniforms[7] - 1)
    full = image.shape[2] * scale, image.shape[3] * scale  # of the rescaled image, px
    # Middle of the crop, measured from the middle of the rescaled image; too small an image is centred.
    down = (uniforms[0] - 0.5) * max(0.0, full[0] - height)
    across = (uniforms[1] - 0.5) * max(0.0, full[1] - width)
    cos, sin = math.cos(angle), math.sin(angle)
    # From grid coordinates of the crop, -1 to 1, to px, turned back, to grid coordinates of the image.
    theta = image.new_tensor(
        [
            [cos * width / full[1], sin * height / full[1], 2 * (cos * across + sin * down) / full[1]],
            [-sin * width / full[0], cos * height / full[0], 2 * (cos * down - sin * across) / full[0]],
        ]
    )
    grid = F.affine_grid(theta[None], [1, 3, height, width], align_corners=False)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _mask(chosen: NDArray[np.bool_], images: Tensor) -> Tensor:
    return on_device(torch.from_numpy(chosen), images.device)[:, None, None, None]


def blur(images: Tensor, uniforms: NDArray[np.float64]) -> Tensor:
    """Blur each image with a Gaussian of 3 px of its own; the edges are mirrored.

    Args:
        images: (N, 3, H, W), H and W at least 2.
        uniforms: (N,), in [0, 1): sigma goes evenly from 0.1 to 2 px.

    Returns:
        The same shape and range.
    """
    low, high = _BLUR_SIGMA_PX
    beside = np.exp(-1 / (2 * (low + (high - low) * uniforms) ** 2))
    # A middle of 1 and two neighbours of `beside`: 0 leaves the image, 1 would be the plain mean of three.
    side = on_device(torch.from_numpy((beside / (1 + 2 * beside)).astype(np.float32)), images.device)
    side = side[:, None, None, None]
    for dim in (2, 3):
        size = images.shape[dim]
        wide = F.pad(images, (1, 1, 0, 0) if dim == 3 else (0, 0, 1, 1), mode="reflect")
        beside_it = wide.narrow(dim, 0, size) + wide.narrow(dim, 2, size)
        images = torch.lerp(images, beside_it / 2, 2 * side)
    return images


def jitter(
    images: Tensor, uniforms: NDArray[np.float64], colours: ColourJitter, *, frames: int = 1
) -> Tensor:
    """Change brightness, then contrast, then saturation, then hue of each image by its own amounts.

    Brightness multiplies the values, contrast their distance to the image's mean grey, saturation their
    distance to the pixel's grey; each result is clipped.

    Args:
        images: (N, 3, H, W), float32, in [-1, 1].
        uniforms: (N, 4), in [0, 1): for brightness, contrast, saturation and hue.
        colours: the strengths.
        frames: so many neighbours are a clip, whose mean grey is one.

    Returns:
        The same shape and range.
    """
    if not colours.is_on:
        return images
    strengths = np.array([colours.brightness, colours.contrast, colours.saturation, colours.hue])
    factors = ([1.0, 1.0, 1.0, 0.0] + strengths * (2.0 * uniforms - 1.0)).astype(np.float32)
    bright, contrast, saturation, turn = on_device(torch.from_numpy(factors), images.device)[
        :, :, None, None, None
    ].unbind(1)
    levels = images.add(1.0).div_(2.0)  # [0, 1], where black is 0 and a factor means what it says
    if colours.brightness:
        levels = levels.mul_(bright).clamp_(0.0, 1.0)
    if colours.contrast:
        mean = _grey(levels).mean(dim=(2, 3), keepdim=True)
        if frames > 1:
            mean = mean.unflatten(0, (-1, frames)).mean(dim=1).repeat_interleave(frames, dim=0)
        levels = torch.lerp(mean.expand_as(levels), levels, contrast).clamp_(0.0, 1.0)
    if colours.saturation:
        levels = torch.lerp(_grey(levels).expand_as(levels), levels, saturation).clamp_(0.0, 1.0)
    if colours.hue:
        levels = _turned(levels, turn)
    return levels.mul_(2.0).sub_(1.0)


def _turned(levels: Tensor, turn: Tensor) -> Tensor:
    """Levels in [0, 1] with their hues moved by `turn` circles, (N, 1, 1, 1); value and chroma stay."""
    value, strongest = levels.max(dim=1, keepdim=True)
    chroma = value - levels.amin(dim=1, keepdim=True)
    red, green, blue = levels.split(1, dim=1)
    differences = torch.cat([green - blue, blue - red, red - green], dim=1) / chroma.clamp(min=1e-6)
    hue = differences.gather(1, strongest) + 2.0 * strongest + 6.0 * turn  # in sixths of the circle
    # Each channel falls by the chroma in a ramp around the opposite of its own hue: 5, 3 and 1 place them.
    places = torch.arange(5.0, 0.0, -2.0, device=levels.device).view(1, 3, 1, 1)
    sixth = (hue + places) % 6.0
    return value - chroma * torch.minimum(sixth, 4.0 - sixth).clamp(0.0, 1.0)


def _grey(levels: Tensor) -> Tensor:
    red, green, blue = levels.unbind(1)
    return (red * _GREY[0] + green * _GREY[1] + blue * _GREY[2]).unsqueeze(1)


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, sent without waiting for it where that is possible."""
    if device.type != "cuda":
        return values.to(device)
    pinned = values if values.is_pinned() else values.pin_memory()
    return pinned.to(device, non_blocking=True)
