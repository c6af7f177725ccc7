"""Putting a translated face back into its frame without a seam: a soft mask, and its border in the frame's
colours.

The border is matched by a membrane of logarithms, after Pérez et al., "Poisson Image Editing", SIGGRAPH
2003: the factor by which the translation differs on a ring around the face is continued smoothly inwards. It
is filled in by pulling up and pushing down a pyramid (Gortler et al., "The Lumigraph", SIGGRAPH 1996), which
is not the exact membrane and costs a hundredth of it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reskin.errors import ShapeError
from reskin.faces.alignment import Matrix
from reskin.images import Picture
from reskin.types import NO_BARS, Bars

Plane = NDArray[np.float32]

HALF_WIDTH, HALF_HEIGHT = 0.56, 0.68
"""Half axes of the ellipse that is put back, in heights of the face from brow to chin."""

FEATHER = 0.25
"""The mask falls from 1 to 0 between this share of the half axes inside of the ellipse and outside of it."""

CORE_WIDTH, CORE_HEIGHT = 0.3, 0.52
"""Half axes of the ellipse that is always put back, in heights of the face: eyes, mouth and a beard are not
of the colour of the skin."""

SKIN_WIDTH, SKIN_HEIGHT = 0.26, 0.34
"""Half axes of the ellipse whose pixels say what colour the skin has."""

NECK_FADE = 0.25
"""Share of the picture's edge over which a mask that reaches down the neck falls to 0 at the lower edge."""

EDGE_FADE = 0.08
"""The same at the other three edges."""

_LEAST_DEVIATION = 4.0
"""Smallest standard deviation of the skin's L, a and b, in levels of 8-bit CIELAB."""

_LIGHT_DEVIATION = 0.09
"""Smallest standard deviation of its L, as a share of its median: the darker a film, the closer its tones."""

_LIGHT_WEIGHT = 0.6
"""Weight of lightness beside colour: the neck lies in the shadow of the chin."""

_SURELY, _NOT_AT_ALL = 2.0, 4.5
"""Standard deviations up to which a colour is that of the skin, and from which on it is not."""

INWARD = 0.65
"""Share of the border's correction that reaches the middle of the face: with 1 the face takes on the light
of the film, with 0 it keeps that of the model and stands out."""


_DARK_LEVELS = np.float32(12)
"""Levels that are added before ratios are taken, so that the noise of black is no colour."""

_LEAST_SKIN = 0.05
"""Pixels of skin at the border, as a share of all of the border, from which on skin alone counts; with fewer,
as of a face in a hood, all of it counts more and more."""


@lru_cache(maxsize=8)
def face_mask(size: int, margin: float) -> Plane:
    """How much of a square picture of a face is put back, (size, size), 1 on the face, 0 at the picture's
    edge.

    Args:
        size: edge of the picture, in px.
        margin: room around the face, in heights of the face; with little room the mask is smaller.
    """
    half = 0.5 + margin
    fits = min(1.0, 0.98 * half / ((1 + FEATHER) * HALF_HEIGHT))
    places = ((np.arange(size) + 0.5) / size - 0.5) * 2 * half
    x, y = places[None, :] / (HALF_WIDTH * fits), places[:, None] / (HALF_HEIGHT * fits)
    depth = np.clip((1 + FEATHER - np.hypot(x, y)) / (2 * FEATHER), 0, 1)
    mask = np.asarray(depth * depth * (3 - 2 * depth), np.float32)
    mask.flags.writeable = False  # it is shared by all who ask for it
    return mask


class FaceAreas(NamedTuple):
    """Shares of a square picture of a face, each (S, S) float32, 0 to 1; see `face_areas`.

    Attributes:
        reach: as far as the mask may reach: `face_mask`, and below the middle of the face straight down.
        core: what is always put back.
        skin: 1 where the picture certainly shows the face.
        fades: what a mask is multiplied by, so that it is 0 at the picture's edge.
    """

    reach: Plane
    core: Plane
    skin: Plane
    fades: Plane


@lru_cache(maxsize=8)
def face_areas(size: int, margin: float) -> FaceAreas:
    """The areas of a square picture of a face that `follow_face` goes by.

    Args:
        size: edge of the picture, in px.
        margin: room around the face, in heights of the face.
    """
    mask = face_mask(size, margin)
    reach = mask.copy()
    reach[size // 2 :] = np.maximum(mask[size // 2 :], mask[size // 2])
    places = ((np.arange(size) + 0.5) / size - 0.5) * 2 * (0.5 + margin)
    x, y = places[None, :], places[:, None]
    core = np.clip((1.15 - np.hypot(x / CORE_WIDTH, y / CORE_HEIGHT)) / 0.3, 0, 1)
    skin = np.hypot(x / SKIN_WIDTH, y / SKIN_HEIGHT) < 1
    near = np.minimum(np.arange(size), np.arange(size)[::-1]) / size
    across = np.clip(near / EDGE_FADE, 0, 1)
    below = np.clip(np.arange(size)[::-1] / (NECK_FADE * size), 0, 1)
    down = np.minimum(across, below * below * (3 - 2 * below))
    areas = FaceAreas(
        *(np.asarray(area, np.float32) for area in (reach, core, skin, down[:, None] * across[None, :]))
    )
    for area in areas:
        area.flags.writeable = False  # they are shared by all who ask for them
    return areas


def skin_share(picture: Picture, skin: Plane) -> Plane:
    """How much each pixel has the colour of a face's skin, (S, S) float32, 0 to 1.

    Args:
        picture: (S, S, 3) uint8.
        skin: (S, S), 1 where it certainly shows the face; median and spread of these pixels count, so that
            eyes and lips among them do not.
    """
    import cv2

    smooth = cv2.GaussianBlur(picture, (0, 0), max(0.5, picture.shape[0] / 64))
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
    known = lab[skin > 0.5]
    middle = np.median(known, axis=0)
    spread = 1.4826 * np.median(np.abs(known - middle), axis=0)
    least = np.array(
        [max(_LEAST_DEVIATION, _LIGHT_DEVIATION * middle[0]), _LEAST_DEVIATION, _LEAST_DEVIATION]
    )
    away = (lab - middle) / np.maximum(spread, least.astype(np.float32))
    away[..., 0] *= _LIGHT_WEIGHT
    distance = np.sqrt((away * away).sum(axis=2))
    share = (_NOT_AT_ALL - distance) / (_NOT_AT_ALL - _SURELY)
    return np.asarray(np.clip(share, 0, 1), np.float32)


def border_correction(source: Picture, made: Picture, mask: Plane, shown: Plane | None = None) -> Plane:
    """By what to multiply a translated face so that it goes over into its source at the border.

    Factors, as light multiplies what it falls on: a bright face in a dark film becomes dark with all of its
    contrast, where a difference in levels would cut off its shadows, and a dark face in a bright film would
    stay flat.

    A seam is seen where skin goes over into skin, at the neck and the ears; hair and ground end at an edge of
    their own. So the skin is corrected by what the translation differs by on the skin of the border alone,
    and what is not skin by all of the border.

    Args:
        source: (S, S, 3) uint8, the face as it was cut out.
        made: (S, S, 3) uint8, its translation.
        mask: (S, S), see `face_mask`.
        shown: (S, S), how much each pixel belongs to the face and its neck, 0 to 1; None where that is not
            known, and all of the border counts alike.

    Returns:
        (S, S, 3) float32, logarithms of factors, for `corrected`: those by which source and translation
        differ on the outer half of the mask's border, continued inwards.

    Raises:
        ShapeError: the three differ in size.
    """
    if source.shape != made.shape or mask.shape != source.shape[:2]:
        raise ShapeError(f"a face of {source.shape}, its translation of {made.shape}, a mask of {mask.shape}")
    difference = np.log(source + _DARK_LEVELS) - np.log(made + _DARK_LEVELS)
    outer = np.where(mask < 0.5, np.float32(1), np.float32(0))
    ring = outer * (mask > 0)
    filled = _filled(difference * ring[..., None], ring)
    if shown is not None:
        skin = outer * shown
        trust = min(1.0, float(skin.sum()) / (_LEAST_SKIN * float(ring.sum()) + 1e-6))
        share = (np.float32(trust) * shown)[..., None]
        filled = filled + share * (_filled(difference * skin[..., None], skin) - filled)
    inward = np.clip(2 * mask - 1, 0, 1)[..., None]
    return np.asarray(filled * (1 - np.float32(1 - INWARD) * inward), np.float32)


def corrected(made: Picture, correction: Plane) -> Picture:
    """A translated face in the light of its film.

    Args:
        made: (S, S, 3) uint8.
        correction: (S, S, 3), see `border_correction`.

    Returns:
        (S, S, 3) uint8.
    """
    wanted = (made + _DARK_LEVELS) * np.exp(correction) - _DARK_LEVELS
    return np.asarray(np.clip(np.rint(wanted), 0, 255), np.uint8)


def _filled(values: Plane, weights: Plane) -> Plane:
    """Values where there are any, continued smoothly everywhere else.

    Args:
        values: (H, W, 3), times their weights.
        weights: (H, W).
    """
    import cv2

    height, width = weights.shape
    if min(height, width) <= 2:
        total = float(weights.sum())
        mean = values.sum(axis=(0, 1)) / total if total > 0 else np.zeros(3)
        return np.broadcast_to(np.asarray(mean, np.float32), values.shape).copy()
    coarse = _filled(
        np.asarray(cv2.pyrDown(values), np.float32), np.asarray(cv2.pyrDown(weights), np.float32)
    )
    around = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    share = np.minimum(weights, np.float32(1))[..., None]
    own = values / np.maximum(weights, np.float32(1e-6))[..., None]
    return np.asarray(share * own + (1 - share) * around, np.float32)


def region_of(
    matrix: Matrix, size: int, width: int, height: int, *, bars: Bars = NO_BARS
) -> tuple[slice, slice]:
    """Rows and columns of a frame that a square picture covers; empty where it lies outside.

    Args:
        matrix: the map from frame px to picture px.
        size: edge of the picture, in px.
        width: of the frame, in px.
        height: of the frame, in px.
        bars: px of border at the left, top, right and bottom, which are not covered.
    """
    turned = np.linalg.inv(matrix[:, :2])
    corners = np.array([(x, y) for x in (-0.5, size - 0.5) for y in (-0.5, size - 0.5)])
    places = (corners - matrix[:, 2]) @ turned.T
    left, top = np.floor(places.min(axis=0)).astype(int)
    right, bottom = np.ceil(places.max(axis=0)).astype(int) + 1
    rows = slice(max(bars[1], int(top)), min(height - bars[3], int(bottom)))
    columns = slice(max(bars[0], int(left)), min(width - bars[2], int(right)))
    return rows, columns


def seen_in(planes: Plane, matrix: Matrix, region: tuple[slice, slice], *, repeats: bool) -> Plane:
    """Planes of a square picture as they lie in a region of its frame, by bilinear interpolation.

    Args:
        planes: (S, S) or (S, S, C), C from 1 to 4.
        matrix: the map from frame px to picture px.
        region: rows and columns of the frame, not empty.
        repeats: whether the picture's edge is repeated outside of it; if not, there is 0.

    Returns:
        (H, W) or (H, W, C), float32.
    """
    import cv2

    rows, columns = region
    there = matrix.copy()
    there[:, 2] += matrix[:, :2] @ (columns.start, rows.start)
    border = cv2.BORDER_REPLICATE if repeats else cv2.BORDER_CONSTANT
    area = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(planes, there, area, flags=flags, borderMode=border), np.float32)
