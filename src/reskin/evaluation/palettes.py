"""Class labels as images: palettes of labelled datasets, from colours to class ids and back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.errors import DataError
from reskin.images import MAX_PIXELS, Picture
from reskin.metrics.segmentation import IGNORED
from reskin.paths import read_plain
from reskin.unknown import unknown
from reskin.worlds.materials import CLASSES

Labels = NDArray[np.uint8]
"""Class ids, (H, W) uint8; `IGNORED` where a pixel has no class."""

Colour = tuple[int, int, int]
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Palette:
    """The classes of a dataset and the colours that they are drawn in.

    Attributes:
        name: of the dataset.
        classes: names; the index is the id.
        colours: RGB of each class.
        void: RGB of what is drawn and counts as no class.
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    void: tuple[Colour, ...] = ()

    def __len__(self) -> int:
        return len(self.classes)

    def decode(self, image: Picture, *, with_void: bool = True) -> Labels:
        """Each pixel's class: that of the nearest colour, by squared distance in RGB.

        Args:
            image: (H, W, 3) uint8.
            with_void: colours of no class compete too, and give `IGNORED`.

        >>> PALETTES["camvid"].decode(np.array([[[130, 126, 125], [2, 1, 0]]], np.uint8)).tolist()
        [[0, 255]]
        """
        known = [*self.colours, *(self.void if with_void else ())]
        ids = np.array([*range(len(self)), *[IGNORED] * len(self.void)][: len(known)], np.uint8)
        colours = np.array(known, np.int32)
        # Each colour that occurs is looked up once: a drawn label image has a few dozen.
        packed = image.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
        there, index = np.unique(packed, return_inverse=True)
        nearest = np.empty(len(there), np.uint8)
        for start in range(0, len(there), _ROWS_AT_ONCE):
            part = there[start : start + _ROWS_AT_ONCE]
            rgb = np.stack([part >> 16, part >> 8 & 255, part & 255], axis=1).astype(np.int32)
            away = ((rgb[:, None] - colours[None]) ** 2).sum(axis=2)
            nearest[start : start + len(part)] = ids[away.argmin(axis=1)]
        return nearest[index].reshape(image.shape[:2])

    def encode(self, labels: Labels) -> Picture:
        """Labels as an RGB image; what is no class is black.

        Raises:
            DataError: an id that is neither a class nor `IGNORED`.
        """
        self.check(labels, "the labels")
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.colours
        return table[labels]

    def check(self, labels: Labels, where: str) -> None:
        """Refuse ids that the palette does not have.

        Raises:
            DataError: there is one.
        """
        strange = np.setdiff1d(np.unique(labels), [*range(len(self)), IGNORED])
        if strange.size:
            raise DataError(
                f"{where} hold the id {strange[0]}, and {self.name} has the classes 0 to {len(self) - 1}",
                f"Choose the palette of this dataset: {', '.join(PALETTES)}.",
            )


def find_palette(name: str) -> Palette:
    """The palette of this name.

    Raises:
        SettingsError: there is none.
    """
    if name not in PALETTES:
        raise unknown("palette", name, PALETTES)
    return PALETTES[name]


def read_labels(path: Path, palette: Palette) -> Labels:
    """The labels in a PNG file: ids where it has a palette or is grey, else the nearest of the colours.

    In a file of ids, the first id past the classes (as CamVid's 11, "unlabelled") and 255 are no class.

    Raises:
        DataError: no PNG, damaged, too large, or an id that is no class.
    """
    try:
        with Image.open(io.BytesIO(read_plain(path, follow=True)), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path} has {image.width}x{image.height} px", "Make it smaller.")
            has_ids = image.mode in ("P", "L", "1")
            values = np.asarray(image if has_ids else image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as labels ({error})", "Give a PNG file.") from None
    if not has_ids:
        return palette.decode(values)
    labels = values.astype(np.uint8)
    labels = np.where(labels == len(palette), np.uint8(IGNORED), labels) if palette.void else labels
    palette.check(labels, f"the labels in {path}")
    return labels


def resize_labels(labels: Labels, height: int, width: int) -> Labels:
    """Labels at another size; each pixel takes the nearest one, so that no class is made up."""
    if labels.shape == (height, width):
        return labels
    return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))


def _palette(name: str, text: str, void: Sequence[Colour] = ()) -> Palette:
    """A palette from "name r g b" rows, parted by commas."""
    rows = [row.rsplit(maxsplit=3) for row in text.replace("\n", " ").split(",")]
    classes = tuple(row[0].strip() for row in rows)
    return Palette(name, classes, tuple((int(r), int(g), int(b)) for _, r, g, b in rows), tuple(void))


_CITYSCAPES = """road 128 64 128, sidewalk 244 35 232, building 70 70 70, wall 102 102 156, fence 190 153 153,
pole 153 153 153, traffic light 250 170 30, traffic sign 220 220 0, vegetation 107 142 35,
terrain 152 251 152, sky 70 130 180, person 220 20 60, rider 255 0 0, car 0 0 142, truck 0 0 70, bus 0 60 100,
train 0 80 100, motorcycle 0 0 230, bicycle 119 11 32"""
_CITYSCAPES_VOID = (
    (0, 0, 0), (111, 74, 0), (81, 0, 81), (250, 170, 160), (230, 150, 140), (180, 165, 180), (150, 100, 100),
    (150, 120, 90), (0, 0, 90), (0, 0, 110),
)  # fmt: skip
_CAMVID = """sky 128 128 128, building 128 0 0, pole 192 192 128, road 128 64 128, pavement 60 40 222,
tree 128 128 0, sign symbol 192 128 128, fence 64 64 128, car 64 0 128, pedestrian 64 64 0,
bicyclist 0 128 192"""
_FACADES = """background 0 0 222, facade 0 48 255, window 2 127 255, door 1 207 255, cornice 34 254 226,
sill 112 253 146, balcony 192 255 63, blind 253 240 6, deco 255 159 2, molding 253 80 1, pillar 248 2 3,
shop 174 0 1"""
_STREET_COLOURS: tuple[Colour, ...] = (
    (70, 130, 180), (180, 215, 245), (60, 90, 90), (152, 251, 152), (244, 35, 232), (128, 64, 128),
    (70, 70, 70), (180, 40, 20), (250, 220, 60), (120, 60, 0), (107, 142, 35), (220, 20, 60), (0, 0, 142),
)  # fmt: skip

PALETTES: dict[str, Palette] = {
    palette.name: palette
    for palette in (
        _palette("cityscapes", _CITYSCAPES, _CITYSCAPES_VOID),
        _palette("camvid", _CAMVID, [(0, 0, 0)]),
        _palette("facades", _FACADES),
        Palette("street", CLASSES, _STREET_COLOURS),
    )
}
"""By name: Cityscapes (its 19 training ids), CamVid (11 classes), CMP facades (12), drawn streets (13)."""
