"""Sliced Wasserstein distance of small patches: whether two sets of images have the same colours and fine
texture.

See `reskin.losses.sliced_wasserstein` for the distance; here with fixed patches and lines, so that numbers
compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.losses.sliced_wasserstein import PATCH_PX, random_directions
from reskin.metrics.facts import Facts

FACTS = Facts("patch_swd", "set", better="lower", best=0.0, symmetric=True, unit="levels of 255")

PATCHES = 20_000
"""Patches of each set, about."""

DIRECTIONS = 128
"""Lines on which they are compared."""

_LEVELS = 127.5


@dataclass(frozen=True)
class PatchDistance:
    """A distance between two sets; lower is closer.

    Attributes:
        mean: over lines and patches, in levels of 255, times 5 for a patch of one colour.
    """

    mean: float


def patch_swd(images: Tensor, reference: Tensor, *, seed: int = 0) -> PatchDistance:
    """The sliced Wasserstein distance of 5 px patches; lower is closer, 0 for equal sets.

    Args:
        images: (N, 3, H, W), float, in [-1, 1].
        reference: (M, 3, H, W), the same range.
        seed: decides patches and lines.

    Raises:
        ShapeError: other shapes, or an edge shorter than a patch.

    >>> pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> patch_swd(pictures, pictures).mean
    0.0
    """
    if images.shape[1:] != reference.shape[1:]:
        raise ShapeError(
            f"sets of shape {tuple(images.shape)} and {tuple(reference.shape)}", "Both must be of one size."
        )
    return patch_distance(patches_of([images], seed=seed), patches_of([reference], seed=seed), seed=seed)


def patches_of(sets: Sequence[Tensor], *, seed: int = 0) -> Tensor:
    """Patches of images that need not be of one size: as many of each, at the same share of its height and
    width.

    Args:
        sets: each (N, 3, H, W), float, in [-1, 1].
        seed: decides the positions.

    Returns:
        (P, 75), P about `PATCHES`.

    Raises:
        ShapeError: no images, not (N, 3, H, W), or an edge shorter than a patch.
    """
    total = sum(len(images) for images in sets)
    if not total or any(i.ndim != 4 or i.shape[1] != 3 or min(i.shape[2:]) < PATCH_PX for i in sets):
        shapes = [tuple(images.shape) for images in sets]
        raise ShapeError(
            f"images of shape {shapes} for patches of {PATCH_PX} px", "Wanted (N, 3, H, W), 5 px or more."
        )
    shares = torch.rand(max(1, PATCHES // total), 2, generator=torch.Generator().manual_seed(seed))
    found = []
    for images in sets:
        room = torch.tensor([images.shape[2] - PATCH_PX + 1, images.shape[3] - PATCH_PX + 1])
        top, left = (shares * room).long().unbind(1)  # (P,) each
        offset = torch.arange(PATCH_PX)
        rows = (top[:, None] + offset)[:, :, None]
        columns = (left[:, None] + offset)[:, None, :]
        cut = images.float().cpu()[:, :, rows, columns]  # (N, 3, P, 5, 5)
        found.append(cut.permute(0, 2, 3, 4, 1).flatten(0, 1).flatten(1))  # (N * P, 75)
    return torch.cat(found)


def patch_distance(patches: Tensor, reference: Tensor, *, seed: int = 0) -> PatchDistance:
    """The distance between two sets of patches of `patches_of`; the larger is thinned to the smaller."""
    fewer = min(len(patches), len(reference))
    directions = random_directions(DIRECTIONS, generator=torch.Generator().manual_seed(seed))
    one, two = (_thinned(_projected(each, directions), fewer) for each in (patches, reference))
    return PatchDistance(_LEVELS * float((one - two).abs().mean()))


def _projected(patches: Tensor, directions: Tensor) -> Tensor:
    # NumPy sorts floats with vector instructions, which torch does not on a CPU: ten times as fast.
    return torch.from_numpy(np.sort((patches @ directions).numpy(), axis=0))


def _thinned(rows: Tensor, count: int) -> Tensor:
    """`count` evenly spread quantiles of sorted rows."""
    where = (torch.arange(count) + 0.5) * (len(rows) / count)
    return rows[where.long()]
