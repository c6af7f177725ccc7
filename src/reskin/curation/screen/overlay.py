"""The rule about overlays: a logo, watermark or display that stays while the picture behind it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.curation.screen.bars import find_bars
from reskin.curation.screen.rule import Rule
from reskin.images import Picture, shrunk

OVERLAY = Rule(
    "overlay", "above", 5.0, "its source has a logo or the like: edges that stay, of this strength"
)

MOST_PICTURES = 32
"""Pictures of a source that are looked at, spread over it."""
FEWEST_PICTURES = 12
"""A source with fewer pictures is not judged."""

_SIDE_PX = 160
_CELL_PX = 8
_LEAST_EDGE = 4.0
"""Levels per px; weaker edges are not seen by anybody."""
_SURE = 6.0
"""How many standard errors the middle gradient must be away from none."""
_SAME = 0.4
"""A picture shows the edge where it has at least this share of its strength."""
_MOST_OFTEN = 0.75
"""The share of the pictures that must show it."""
_FEWEST_EDGES = 4
"""Pixels with staying edges that make a cell of 8 x 8 part of an overlay."""
_CHANGE = 10.0
"""Levels by which pictures differ (standard deviation) where something changes."""
_MOST_SHARE = 0.25
"""An overlay covers at most this share of the picture."""
_WIDEST = 0.4
"""A part that goes over more than this share of the width or height is a horizon, a kerb or a border."""
_LEAST_ACROSS = 0.15
"""Of a part's edges, the weaker of the upright and level ones, as a share of the other: no straight line."""
_BORDER_PX = 3
"""Compression blurs the border of black bars over this many px."""


@dataclass(frozen=True)
class Overlay:
    """What stays in the pictures of a source.

    Attributes:
        score: mean strength of its edges, 0 to 255 levels per px; higher is clearer.
        boxes: left, top, width and height of each part, as shares of the picture, 0 to 1.
    """

    score: float
    boxes: tuple[tuple[float, float, float, float], ...]


NO_OVERLAY = Overlay(0.0, ())


def small_grey(image: Picture) -> Picture:
    """A picture as `find_overlay` wants it: grey, (H, W), its shorter edge at most 160 px."""
    return np.asarray(shrunk(Image.fromarray(image), shorter=_SIDE_PX).convert("L"))


def find_overlay(pictures: Sequence[Picture]) -> Overlay:
    """Look for something that stays.

    The middle (median) gradient of many pictures is near nothing where they differ, but that of the overlay
    where there is one, be it opaque or half transparent. It counts where what is around it changes: a wall
    behind a speaker stays too, and is no overlay.

    Args:
        pictures: grey, uint8, (H, W), of one source, from different moments; those of another size than most
            are passed over.
    """
    stack = _of_one_size(pictures)
    if len(stack) < FEWEST_PICTURES:
        return NO_OVERLAY
    left, top, right, bottom = (
        edge + _BORDER_PX if edge else 0 for edge in find_bars(np.median(stack, axis=0).astype(np.uint8))
    )
    height, width = stack.shape[1:]
    inner = stack[:, top : height - bottom, left : width - right].astype(np.float32)
    if min(inner.shape[1:]) < 4 * _CELL_PX:
        return NO_OVERLAY
    changes = _cells(inner.std(axis=0)[:-1, :-1]).mean(axis=2)
    if np.median(changes) < _CHANGE:
        return NO_OVERLAY  # the camera stands still: nothing can be told from what stays
    level = _cells(_without_long_lines(_staying(inner[:, 1:, :-1] - inner[:, :-1, :-1])))
    upright = _cells(_without_long_lines(_staying(inner[:, :-1, 1:] - inner[:, :-1, :-1]).T).T)
    cells = ((level > 0) | (upright > 0)).sum(axis=2) >= _FEWEST_EDGES
    parts = [part for part in _groups(cells) if _is_overlay(part, changes, level, upright)]
    if not parts or sum(int(part.sum()) for part in parts) > _MOST_SHARE * cells.size:
        return NO_OVERLAY
    strengths = np.hypot(level, upright)[np.logical_or.reduce(parts)]
    place = (left, top, width, height)
    return Overlay(
        round(float(strengths[strengths > 0].mean()), 2), tuple(_box(part, place) for part in parts)
    )


def _of_one_size(pictures: Sequence[Picture]) -> NDArray[np.uint8]:
    sizes = [picture.shape for picture in pictures]
    if not sizes:
        return np.empty((0, 1, 1), np.uint8)
    common = max(set(sizes), key=lambda size: (sizes.count(size), size))
    return np.stack([picture for picture in pictures if picture.shape == common])


def _staying(gradients: NDArray[np.float32]) -> NDArray[np.float32]:
    """How strong the gradient is that pictures share, 0 to 255 levels per px; 0 where it is noise.

    Args:
        gradients: (N, H, W).

    Returns:
        (H, W).
    """
    middle = np.median(gradients, axis=0)
    # 1.4826: from the median deviation to the standard one; 1.2533: of a median over that of a mean.
    spread = 1.4826 * np.median(np.abs(gradients - middle), axis=0)
    error = spread * 1.2533 / np.sqrt(len(gradients)) + 0.3
    often = (gradients * np.sign(middle) > _SAME * np.abs(middle)).mean(axis=0) >= _MOST_OFTEN
    strength = np.abs(middle)
    return np.where(often & (strength > _SURE * error) & (strength > _LEAST_EDGE), strength, 0)


def _without_long_lines(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level edges without rows that go over most of the width: a logo on a kerb is parted from it."""
    is_long = (level > 0).mean(axis=1) > _WIDEST
    return np.where(is_long[:, None], 0, level)


def _cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) as (rows, columns, 64); what is left over at the end is put into no cell."""
    rows, columns = values.shape[0] // _CELL_PX, values.shape[1] // _CELL_PX
    cut = values[: rows * _CELL_PX, : columns * _CELL_PX].reshape(rows, _CELL_PX, columns, _CELL_PX)
    return cut.swapaxes(1, 2).reshape(rows, columns, -1)


def _groups(cells: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The connected parts (corners connect) of a small map, each as a map, from the top left on."""
    import cv2

    count, labels = cv2.connectedComponents(cells.astype(np.uint8), connectivity=8)
    return sorted((labels == label for label in range(1, count)), key=lambda part: int(part.argmax()))


def _grown(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    import cv2

    return cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def _is_overlay(
    part: NDArray[np.bool_],
    changes: NDArray[np.float32],
    level: NDArray[np.float32],
    upright: NDArray[np.float32],
) -> bool:
    """Whether a part has edges in both directions, is small, and what is around it changes."""
    rows, columns = part.any(axis=1).mean(), part.any(axis=0).mean()
    weaker, stronger = sorted((float(level[part].sum()), float(upright[part].sum())))
    if max(rows, columns) > _WIDEST or weaker < _LEAST_ACROSS * stronger:
        return False
    around = _grown(_grown(part)) & ~_grown(part)
    return bool(around.any()) and float((changes[around] > _CHANGE).mean()) > 0.75


def _box(part: NDArray[np.bool_], place: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    left, top, width, height = place
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    x, y = left + columns[0] * _CELL_PX, top + rows[0] * _CELL_PX
    across, down = (len(places) * _CELL_PX for places in (columns, rows))
    box = (x / width, y / height, across / width, down / height)
    return tuple(round(float(value), 3) for value in box)  # type: ignore[return-value]
