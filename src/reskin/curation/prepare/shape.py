"""From a frame or picture to one of the size that was asked for: bars cut, squeezed, cropped or scaled."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from reskin.images import Picture
from reskin.types import NO_BARS, Bars

Fit = Literal["exact", "cover", "inside"]

MAX_SIDE_PX = 16384

ASPECT_TOLERANCE = 0.02
"""A change of the aspect above this share is said."""


@dataclass(frozen=True)
class Shape:
    """What becomes of a picture.

    Attributes:
        size: width and height of the result, px.
        box: the part of the picture that is used: left, top, right, bottom, px; may lie between pixels.
    """

    size: tuple[int, int]
    box: tuple[float, float, float, float]

    @property
    def aspect_change(self) -> float:
        """By which share the result is wider (above 0) or narrower than what it was made of.

        >>> Shape(size=(100, 100), box=(0, 0, 200, 100)).aspect_change
        -0.5
        """
        left, top, right, bottom = self.box
        return self.size[0] * (bottom - top) / (self.size[1] * (right - left)) - 1


def lengths_of(size: str) -> list[int]:
    """The one or two numbers of a size such as 256 or 640x360, in px.

    Raises:
        ValueError: not of this form, 0, or too large.
    """
    if not re.fullmatch(r"[0-9]{1,6}(x[0-9]{1,6})?", size) or min(map(int, size.split("x"))) < 1:
        raise ValueError("a size looks like 640x360 or 256")
    sides = [int(side) for side in size.split("x")]
    if max(sides) > MAX_SIDE_PX:
        raise ValueError(f"height and width are at most {MAX_SIDE_PX} px")
    return sides


def shape_of(width: int, height: int, *, size: str | None, fit: Fit = "exact", bars: Bars = NO_BARS) -> Shape:
    """What a picture of this width and height becomes.

    Args:
        width: px.
        height: px.
        size: "640x360" for width and height, "256" for the shorter edge, None for as it is.
        fit: with width and height: squeeze to exactly that, cover it and crop the middle, or scale to lie
            inside.
        bars: cut away before.

    >>> shape_of(1920, 1080, size="256").size, shape_of(100, 50, size="20x20", fit="inside").size
    ((455, 256), (20, 10))
    >>> shape_of(100, 50, size="20x20", fit="cover").box
    (25.0, 0.0, 75.0, 50.0)
    """
    left, top, right, bottom = bars[0], bars[1], width - bars[2], height - bars[3]
    width, height = right - left, bottom - top
    sides = lengths_of(size) if size else [width, height]
    if len(sides) == 1:
        return Shape(_scaled(width, height, sides[0] / min(width, height)), (left, top, right, bottom))
    if fit == "inside":
        scale = min(sides[0] / width, sides[1] / height)
        return Shape(_scaled(width, height, scale), (left, top, right, bottom))
    if fit == "cover":
        # The part with the asked aspect, in the middle.
        used_width = min(width, height * sides[0] / sides[1])
        used_height = min(height, width * sides[1] / sides[0])
        across, down = left + (width - used_width) / 2, top + (height - used_height) / 2
        box = (across, down, across + used_width, down + used_height)
        return Shape((sides[0], sides[1]), box)
    return Shape((sides[0], sides[1]), (left, top, right, bottom))


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def shaped(image: Picture, shape: Shape) -> Picture:
    """The picture that `shape` says: RGB, uint8, (H, W, 3); scaled by Lanczos where there is need."""
    left, top, right, bottom = shape.box
    across, down = math.floor(left), math.floor(top)
    # Cut first: the filter would reach over the edge of a box, and draw in the black of a bar.
    part = image[down : math.ceil(bottom), across : math.ceil(right)]
    if shape.size == (part.shape[1], part.shape[0]):
        return part  # to within a pixel at the edges, exactly what is asked for
    box = (left - across, top - down, right - across, bottom - down)
    return np.asarray(_as_pillow(part).resize(shape.size, Image.Resampling.LANCZOS, box=box))


def _as_pillow(image: Picture) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image))
