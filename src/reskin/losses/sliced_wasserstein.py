"""Sliced Wasserstein distance between the patches of two sets of images.

Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", Journal of Mathematical Imaging and
Vision 2015,
eq. 8: the mean over lines of the one-dimensional distance, which is that of the sorted projections. As a
loss on
images: Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.errors import ShapeError

PATCH_PX = 5
"""Edge of a patch."""


def random_patches(images: Tensor, count: int) -> Tensor:
    """Patches at random positions, drawn with torch's random numbers.

    Args:
        images: (N, 3, H, W); H, W >= 5.
        count: of patches.

    Returns:
        (count, 75).

    Raises:
        ShapeError: not (N, 3, H, W), or an edge is shorter than a patch.
    """
    if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < PATCH_PX:
        raise ShapeError(
            f"images of shape {tuple(images.shape)} for patches of {PATCH_PX} px", "Wanted (N, 3, H, W)."
        )
    number, _, height, width = images.shape
    device = images.device
    image = torch.randint(0, number, (count, 1, 1), device=device)
    top = torch.randint(0, height - PATCH_PX + 1, (count, 1, 1), device=device)
    left = torch.randint(0, width - PATCH_PX + 1, (count, 1, 1), device=device)
    offset = torch.arange(PATCH_PX, device=device)
    patches = images.permute(0, 2, 3, 1)[image, top + offset[:, None], left + offset]  # (count, 5, 5, 3)
    return patches.flatten(1)


def random_directions(
    count: int, *, device: torch.device | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Unit vectors (75, count); half of them see the mean colour of a patch only, since most of a look is in
    it."""
    free = torch.randn(PATCH_PX**2, 3, count - count // 2, device=device, generator=generator)
    colour = torch.randn(1, 3, count // 2, device=device, generator=generator)
    colour = colour.expand(PATCH_PX**2, 3, count // 2)
    directions = torch.cat([free, colour], dim=2).flatten(0, 1)
    return directions / directions.norm(dim=0)


def sliced_wasserstein(
    patches: Tensor, reference: Tensor, directions: Tensor, *, judged: int | None = None
) -> Tensor:
    """Mean distance of the sorted projections; lower is closer, 0 for equal sets.

    Args:
        patches: (P, D).
        reference: (P, D).
        directions: (D, K) unit vectors.
        judged: the mean is over the first so many of `patches`, which the others complete to a set; by
            default over all.

    Returns:
        A scalar, in the unit of the values.

    Raises:
        ShapeError: the shapes do not fit.

    >>> line = torch.tensor([[0.0], [1.0]])
    >>> sliced_wasserstein(line, line.flip(0) + 0.5, torch.ones(1, 1))
    tensor(0.5000)
    """
    if patches.shape != reference.shape or patches.shape[1] != directions.shape[0]:
        shapes = f"{tuple(patches.shape)}, {tuple(reference.shape)} and {tuple(directions.shape)}"
        raise ShapeError(f"patches, reference and directions of {shapes}", "Wanted (P, D) twice and (D, K).")
    one, order = (patches @ directions).sort(dim=0)
    two = (reference @ directions).sort(dim=0).values
    apart = (one - two).abs()
    if judged is None or judged == len(patches):
        return apart.mean()
    return apart[order < judged].mean()
