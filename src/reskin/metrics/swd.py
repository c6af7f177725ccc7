"""Sliced Wasserstein distance: whether two sets of pictures are made of the same small patches.

It needs no weights and no pairs. Patches of 7 x 7 px are taken from every level of a Laplacian pyramid, as in
Karras et al., "Progressive Growing of GANs", ICLR 2018, section 5, https://arxiv.org/abs/1710.10196. The
distance between the two clouds of patches is the mean over random lines of the distance between their
projections (Rabin et al., "Wasserstein Barycenter and Its Application to Texture Mixing", 2011).

The protocol, all of which a reported number should state:

- levels: full size, then halved while the shorter edge stays at 16 px or more; the last one is the plain
  small picture.
- patches: `PatchSet(patches=...)` of every level of every picture, at positions that the seed alone decides.
- scale: per level and channel, by mean and deviation of the *reference* patches, so that a wrong tint or
  contrast counts. The paper lets each set use its own (`own_scale=True`), which forgives both.
- lines: 256 directions from the unit sphere (the paper: 512); on each, the 1-Wasserstein distance of the
  sorted projections.
- value: times 1000, as the paper's tables; the total is the mean of the levels.

Sets of different numbers of pictures may be compared. Few pictures give a larger distance than many would,
so compare with what two sets of real pictures of these numbers get.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("swd", "set", better="lower", best=0.0, symmetric=False)

PATCH_PX = 7
"""Height and width of a patch."""
SMALLEST_LEVEL_PX = 16
"""The pyramid ends before its shorter edge falls below this."""
PROJECTIONS = 256
"""Random lines that the patches are projected to."""
SET_PATCHES = 8192
"""Patches of each level that a whole set should hold: this bounds memory and time, whatever the number of
pictures."""

_LINES_AT_ONCE = 64
_LEAST_DEVIATION = 2 / 255  # one step of 8 bits on [-1, 1]: flat references do not make differences infinite


@dataclass(frozen=True)
class SlicedWasserstein:
    """A distance between two sets of pictures; lower is closer.

    Attributes:
        levels: shorter edge of each pyramid level in px, largest first, to distance x 1000: the large levels
            tell of fine grain, the smallest of colour and coarse layout.
        mean: of the levels.
    """

    levels: dict[int, float]

    @property
    def mean(self) -> float:
        """Mean of the levels, x 1000."""
        return sum(self.levels.values()) / len(self.levels)


class PatchSet:
    """The patches of a set of pictures that are given a few at a time.

    Every picture gives the same number of patches, at the same positions of each level. So the order of the
    pictures does not matter, and the same pictures give the same set.

    Args:
        patches: of each picture and level; a level with fewer positions gives all it has.
        seed: decides the positions.

    Attributes:
        pictures: how many were added.
    """

    def __init__(self, *, patches: int = 128, seed: int = 0) -> None:
        self.patches, self.seed, self.pictures = patches, seed, 0
        self._size: tuple[int, int] | None = None
        self._levels: dict[int, list[Tensor]] = {}

    def add(self, images: Tensor) -> None:
        """Take in more pictures.

        Args:
            images: (N, 3, H, W), float, in [-1, 1]; H and W as in every call before.

        Raises:
            ShapeError: not (N, 3, H, W), another size than before, or an edge shorter than a patch.
        """
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < PATCH_PX or not len(images):
            raise ShapeError(
                f"pictures of shape {tuple(images.shape)} for the sliced Wasserstein distance",
                f"Wanted (N, 3, H, W) with edges of {PATCH_PX} px or more.",
            )
        size = (int(images.shape[2]), int(images.shape[3]))
        if self._size not in (None, size):
            raise ShapeError(
                f"pictures of {size} beside pictures of {self._size}", "Bring all to one size first."
            )
        self._size = size
        for level in laplacian_pyramid(images.float()):
            places = _places(level.shape[-2], level.shape[-1], self.patches, self.seed)
            self._levels.setdefault(min(level.shape[-2:]), []).append(_cut(level, places).cpu())
        self.pictures += len(images)

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) of the pictures, None before the first."""
        return self._size

    def resampled(self, seed: int) -> PatchSet:
        """As many of the pictures, drawn with replacement, with the patches that they have."""
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randint(self.pictures, (self.pictures,), generator=generator)
        drawn = PatchSet(patches=self.patches, seed=self.seed)
        drawn._size, drawn.pictures = self._size, self.pictures
        for side, patches in self.levels().items():
            of_pictures = patches.unflatten(0, (self.pictures, -1))
            drawn._levels[side] = [of_pictures[chosen].flatten(0, 1)]
        return drawn

    def levels(self) -> dict[int, Tensor]:
        """Shorter edge in px to patches (P, 3, 49)."""
        return {side: torch.cat(parts) for side, parts in self._levels.items()}


def patches_for(pictures: int) -> int:
    """Patches to take from each of so many pictures, to come to about `SET_PATCHES`, and no fewer than 8.

    >>> patches_for(16), patches_for(500), patches_for(100_000)
    (512, 17, 8)
    """
    return max(8, -(-SET_PATCHES // max(1, pictures)))


def distance(
    images: PatchSet, reference: PatchSet, *, own_scale: bool = False, seed: int = 0
) -> SlicedWasserstein:
    """The sliced Wasserstein distance between two sets of patches; lower is closer, 0 for equal sets.

    Args:
        images: the set that is judged.
        reference: the real pictures, of the same size.
        own_scale: bring each set to mean 0 and deviation 1 by itself, as the paper's code does.
        seed: decides the lines.

    Raises:
        ShapeError: a set is empty, or the pictures of the two differ in size.
    """
    if images.size is None or images.size != reference.size:
        raise ShapeError(
            f"sets of pictures of {images.size} and {reference.size} px",
            "Both must hold pictures of one size.",
        )
    found, wanted = images.levels(), reference.levels()
    directions = _directions(seed)
    return SlicedWasserstein(
        {side: 1000 * _sliced(found[side], wanted[side], directions, own_scale) for side in wanted}
    )


def bootstrap_error(images: PatchSet, reference: PatchSet, *, resamples: int = 8) -> float:
    """Deviation of the mean distance over bootstrap samples of the judged pictures, x 1000."""
    values = [distance(images.resampled(seed), reference).mean for seed in range(resamples)]
    return float(np.std(values, ddof=1))


def swd(images: Tensor, reference: Tensor, *, own_scale: bool = False, seed: int = 0) -> SlicedWasserstein:
    """The sliced Wasserstein distance between two sets of pictures in memory; lower is closer.

    Args:
        images: (N, 3, H, W), float, in [-1, 1].
        reference: (M, 3, H, W), the same range.
        own_scale: see `distance`.
        seed: decides positions and lines.

    Raises:
        ShapeError: other shapes, or an edge shorter than a patch.

    >>> pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> swd(pictures, pictures.flip(0)).levels
    {32: 0.0, 16: 0.0}
    """
    sets = []
    for pictures in (images, reference):
        sets.append(PatchSet(patches=patches_for(min(len(images), len(reference))), seed=seed))
        sets[-1].add(pictures)
    return distance(*sets, own_scale=own_scale, seed=seed)


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """What each downsampling takes away, largest first, and last what remains: the plain small pictures.

    Args:
        images: (N, C, H, W), float.

    Returns:
        Levels (N, C, H / 2^i, W / 2^i), rounded up; their enlarged sum is `images`.
    """
    levels = []
    while min(images.shape[-2:]) >= 2 * SMALLEST_LEVEL_PX:
        smaller = _halve(images)
        levels.append(images - enlarge(smaller, images.shape[-2], images.shape[-1]))
        images = smaller
    return [*levels, images]


def _halve(images: Tensor) -> Tensor:
    """Every second pixel after the binomial kernel (1, 4, 6, 4, 1) / 16 of Burt and Adelson, along both axes.

    The border is reflected. Sums of shifted views are three times as fast on a CPU as a convolution of three
    groups.
    """
    images = F.pad(images, (2, 2, 2, 2), mode="reflect")
    for axis in (-2, -1):
        count = (images.shape[axis] - 3) // 2
        shifted = [
            images.narrow(axis, offset, 2 * count - 1).unfold(axis, 1, 2).squeeze(-1) for offset in range(5)
        ]
        images = (shifted[0] + shifted[4] + 4 * (shifted[1] + shifted[3]) + 6 * shifted[2]) / 16
    return images


def enlarge(images: Tensor, height: int, width: int) -> Tensor:
    """Pictures (N, C, h, w) at twice the size, smoothed by the same kernel, cut to `height` and `width`.

    The kernel meets zeros between the pixels, so that a pixel of the result is (1, 6, 1) / 8 of three pixels
    or the mean of two.
    """
    for axis in (-2, -1):
        count = images.shape[axis]
        ends = images.narrow(axis, 1, 1), images.narrow(axis, count - 1, 1)  # as zeros between are reflected
        wide = torch.cat([ends[0], images, ends[1]], dim=axis)
        before, after = wide.narrow(axis, 0, count), wide.narrow(axis, 2, count)
        both = torch.stack(
            [(before + 6 * images + after) / 8, (images + after) / 2], dim=images.ndim + axis + 1
        )
        images = both.flatten(images.ndim + axis, images.ndim + axis + 1)
    return images[..., :height, :width]


def _places(height: int, width: int, count: int, seed: int) -> Tensor:
    """Indices of upper left corners in a level of this size, (min(count, positions),), all different."""
    generator = torch.Generator().manual_seed(seed)
    places = (height - PATCH_PX + 1) * (width - PATCH_PX + 1)
    return torch.randperm(places, generator=generator)[:count]


def _cut(level: Tensor, places: Tensor) -> Tensor:
    """The patches of every picture of a level at `positions`, (N * P, C, 49)."""
    windows = level.unfold(2, PATCH_PX, 1).unfold(3, PATCH_PX, 1)  # (N, C, rows, columns, 7, 7), a view
    rows, columns = places // windows.shape[3], places % windows.shape[3]
    chosen = windows[:, :, rows.to(level.device), columns.to(level.device)]  # (N, C, P, 7, 7)
    return chosen.flatten(3).transpose(1, 2).flatten(0, 1)


def _directions(seed: int) -> Tensor:
    """Unit vectors, (3 * 49, PROJECTIONS)."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(3 * PATCH_PX**2, PROJECTIONS, generator=generator), dim=0)


def _sliced(images: Tensor, reference: Tensor, directions: Tensor, own_scale: bool) -> float:
    """Mean over the lines of the 1-Wasserstein distance between projections of (P, 3, 49) and (Q, 3, 49)."""
    scale = None if own_scale else _scale(reference)
    x, y = _scaled(images, scale), _scaled(reference, scale)
    distances = []
    for lines in directions.split(_LINES_AT_ONCE, dim=1):
        # NumPy sorts floats with vector instructions, which torch does not on a CPU: ten times as fast.
        sorted_x, sorted_y = (torch.from_numpy(np.sort((lines.T @ cloud.T).numpy())) for cloud in (x, y))
        # Both quantile functions are steps; they are read at the middles of as many steps as the larger set
        # has.
        count = max(len(x), len(y))
        at = (torch.arange(count) + 0.5) / count
        quantiles_x = sorted_x[:, (at * len(x)).long()]
        quantiles_y = sorted_y[:, (at * len(y)).long()]
        distances.append((quantiles_x - quantiles_y).abs().mean(dim=1))
    return float(torch.cat(distances).mean())


def _scale(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, (1, 3, 1)."""
    deviation, mean = torch.std_mean(patches, dim=(0, 2), keepdim=True, correction=0)
    return mean, deviation.clamp(min=_LEAST_DEVIATION)


def _scaled(patches: Tensor, scale: tuple[Tensor, Tensor] | None) -> Tensor:
    mean, deviation = scale or _scale(patches)
    return ((patches - mean) / deviation).flatten(1)
