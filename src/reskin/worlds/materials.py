"""Materials: what colour each thing has in the game and in the film.

Both looks are functions of the same maps, so edges coincide and each colour of one look has one partner in
the other. The order of lightness and hue differs on purpose: the game's sky is brighter than its windows, the
film's is darker than its walls; lawns turn from green to straw, windows from dark blue to lit yellow. No
transfer of overall colour statistics can follow that; a translation that knows what it sees can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reskin.worlds.seasons import PALETTES, Colour, Season

Look = Literal["game", "film"]
"""How a scene is painted: flat and bright, or graded, textured and grainy."""

CLASSES: tuple[str, ...] = (
    "sky", "cloud", "hill", "grass", "pavement", "road", "wall", "roof", "window", "door", "tree", "figure",
    "vehicle",
)  # fmt: skip
"""What a pixel can show; the index is its value in a class map."""


@dataclass(frozen=True)
class Material:
    """The colours of one material.

    Attributes:
        shows: name of its class.
        game: colours at tint 0 and tint 1 in the game look.
        film: the same in the film look, in autumn.
        rough: strength of the film's fine surface noise.
        courses: strength of the film's masonry pattern.
        streaks: strength of the film's level streaks.
    """

    shows: str
    game: tuple[Colour, Colour]
    film: tuple[Colour, Colour]
    rough: float = 0.0
    courses: float = 0.0
    streaks: float = 0.0


MATERIALS: dict[str, Material] = {
    "sky": Material("sky", ((72, 164, 255), (164, 224, 255)), ((50, 38, 92), (226, 118, 86)), 0.0, 0.0, 0.05),
    "halo": Material("sky", ((142, 212, 255), (196, 236, 255)), ((146, 70, 66), (190, 92, 62))),
    "sun": Material("sky", ((255, 240, 130), (255, 240, 130)), ((255, 186, 108), (255, 186, 108))),
    "cloud": Material(
        "cloud", ((214, 238, 255), (255, 255, 255)), ((146, 88, 116), (242, 166, 152)), 0.03, 0.0, 0.05
    ),
    "hill": Material(
        "hill", ((112, 204, 160), (150, 218, 206)), ((50, 44, 72), (92, 60, 84)), 0.09, 0.0, 0.0
    ),
    "grass": Material(
        "grass", ((92, 190, 62), (146, 222, 84)), ((126, 100, 46), (168, 134, 64)), 0.16, 0.0, 0.05
    ),
    "pavement": Material(
        "pavement", ((226, 214, 196), (240, 230, 214)), ((136, 122, 126), (162, 146, 144)), 0.08
    ),
    "road": Material(
        "road", ((84, 92, 116), (104, 112, 136)), ((76, 74, 90), (104, 100, 112)), 0.08, 0.0, 0.08
    ),
    "marking": Material("road", ((250, 250, 244), (250, 250, 244)), ((196, 184, 170), (196, 184, 170)), 0.08),
    "wall": Material(
        "wall", ((252, 222, 168), (240, 176, 132)), ((240, 206, 174), (196, 146, 122)), 0.05, 0.12, 0.0
    ),
    "trim": Material("wall", ((255, 252, 244), (255, 252, 244)), ((96, 74, 66), (96, 74, 66))),
    "roof": Material("roof", ((236, 92, 74), (214, 66, 84)), ((62, 88, 96), (44, 66, 84)), 0.08, 0.12, 0.0),
    "glass": Material("window", ((44, 84, 156), (112, 176, 232)), ((255, 196, 92), (255, 234, 168))),
    "door": Material("door", ((24, 138, 132), (30, 110, 150)), ((124, 34, 34), (98, 26, 42)), 0.06),
    "leaves": Material("tree", ((34, 140, 72), (104, 196, 78)), ((122, 50, 26), (206, 104, 40)), 0.16),
    "trunk": Material("tree", ((140, 92, 58), (140, 92, 58)), ((44, 30, 30), (44, 30, 30)), 0.1),
    "skin": Material("figure", ((255, 208, 172), (255, 208, 172)), ((184, 124, 96), (184, 124, 96))),
    "hair": Material("figure", ((110, 66, 44), (62, 44, 52)), ((40, 26, 24), (24, 18, 22))),
    "shirt": Material("figure", ((255, 214, 58), (255, 140, 66)), ((130, 158, 178), (84, 108, 140)), 0.05),
    "trousers": Material("figure", ((66, 70, 124), (66, 70, 124)), ((34, 32, 42), (34, 32, 42)), 0.05),
    "paint": Material("vehicle", ((176, 84, 232), (236, 74, 172)), ((82, 150, 138), (42, 104, 128)), 0.03),
    "screen": Material("vehicle", ((158, 206, 250), (214, 240, 255)), ((26, 32, 46), (58, 66, 84))),
    "tyre": Material("vehicle", ((62, 62, 80), (62, 62, 80)), ((22, 20, 24), (22, 20, 24))),
    "hub": Material("vehicle", ((206, 210, 224), (206, 210, 224)), ((92, 86, 90), (92, 86, 90))),
    "taillight": Material("vehicle", ((255, 70, 70), (255, 70, 70)), ((226, 44, 32), (226, 44, 32))),
    "headlight": Material("vehicle", ((255, 250, 214), (255, 250, 214)), ((255, 226, 170), (255, 226, 170))),
}
"""Every material by name, with its colours in both looks."""

MATERIAL_NUMBERS = {name: number for number, name in enumerate(MATERIALS, start=1)}
"""The value of each material in a drawn map; 0 is nothing."""

_CLASS_OF = np.array([0] + [CLASSES.index(material.shows) for material in MATERIALS.values()], np.uint8)


def class_map(material: np.ndarray) -> np.ndarray:
    """The class ids of a map of material numbers, both uint8."""
    return _CLASS_OF[material]


def colour_table(look: Look, season: Season = "autumn") -> np.ndarray:
    """(materials, 256, 3) float32: the fully lit colour of every material number at every tint.

    The season is the film's; the game has none.
    """
    changed = PALETTES[season].colours if look == "film" else {}
    tint = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    rows = [np.zeros((256, 3), np.float32)]
    for name, material in MATERIALS.items():
        colours = changed.get(name, getattr(material, look))
        low, high = (np.array(colour, np.float32) for colour in colours)
        rows.append(low + (high - low) * tint)
    return np.stack(rows)
