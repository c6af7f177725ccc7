"""The four seasons of the film: the same street with other sky, ground, leaves and light.

Nothing moves from one season to the next, so each frame has a known truth in all four, and what a translation
made of a game frame can be judged by comparing it with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Season = Literal["spring", "summer", "autumn", "winter"]
"""When the film was shot."""

SEASONS: tuple[Season, ...] = ("spring", "summer", "autumn", "winter")
"""Every season, in the order of the year."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """What a season changes in the film.

    Attributes:
        colours: material name to its colours at tint 0 and tint 1; the others stay as they are.
        glow: strength of the glow around what is bright, as a share of that at dusk.
    """

    colours: Mapping[str, tuple[Colour, Colour]]
    glow: float


PALETTES: dict[Season, Palette] = {
    "spring": Palette(  # a pale morning, trees in blossom
        {
            "sky": ((126, 152, 214), (246, 208, 222)),
            "halo": ((196, 190, 222), (226, 204, 222)),
            "sun": ((255, 246, 226), (255, 246, 226)),
            "cloud": ((222, 206, 226), (255, 248, 250)),
            "hill": ((112, 150, 132), (158, 182, 168)),
            "grass": ((98, 156, 62), (150, 196, 88)),
            "leaves": ((190, 84, 126), (252, 200, 218)),
            "trunk": ((92, 66, 60), (92, 66, 60)),
            "pavement": ((172, 166, 170), (198, 190, 194)),
            "road": ((100, 102, 116), (128, 128, 138)),
            "glass": ((118, 152, 190), (210, 224, 238)),
        },
        0.2,
    ),
    "summer": Palette(  # a hot late afternoon, deep green and gold
        {
            "sky": ((44, 132, 196), (254, 226, 158)),
            "halo": ((214, 220, 176), (246, 230, 166)),
            "sun": ((255, 252, 206), (255, 252, 206)),
            "cloud": ((226, 202, 158), (255, 242, 206)),
            "hill": ((52, 104, 84), (96, 140, 96)),
            "grass": ((80, 116, 28), (132, 152, 46)),
            "leaves": ((20, 72, 30), (88, 132, 38)),
            "trunk": ((70, 46, 30), (70, 46, 30)),
            "roof": ((158, 88, 62), (134, 70, 54)),
            "pavement": ((204, 180, 140), (226, 204, 164)),
            "road": ((102, 92, 84), (130, 118, 104)),
            "glass": ((52, 92, 96), (176, 204, 178)),
        },
        0.45,
    ),
    "autumn": Palette({}, 1.0),  # dusk and turning leaves: the film's own colours
    "winter": Palette(  # an overcast noon, snow on roofs, ground and trees
        {
            "sky": ((98, 112, 138), (190, 200, 214)),
            "halo": ((136, 148, 170), (160, 170, 188)),
            "sun": ((232, 230, 224), (232, 230, 224)),
            "cloud": ((132, 142, 160), (192, 200, 214)),
            "hill": ((148, 160, 184), (196, 206, 222)),
            "grass": ((198, 208, 226), (240, 245, 252)),
            "leaves": ((104, 122, 142), (234, 240, 248)),
            "trunk": ((56, 52, 58), (56, 52, 58)),
            "roof": ((222, 229, 240), (204, 213, 228)),
            "pavement": ((166, 174, 188), (200, 207, 218)),
            "road": ((88, 95, 110), (122, 129, 142)),
            "marking": ((176, 182, 192), (176, 182, 192)),
            "wall": ((208, 188, 172), (166, 138, 126)),
        },
        0.25,
    ),
}
"""What each season changes."""


def season_distances(picture: np.ndarray, truths: Mapping[Season, np.ndarray]) -> dict[Season, float]:
    """How far a picture is from the truth in each season.

    Args:
        picture: (H, W, 3) uint8 RGB.
        truths: season to the same moment in that season, as `Footage.in_seasons` draws it; the same size.

    Returns:
        Season to the root of the mean squared difference, in steps of 255; lower is nearer.
    """
    shown = picture.astype(np.float64)
    return {season: float(np.sqrt(np.mean((shown - truth) ** 2))) for season, truth in truths.items()}


def season_of(picture: np.ndarray, truths: Mapping[Season, np.ndarray]) -> Season:
    """The season a picture is in: that of the nearest truth.

    Args:
        picture: (H, W, 3) uint8 RGB, such as the translation of a game frame.
        truths: as in `season_distances`.

    >>> from reskin.worlds.footage import Footage
    >>> truths = Footage("game", seed=1, frames=1, size=(32, 32)).in_seasons(0)
    >>> season_of(truths["winter"] // 2 + 60, truths)
    'winter'
    """
    distances = season_distances(picture, truths)
    return min(distances, key=distances.__getitem__)
