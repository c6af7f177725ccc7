"""Shapes to pixels: maps that say for each pixel of what it is made and how it is lit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reskin.worlds.materials import MATERIAL_NUMBERS
from reskin.worlds.shapes import Shape

SHADE_STEPS = 160.0
"""A stored shade of 160 is a fully lit surface, so that up to 1.59 fits into a byte."""

_FRACTION_BITS = 6


@dataclass(frozen=True)
class Maps:
    """What the pixels of a drawn piece are.

    Attributes:
        material: (h, w) uint8, the material's number; 0 where there is nothing.
        tint: (h, w) uint8, tint times 255.
        shade: (h, w) uint8, shade times `SHADE_STEPS`.
        part: (h, w) uint8, the rigid piece.
    """

    material: np.ndarray
    tint: np.ndarray
    shade: np.ndarray
    part: np.ndarray


def rasterise(
    shapes: Sequence[Shape], size: tuple[int, int], *, origin: tuple[float, float], unit: float
) -> Maps:
    """Draw shapes over each other, the later ones on top.

    Args:
        shapes: in the units of the scene.
        size: (width, height) of the maps in fine pixels.
        origin: where the scene's (0, 0) lies, in fine pixels from the upper left corner.
        unit: fine pixels per frame height.
    """
    import cv2

    width, height = size
    canvas = np.zeros((height, width, 4), np.uint8)
    for shape in shapes:
        # A pixel's number is its centre, half a pixel from its corner.
        corners = shape.points * unit + (origin[0] - 0.5, origin[1] - 0.5)
        if corners[:, 0].max() < 0 or corners[:, 0].min() > width:
            continue
        fixed = np.round(corners * (1 << _FRACTION_BITS)).astype(np.int32)
        colour = _colour(shape)
        if shape.tint_below is None:
            cv2.fillPoly(canvas, [fixed], colour, cv2.LINE_8, _FRACTION_BITS)
        else:
            _fill_fading(canvas, fixed, shape, colour)
    return Maps(*(np.ascontiguousarray(canvas[..., channel]) for channel in range(4)))


def _colour(shape: Shape) -> tuple[int, int, int, int]:
    tint = round(255 * min(1.0, max(0.0, shape.tint)))
    shade = min(255, round(SHADE_STEPS * shape.shade))
    return MATERIAL_NUMBERS[shape.material], tint, shade, shape.part


def _fill_fading(
    canvas: np.ndarray, fixed: np.ndarray, shape: Shape, colour: tuple[int, int, int, int]
) -> None:
    """Fill a polygon whose tint goes from `tint` at its top to `tint_below` at its bottom."""
    import cv2

    scale, (height, width) = 1 << _FRACTION_BITS, canvas.shape[:2]
    low, high = fixed.min(axis=0) / scale, fixed.max(axis=0) / scale
    left, top = max(0, int(low[0]) - 1), max(0, int(low[1]) - 1)
    right, bottom = min(width, int(high[0]) + 2), min(height, int(high[1]) + 2)
    if left >= right or top >= bottom:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [fixed - np.array([left, top], np.int32) * scale], 1, cv2.LINE_8, _FRACTION_BITS)
    way = np.clip((np.arange(top, bottom) - low[1]) / max(1.0, high[1] - low[1]), 0, 1)
    below = shape.tint if shape.tint_below is None else shape.tint_below
    rows = np.empty((bottom - top, 1, 4), np.uint8)
    rows[...] = colour
    rows[:, 0, 1] = np.round(255 * (shape.tint + (below - shape.tint) * way)).clip(0, 255)
    region = canvas[top:bottom, left:right]
    np.copyto(region.view(np.uint32), rows.view(np.uint32), where=mask[..., None] != 0)
