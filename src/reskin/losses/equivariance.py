"""Equivariance of a translation: warping a picture and translating it commute.

A film made picture by picture flickers where small motions of the input change the output's texture. This
loss asks a generator G for T(G(x)) = G(T(x) + n), where T is a small random warp and n faint noise; it needs
no video. The property is that of Cohen and Welling, "Group Equivariant Convolutional Networks", ICML 2016,
https://arxiv.org/abs/1602.07576; to train for steady films with small random warps is from Eilertsen et al.,
"Single-frame Regularization for Temporally Stable CNNs", CVPR 2019, https://arxiv.org/abs/1902.10424.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError

LARGEST_ANGLE = 0.06
"""Of the rotation, radians, either way."""

LARGEST_ZOOM = 0.05
"""Share by which a picture grows or shrinks at most."""

LARGEST_SHIFT = 3.0
"""Px, in each axis, either way."""

ELASTIC_CELLS, ELASTIC_PX = 5, 1.5
"""Nodes along each edge of the elastic field, and the standard deviation of their displacements, px."""

LARGEST_NOISE = 0.06
"""Largest standard deviation of the noise, in the scale of [-1, 1]: 8 levels of 255."""

INSIDE = 0.97
"""Share of the way from the middle to an edge within which the two branches are compared."""


@dataclass(frozen=True)
class Warp:
    """Where each pixel of a warped picture is read, one warp for each picture of a batch.

    Attributes:
        grid: (N, H, W, 2), x before y, from -1 to 1 between the outer edges of the picture.
    """

    grid: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Warped pictures: read bicubically, reflected beyond the edges; gradients pass through.

        Args:
            images: (N, C, H, W), of the size that the warp was made for.

        Returns:
            (N, C, H, W).

        Raises:
            ShapeError: another number or size of pictures.
        """
        if images.ndim != 4 or (len(images), *images.shape[2:]) != tuple(self.grid.shape[:3]):
            raise ShapeError(
                f"pictures of shape {tuple(images.shape)} for a warp of {tuple(self.grid.shape[:3])}",
                "Wanted (N, C, H, W) of the same number and size.",
            )
        return F.grid_sample(
            images, self.grid.to(images.dtype), mode="bicubic", padding_mode="reflection", align_corners=False
        )

    @property
    def inside(self) -> Tensor:
        """(N, 1, H, W) bool: the pixels that were read well within the picture."""
        return (self.grid.abs() < INSIDE).all(dim=-1)[:, None]


def make_warp(angle: Tensor, zoom: Tensor, displacement: Tensor) -> Warp:
    """A warp from its parts: rotation and zoom about the middle of the picture, then a displacement.

    Args:
        angle: (N,), radians; positive values read clockwise on the screen, so the picture turns the other
            way.
        zoom: (N,), the share by which distances from the middle grow where they are read: 0 for none.
        displacement: (N, 2, H, W), px, x before y, added to where each pixel is read.
    """
    height, width = displacement.shape[2:]
    x = torch.arange(width, device=angle.device, dtype=angle.dtype) - (width - 1) / 2
    y = (torch.arange(height, device=angle.device, dtype=angle.dtype) - (height - 1) / 2)[:, None]
    cos, sin = ((1 + zoom) * part for part in (angle.cos(), angle.sin()))
    cos, sin = cos[:, None, None], sin[:, None, None]
    across = cos * x - sin * y + displacement[:, 0]
    down = sin * x + cos * y + displacement[:, 1]
    return Warp(torch.stack([across * (2 / width), down * (2 / height)], dim=-1))


def random_warp(images: Tensor) -> Warp:
    """A small random warp for each picture, drawn with torch's random numbers on the pictures' device.

    Args:
        images: (N, C, H, W); only their number, size, type and device count.
    """
    count, _, height, width = images.shape

    def uniform(largest: float, *shape: int) -> Tensor:
        drawn = torch.rand(count, *shape, device=images.device, dtype=images.dtype)
        return largest * (2 * drawn - 1)

    angle, zoom = uniform(LARGEST_ANGLE), uniform(LARGEST_ZOOM)
    shift = uniform(LARGEST_SHIFT, 2, 1, 1)
    nodes = torch.randn(count, 2, ELASTIC_CELLS, ELASTIC_CELLS, device=images.device, dtype=images.dtype)
    elastic = F.interpolate(ELASTIC_PX * nodes, size=(height, width), mode="bicubic", align_corners=True)
    return make_warp(angle, zoom, shift + elastic)


def add_noise(images: Tensor) -> Tensor:
    """Pictures with Gaussian noise of a strength drawn for each of them, at most `LARGEST_NOISE`.

    Args:
        images: (N, C, H, W), in [-1, 1]; the result may reach a little beyond.
    """
    strength = LARGEST_NOISE * torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)
    return images + strength * torch.randn_like(images)


def equivariance(translated: Tensor, of_warped: Tensor, warp: Warp) -> Tensor:
    """How far the translation of the warped picture is from the warped translation; gradients through both.

    Args:
        translated: (N, C, H, W), translations of pictures.
        of_warped: (N, C, H, W), translations of the same pictures after `warp`.
        warp: what they were warped with.

    Returns:
        A scalar, at least 0: the mean absolute difference, which counts as 0 where the warp read close to
        an edge.

    Raises:
        ShapeError: shapes that do not fit.

    >>> images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> warp = random_warp(images)
    >>> equivariance(1 - images, 1 - warp(images), warp).round(decimals=5)
    tensor(0.)
    """
    if translated.shape != of_warped.shape:
        raise ShapeError(f"translations of shapes {tuple(translated.shape)} and {tuple(of_warped.shape)}")
    return (warp.inside * (warp(translated) - of_warped).abs()).mean()
