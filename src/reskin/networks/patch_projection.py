"""Vectors for single locations of feature maps, to be distinguished by a contrastive loss.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
https://arxiv.org/abs/2007.15651, section 3: the network H, called F in their code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.precision import at_least_float32

EPS = 1e-7
"""Added to the length that a vector is divided by, as in the paper's code: first vectors are 2e-5 long."""

Locations = dict[str, Tensor]
"""For each map of features (N, P) indices into its H * W locations, row after row, int64."""


def draw_locations(taps: Mapping[str, Tensor], count: int) -> Locations:
    """Random locations of each map, drawn for every picture on its own with torch's default random numbers.

    Args:
        taps: maps of features by name, (N, C, H, W).
        count: locations in each map; where it has fewer, all of them.

    Returns:
        (N, P) different indices for each map, on its device.

    Raises:
        SettingsError: `count` is below 1.

    >>> draw_locations({"down1": torch.zeros(2, 8, 4, 4)}, 5)["down1"].shape
    torch.Size([2, 5])
    """
    if count < 1:
        raise SettingsError(
            f"{count} locations in each map of features", "Use 1 or more; 256 is the paper's."
        )
    locations = {}
    for name, tap in taps.items():
        n, _, h, w = tap.shape
        locations[name] = torch.rand(n, h * w, device=tap.device).topk(min(count, h * w)).indices
    return locations


def mirror_locations(locations: Locations, taps: Mapping[str, Tensor], is_mirrored: Tensor) -> Locations:
    """Where the same locations lie once left and right are exchanged.

    Args:
        locations: as from `draw_locations`.
        taps: the maps they belong to, for their widths.
        is_mirrored: (N,) bool: for which pictures; the locations of the others stay as they are.

    Returns:
        New locations of the same shapes.

    >>> taps = {"down1": torch.zeros(1, 8, 2, 4)}
    >>> mirror_locations({"down1": torch.tensor([[0, 6]])}, taps, torch.tensor([True]))
    {'down1': tensor([[3, 5]])}
    """
    found = {}
    for name, index in locations.items():
        w = taps[name].shape[-1]
        found[name] = torch.where(is_mirrored[:, None], index + w - 1 - 2 * (index % w), index)
    return found


class PatchProjection(nn.Module):
    """A small network for each map of features that turns one position of it into a vector of length 1.

    The channels of every map follow from the generator's settings, so all layers are there from the start and
    a checkpoint is whole from step 0. (The paper's code makes them when the first batch comes, and must run
    once before it can make an optimizer.)

    Args:
        channels: name and channels of each map.
        size: numbers in a vector.

    Raises:
        SettingsError: a number is below 1.

    >>> channels = {"padded": 3, "down1": 128, "down2": 256, "block1": 256, "block5": 256}
    >>> sum(p.numel() for p in PatchProjection(channels).parameters())
    560384
    """

    def __init__(self, channels: Mapping[str, int], *, size: int = 256) -> None:
        super().__init__()
        if min([size, *channels.values()]) < 1:
            raise SettingsError(f"vectors of {size} numbers from {dict(channels)}", "Use 1 or more of each.")
        self.layers = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(many, size), nn.ReLU(), nn.Linear(size, size))
                for name, many in channels.items()
            }
        )

    def forward(self, taps: Mapping[str, Tensor], locations: Locations) -> list[Tensor]:
        """Vectors of the chosen locations.

        Args:
            taps: (N, C, H, W) under each name that the network was made with.
            locations: as from `draw_locations`.

        Returns:
            (N, P, size) for each map, float32, of length 1.

        Raises:
            ShapeError: other maps than the network was made for.
        """
        if taps.keys() != self.layers.keys():
            raise ShapeError(f"maps {', '.join(taps)}", f"Give {', '.join(self.layers)}.")
        vectors = []
        for name, layers in self.layers.items():
            at = locations[name][:, None].expand(-1, taps[name].shape[1], -1)  # (N, C, P)
            chosen = taps[name].flatten(2).gather(2, at).mT
            projected = at_least_float32(layers(chosen))
            vectors.append(projected / (projected.norm(dim=2, keepdim=True) + EPS))
        return vectors
