"""Colour transfer by mean and deviation: the cheap rival that a learned translation has to beat.

Reinhard et al., "Color Transfer between Images", IEEE Computer Graphics and Applications 2001,
https://doi.org/10.1109/38.946629. The paper's axes, l-alpha-beta of Ruderman et al., take logarithms and
break down on black; here they are those of CIELAB (D65), which share the idea (lightness and two nearly
independent opponent colours) and take any sRGB picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reskin.errors import DataError, ShapeError
from reskin.images import Picture

_TO_XYZ = np.array(  # linear sRGB to XYZ, divided by the white point of D65 row by row
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_TO_XYZ /= _TO_XYZ.sum(axis=1, keepdims=True)
_TO_LINEAR = np.linalg.inv(_TO_XYZ)
_TO_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_FROM_LAB = np.linalg.inv(_TO_LAB)
_KNEE = 6 / 29
_MIDDLE = np.array([50.0, 0.0, 0.0])
_BLACK = np.array([16.0, 0.0, 0.0])
_LEVELS = np.arange(256) / 255
_LINEAR_OF_BYTE = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True)
class Colours:
    """What is known of the colours of a set of pictures.

    Attributes:
        mean: (3,) mean of L, a, b over all pixels of all pictures.
        deviation: (3,) their standard deviations.
        pictures: how many were measured.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    pictures: int


def measure(images: Iterable[Picture]) -> Colours:
    """The colours of a set of pictures, which may come one by one; every pixel counts alike.

    Args:
        images: RGB, uint8, (H, W, 3) each.

    Raises:
        DataError: there is no picture.
        ShapeError: a picture has another shape or type.
    """
    pixels, pictures = 0, 0
    sums, squares = np.zeros(3), np.zeros(3)
    for image in images:
        lab = to_lab(image).reshape(-1, 3)
        # From the middle of the scale, so that the difference of squares below keeps its digits.
        lab = lab - _MIDDLE
        sums += lab.sum(axis=0)
        squares += np.square(lab).sum(axis=0)
        pixels, pictures = pixels + len(lab), pictures + 1
    if not pixels:
        raise DataError("no picture to measure colours of", "Check the folder.")
    mean = sums / pixels
    deviation = np.sqrt(np.maximum(squares / pixels - mean**2, 0.0))
    return Colours(mean + _MIDDLE, deviation, pictures)


class Reinhard:
    """Gives pictures the mean and deviation of another set's colours, axis by axis of CIELAB.

    >>> grey, red = np.full((2, 2, 3), 128, np.uint8), np.full((2, 2, 3), (200, 30, 30), np.uint8)
    >>> Reinhard().fit([red]).transfer(grey)[0, 0].tolist()
    [200, 30, 30]
    """

    def __init__(self) -> None:
        self.source: Colours | None = None
        self.target: Colours | None = None

    def fit(
        self, target: Iterable[Picture] | Colours, source: Iterable[Picture] | Colours | None = None
    ) -> Self:
        """Learn whose colours to give, and whose to take away.

        Args:
            target: the pictures whose look is wanted, or their `Colours`.
            source: the set or clip that the pictures of `transfer` belong to: all are then moved alike, so
                that a dark frame stays darker than a light one. None moves each picture by its own colours,
                as the paper does.

        Raises:
            DataError: a set is empty.
        """
        self.target = target if isinstance(target, Colours) else measure(target)
        self.source = source if isinstance(source, Colours) or source is None else measure(source)
        return self

    def transfer(self, image: Picture) -> Picture:
        """The picture in the target's colours: RGB, uint8, the same shape.

        Raises:
            DataError: `fit` was not called.
            ShapeError: `image` is not (H, W, 3) uint8.
        """
        if self.target is None:
            raise DataError("colour transfer before its target is known", "Call fit first.")
        source = self.source or measure([image])
        # A source without contrast has nothing to stretch: it takes the mean alone.
        ratio = np.where(
            source.deviation > 1e-6, self.target.deviation / np.maximum(source.deviation, 1e-6), 1.0
        )
        return from_lab((to_lab(image) - source.mean) * ratio + self.target.mean)


def to_lab(image: Picture) -> NDArray[np.float64]:
    """CIELAB (D65) of an sRGB picture: (H, W, 3) with L in [0, 100], a and b about [-110, 110].

    Raises:
        ShapeError: `image` is not (H, W, 3) uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ShapeError(f"a picture must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    xyz = _LINEAR_OF_BYTE[image] @ _TO_XYZ.T
    bent = np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29)
    lab: NDArray[np.float64] = bent @ _TO_LAB.T - _BLACK
    return lab


def from_lab(lab: NDArray[np.float64]) -> Picture:
    """The sRGB picture of CIELAB values, uint8, (H, W, 3); colours that sRGB has not are clipped."""
    bent = (lab + _BLACK) @ _FROM_LAB.T
    xyz = np.where(bent > _KNEE, bent**3, 3 * _KNEE**2 * (bent - 4 / 29))
    linear = np.clip(xyz @ _TO_LINEAR.T, 0.0, 1.0)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255).astype(np.uint8)
