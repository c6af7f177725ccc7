"""Bringing a translation made at work size to the size of the frame, guided by the frame itself.

He et al., "Guided Image Filtering", ECCV 2010, section 3 (colour guide), with the coefficients computed at
work size and only enlarged, as in He and Sun, "Fast Guided Filter", 2015, https://arxiv.org/abs/1505.00996.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reskin.errors import ShapeError
from reskin.images import Picture

RADIUS_PX = 4
"""Radius of the window in which a translation is fitted as a linear map of its source, at work size."""

EPSILON = 2e-4
"""Regularisation of the fit, for values in [0, 1]: smaller follows the translation, larger smooths it."""

_LEAST_SPREAD = 0.01
"""Least standard deviation that a guide is taken to have: a flat picture has no edges but its noise."""

_STRIP_ROWS = 24
"""Rows that are made at once, so that the planes stay in the processor's cache."""

Plane = NDArray[np.float32]


def guided_upsample(
    frame: Picture,
    source: Picture,
    translation: Picture,
    *,
    detail: float = 0.0,
    radius: int = RADIUS_PX,
    epsilon: float = EPSILON,
) -> Picture:
    """The translation of a frame at the frame's own size, with the frame's edges and grain.

    In every window at work size the translation is fitted as an affine map of the source's colours; the maps,
    enlarged, are applied to the frame. What the model drew that no such map explains (new texture or shapes)
    is left out, and comes back by `detail`.

    Args:
        frame: (H, W, 3) uint8, what the source was made of.
        source: (h, w, 3) uint8, the frame at work size.
        translation: (h, w, 3) uint8, the model's translation of `source`.
        detail: share of the residual of the fit that is added, bicubically enlarged; 0 to 1.
        radius: of the window, px at work size.
        epsilon: regularisation of the fit.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ShapeError: source and translation differ in size.
    """
    import cv2

    fit = fit_maps(source, translation, radius=radius, epsilon=epsilon)
    height, width = frame.shape[:2]
    full = [
        np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        for plane in fit.maps
    ]
    residual = None
    if detail > 0:
        residual = np.asarray(cv2.resize(fit.residual(), (width, height), interpolation=cv2.INTER_CUBIC))
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        rows = slice(top, min(height, top + _STRIP_ROWS))
        strip = apply_maps(frame[rows], [plane[rows] for plane in full])
        if residual is not None:
            strip += np.float32(255 * detail) * residual[rows]
        np.copyto(out[rows], cv2.convertScaleAbs(np.maximum(strip, 0, out=strip)))
    return out


@dataclass(frozen=True)
class Fit:
    """A translation as affine maps of its source's colours.

    Attributes:
        maps: twelve planes (h, w): the slopes of each output channel by input channel, then the three shifts,
            for values in [0, 1].
        guide: the three planes of the source, in [0, 1].
        wanted: those of the translation.
    """

    maps: list[Plane]
    guide: list[Plane]
    wanted: list[Plane]

    def residual(self) -> Plane:
        """What the maps leave out of the translation, (h, w, 3), for values in [0, 1]."""
        import cv2

        left = []
        for out, plane in enumerate(self.wanted):
            row, shift = self.maps[3 * out : 3 * out + 3], self.maps[9 + out]
            guide = self.guide
            left.append(plane - shift - row[0] * guide[0] - row[1] * guide[1] - row[2] * guide[2])
        return np.asarray(cv2.merge(left), np.float32)


def fit_maps(
    source: Picture, translation: Picture, *, radius: int = RADIUS_PX, epsilon: float = EPSILON
) -> Fit:
    """The affine maps of colour that come nearest to a translation in every window.

    Args:
        source: (h, w, 3) uint8.
        translation: (h, w, 3) uint8, of `source`.
        radius: of the window, px.
        epsilon: regularisation, for values in [0, 1].

    Raises:
        ShapeError: source and translation differ in size.
    """
    if source.shape != translation.shape or source.ndim != 3:
        raise ShapeError(f"a translation of {translation.shape} for a source of {source.shape}")
    guide, wanted = _planes(source), _planes(translation)
    slopes, shifts = _coefficients(guide, wanted, radius, epsilon)
    return Fit([plane for row in slopes for plane in row] + shifts, guide, wanted)


def fit_change(source: Picture, translation: Picture) -> Fit:
    """As `fit_maps`, where it is the change from the source that is fitted.

    Where nothing in a window varies, `fit_maps` gives one colour and this one a shift of all colours, so that
    the grain of what the maps are applied to stays. What does not change is given back exactly.

    Args:
        source: (h, w, 3) uint8.
        translation: (h, w, 3) uint8, of `source`.

    Raises:
        ShapeError: source and translation differ in size.
    """
    if source.shape != translation.shape or source.ndim != 3:
        raise ShapeError(f"a translation of {translation.shape} for a source of {source.shape}")
    guide, wanted = _planes(source), _planes(translation)
    changes = [plane - own for plane, own in zip(wanted, guide, strict=True)]
    slopes, shifts = _coefficients(guide, changes, RADIUS_PX, EPSILON)
    for channel in range(3):
        slopes[channel][channel] += np.float32(1)
    return Fit([plane for row in slopes for plane in row] + shifts, guide, wanted)


def guided_filter(guide: Picture, plane: Plane, *, radius: int, epsilon: float) -> Plane:
    """A plane that follows the edges of a picture, such as a mask that was drawn roughly.

    He et al., "Guided Image Filtering", section 3, with a colour guide. The guide is brought to a standard
    deviation of 0.25 before, so that dark or flat pictures have edges too.

    Args:
        guide: (h, w, 3) uint8.
        plane: (h, w).
        radius: of the window, px.
        epsilon: regularisation, for a guide of that spread: smaller follows weaker edges.

    Returns:
        (h, w) float32; it may go a little beyond the range of `plane`.

    Raises:
        ShapeError: the two differ in size.
    """
    if guide.shape[:2] != plane.shape:
        raise ShapeError(f"a plane of {plane.shape} for a guide of {guide.shape}")
    planes = _planes(guide)
    spread = max(_LEAST_SPREAD, float(np.stack(planes).std()))
    spread_planes = [(own - own.mean()) * np.float32(0.25 / spread) for own in planes]
    slopes, shifts = _coefficients(spread_planes, [plane], radius, epsilon)
    row = slopes[0]
    filtered = shifts[0] + sum((row[i] * spread_planes[i] for i in range(1, 3)), row[0] * spread_planes[0])
    return np.asarray(filtered, np.float32)


def _planes(picture: Picture) -> list[Plane]:
    values = picture.astype(np.float32) * np.float32(1 / 255)
    return [np.ascontiguousarray(values[..., channel]) for channel in range(3)]


def _coefficients(
    guide: list[Plane], wanted: list[Plane], radius: int, epsilon: float
) -> tuple[list[list[Plane]], list[Plane]]:
    """Slopes [output][input] and shifts [output] of the affine maps, averaged over the windows of each
    pixel."""
    mean_guide, mean_wanted = [_box(g, radius) for g in guide], [_box(o, radius) for o in wanted]
    inverse = _inverse_covariance(guide, mean_guide, radius, epsilon)
    slopes: list[list[Plane]] = []
    shifts: list[Plane] = []
    for out, mean_out in zip(wanted, mean_wanted, strict=True):
        covariance = [_box(g * out, radius) - m * mean_out for g, m in zip(guide, mean_guide, strict=True)]
        row = [
            sum((inverse[i][j] * covariance[j] for j in range(1, 3)), inverse[i][0] * covariance[0])
            for i in range(3)
        ]
        shift = mean_out - row[0] * mean_guide[0] - row[1] * mean_guide[1] - row[2] * mean_guide[2]
        slopes.append([_box(plane, radius) for plane in row])
        shifts.append(_box(shift, radius))
    return slopes, shifts


def _inverse_covariance(
    guide: list[Plane], mean: list[Plane], radius: int, epsilon: float
) -> list[list[Plane]]:
    """The inverse of the guide's 3x3 covariance in each window, by cofactors."""
    entry = {}
    for i in range(3):
        for j in range(i, 3):
            entry[i, j] = _box(guide[i] * guide[j], radius) - mean[i] * mean[j]
            if i == j:
                entry[i, j] += np.float32(epsilon)
    rr, rg, rb, gg, gb, bb = (entry[key] for key in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c_rr + rg * c_rg + rb * c_rb)
    cofactors = [[c_rr, c_rg, c_rb], [c_rg, c_gg, c_gb], [c_rb, c_gb, c_bb]]
    return [[cofactor * scale for cofactor in row] for row in cofactors]


def _box(plane: Plane, radius: int) -> Plane:
    import cv2

    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def apply_maps(frame: Picture, maps: list[Plane]) -> Plane:
    """The colours of a picture after the maps of its pixels.

    Args:
        frame: (H, W, 3) uint8.
        maps: twelve planes (H, W); see `Fit`.

    Returns:
        (H, W, 3) float32, about 0 to 255.
    """
    import cv2

    planes = [plane.astype(np.float32) for plane in cv2.split(frame)]
    made = []
    for out in range(3):
        plane = maps[9 + out] * np.float32(255)
        for channel in range(3):
            plane += maps[3 * out + channel] * planes[channel]
        made.append(plane)
    return np.asarray(cv2.merge(made), np.float32)
