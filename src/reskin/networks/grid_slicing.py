"""Applying a grade to a full-size 8-bit frame on a CPU, in the time between two frames of a film.

The same as `bilateral_grid.apply_grade`, to rounding, in strips that stay in the processor's cache: for each
row the
grid is interpolated down to one table of knots by cells, in which OpenCV looks every pixel up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reskin.networks.bilateral_grid import KNEE, Grade

_STRIP_ROWS = 16
_HALF_RANGE = np.float32(127.5)

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]


def grade_picture(picture: Picture, grade: Grade) -> Picture:
    """One frame, graded.

    Args:
        picture: (H, W, 3) uint8 RGB.
        grade: for one picture (N = 1).

    Returns:
        (H, W, 3) uint8 RGB.
    """
    import cv2

    height, width = picture.shape[:2]
    tables = _row_tables(grade, height)  # (H, knots, cells, 4)
    to_knot, to_colour = _colour_maps(grade, knots=tables.shape[1])
    cells = tables.shape[2]
    across = np.clip((np.arange(width) + 0.5) * (cells / width) - 0.5, 0, cells - 1).astype(np.float32)[None]
    out = np.empty_like(picture)
    looked_up = np.empty((_STRIP_ROWS, width, 4), np.float32)
    for top in range(0, height, _STRIP_ROWS):
        part = picture[top : top + _STRIP_ROWS].astype(np.float32)
        knot, colour = cv2.transform(part, to_knot), cv2.split(cv2.transform(part, to_colour))
        for row in range(len(part)):
            cv2.remap(
                tables[top + row],
                across,
                knot[row : row + 1],
                cv2.INTER_LINEAR,
                dst=looked_up[row : row + 1],
                borderMode=cv2.BORDER_REPLICATE,
            )
        red, green, blue, saturation = (
            np.asarray(plane, np.float32) for plane in cv2.split(looked_up[: len(part)])
        )
        planes = [
            _channel(np.asarray(plane, np.float32), base, saturation)
            for plane, base in zip(colour, (red, green, blue), strict=True)
        ]
        cv2.convertScaleAbs(cv2.merge(planes), dst=out[top : top + len(part)])
    return out


def _row_tables(grade: Grade, height: int) -> Plane:
    """The grid interpolated at every row: (H, knots, cells, 4), in half ranges of 255."""
    curves = grade.curves[0].permute(2, 1, 3, 0).contiguous().cpu().numpy() * _HALF_RANGE
    rows = len(curves)
    down = np.clip((np.arange(height) + 0.5) * (rows / height) - 0.5, 0, rows - 1).astype(np.float32)
    above = np.minimum(down.astype(np.int64), max(0, rows - 2))
    below = np.minimum(above + 1, rows - 1)
    share = (down - above).astype(np.float32)[:, None, None, None]
    tables: Plane = curves[above] + share * (curves[below] - curves[above])
    return tables


def _colour_maps(grade: Grade, *, knots: int) -> tuple[Plane, Plane]:
    """Matrices that give, of an 8-bit pixel, its position between the knots, and its turned difference from
    grey."""
    weights = grade.weights.double().cpu().numpy()
    matrix = grade.matrix[0].double().cpu().numpy()
    difference = matrix @ (np.eye(3) - np.outer(np.ones(3), weights))
    to_knot = (weights * ((knots - 1) / 255)).astype(np.float32)[None]
    return to_knot, (difference / 127.5).astype(np.float32)


def _channel(colour: Plane, base: Plane, saturation: Plane) -> Plane:
    """One channel of 0 to 255 out of its parts, which are in half ranges; as `bilateral_grid.compress`."""
    import cv2

    cv2.multiply(colour, saturation, dst=colour)
    cv2.add(colour, base, dst=colour)
    knee, room = _HALF_RANGE * np.float32(KNEE), _HALF_RANGE * np.float32(1 - KNEE)
    if cv2.norm(colour, cv2.NORM_INF) > knee:
        over = np.abs(colour) > knee
        high = colour[over]
        colour[over] = np.sign(high) * (knee + room * np.tanh((np.abs(high) - knee) / room))
    colour += np.float32(_HALF_RANGE)
    return colour
