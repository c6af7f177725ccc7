"""The rule about blur: how much fine detail the sharpest parts of a picture have for their contrast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reskin.curation.screen.rule import Rule, Seen

_TILE_PX = 32
_LEAST_VARIANCE = 64.0
"""A tile with a smaller deviation than 8 levels shows nothing by which to judge."""
_SHARPEST = 0.1
"""Of the tiles that show something, the share that is judged: a blurred background is no fault."""

_SOFT = np.array([1, 2, 1]) / 4
_LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
_SECOND = np.array([1, -2, 1])


def _noise_gain() -> float:
    """Variance that the softened Laplacian makes of white noise of variance 1."""
    kernel = np.zeros((5, 5))
    for (row, column), weight in np.ndenumerate(np.outer(_SOFT, _SOFT)):
        kernel[row : row + 3, column : column + 3] += weight * _LAPLACE
    return float((kernel**2).sum())


_NOISE_GAIN = _noise_gain()


def sharpness(seen: Seen) -> float:
    """Variance of the Laplacian over that of the picture, in its sharpest parts: 0 (blurred) to about 1.

    Contrast does not matter, since one is divided by the other. The share of noise is estimated where the
    picture is smoothest and taken away from both. A picture that shows nothing has the score 1: it is another
    rule's.
    """
    light = seen.grey.astype(np.float32)
    if min(light.shape) < 8:
        return 1.0
    soft = _soften(light)
    inner = soft[1:-1, 1:-1]
    laplacian = soft[:-2, 1:-1] + soft[2:, 1:-1] + soft[1:-1, :-2] + soft[1:-1, 2:] - 4 * inner
    second = light[:-2] - 2 * light[1:-1] + light[2:]
    second = second[:, :-2] - 2 * second[:, 1:-1] + second[:, 2:]

    whole = _tiles(light)
    means = whole.mean(axis=2)
    variances = np.maximum((whole**2).mean(axis=2) - means**2, 0)
    details = (_tiles(_framed(laplacian, 2)) ** 2).mean(axis=2)
    noises = (_tiles(_framed(second, 1)) ** 2).mean(axis=2) / 36
    # Where a picture is black or white, noise is cut off and cannot be seen.
    usable = (means > 4) & (means < 251)
    noise = float(np.quantile(noises[usable], 0.1)) if usable.any() else 0.0
    variances = variances - noise
    shows = variances > _LEAST_VARIANCE
    if not shows.any():
        return 1.0
    ratios = np.maximum(details[shows] - _NOISE_GAIN * noise, 0) / variances[shows]
    number = max(1, round(_SHARPEST * ratios.size))
    return float(np.sort(ratios)[-number:].mean())


def _soften(light: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = light[:-2] + 2 * light[1:-1] + light[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16


def _framed(values: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    return np.pad(values, edge)


def _tiles(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) as tiles, (rows, columns, pixels); what is left over at the end is not looked at."""
    height, width = (min(_TILE_PX, size) for size in values.shape)
    rows, columns = values.shape[0] // height, values.shape[1] // width
    cut = values[: rows * height, : columns * width].reshape(rows, height, columns, width)
    return cut.swapaxes(1, 2).reshape(rows, columns, -1)


BLUR = Rule("blur", "below", 0.03, "blurred: even its sharpest parts have soft edges", sharpness)
