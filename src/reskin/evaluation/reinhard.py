"""Colour transfer by mean and deviation: the cheap baseline that a learned translation has to beat.

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

from reskin.colour import from_lab, to_lab
from reskin.errors import DataError
from reskin.images import Picture

_MIDDLE = np.array([50.0, 0.0, 0.0])


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
