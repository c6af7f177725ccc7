"""Sharpness: how much fine detail the sharpest parts of a picture have for their contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reskin.images import Picture

_TILE_PX = 32
_LEAST_VARIANCE = 64.0
"""A tile with a smaller deviation than 8 levels shows nothing by which to judge."""
_SHARPEST = 0.1
"""Of the tiles that show something, the share that is judged: a blurred background is no fault."""

_SOFT = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16
_LAPLACE = np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
_SECOND = np.outer([1.0, -2.0, 1.0], [1.0, -2.0, 1.0])


def _noise_gain() -> float:
    """Variance that the softened Laplacian makes of white noise of variance 1."""
    kernel = np.zeros((5, 5))
    for (row, column), weight in np.ndenumerate(_SOFT):
        kernel[row : row + 3, column : column + 3] += weight * _LAPLACE
    return float((kernel**2).sum())


_NOISE_GAIN = _noise_gain()


def sharpness(grey: Picture, *, if_flat: float = 1.0) -> float:
    """Variance of the softened Laplacian over that of the picture, in its sharpest parts; higher is sharper.

    The one measure of sharpness, for screening, faces and inspection: 0 for what is blurred or enlarged,
    below 0.03 where even the sharpest edges are soft, 0.3 for a usual photograph, about 1 at most. Contrast
    does not matter, since one is divided by the other. The share of noise is estimated where the picture is
    smoothest (by the mask of Immerkaer, "Fast noise variance estimation", 1996) and taken away from both. It
    does depend on the size at which a picture is looked at: bring it to that of training first.

    Args:
        grey: brightness, (H, W), uint8.
        if_flat: the value of a picture that shows nothing by which to judge, such as one of one colour.

    >>> sharpness(np.full((64, 64), 9, np.uint8))
    1.0
    """
    light = grey.astype(np.float32)
    if min(light.shape) < 8:
        return if_flat
    laplacian = _filtered(_filtered(light, _SOFT), _LAPLACE)
    second = _filtered(light, _SECOND)

    whole = _tiles(light)  # (rows, columns, pixels)
    means = whole.mean(axis=2)
    variances = np.maximum((whole**2).mean(axis=2) - means**2, 0)
    details = (_tiles(np.pad(laplacian, 2)) ** 2).mean(axis=2)
    noises = (_tiles(np.pad(second, 1)) ** 2).mean(axis=2) / 36
    # Where a picture is black or white, noise is cut off and cannot be seen.
    usable = (means > 4) & (means < 251)
    noise = float(np.quantile(noises[usable], 0.1)) if usable.any() else 0.0
    variances = variances - noise
    shows = variances > _LEAST_VARIANCE
    if not shows.any():
        return if_flat
    ratios = np.maximum(details[shows] - _NOISE_GAIN * noise, 0) / variances[shows]
    number = max(1, round(_SHARPEST * ratios.size))
    return float(np.sort(ratios)[-number:].mean())


def _filtered(light: NDArray[np.float32], kernel: NDArray[Any]) -> NDArray[np.float32]:
    """(H, W) through a 3x3 filter, as (H - 2, W - 2): where all of the filter lies inside."""
    import cv2

    return np.asarray(cv2.filter2D(light, cv2.CV_32F, kernel)[1:-1, 1:-1], np.float32)


def _tiles(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) as tiles, (rows, columns, pixels); what is left over at the end is not looked at."""
    height, width = (min(_TILE_PX, size) for size in values.shape)
    rows, columns = values.shape[0] // height, values.shape[1] // width
    cut = values[: rows * height, : columns * width].reshape(rows, height, columns, width)
    return cut.swapaxes(1, 2).reshape(rows, columns, -1)
