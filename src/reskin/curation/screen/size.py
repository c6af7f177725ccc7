"""Rules about size: another shape, or much smaller, than most of the set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reskin.curation.screen.rule import Rule

ASPECT = Rule("aspect", "above", 1.25, "another shape than most: wider or taller by this factor")
SMALL = Rule("small", "below", 0.5, "smaller than most: its shorter edge is this share of theirs")


def size_scores(sizes: Sequence[tuple[float, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How each picture's shape and size compare with the middle (median) of the set.

    Args:
        sizes: width and height of each, in px.

    Returns:
        For `ASPECT` the factor between the two shapes, 1 or more (all 1 in a set without a majority: there is
        nothing to differ from); for `SMALL` the share of the middle size, above 0.

    >>> shapes, shares = size_scores([(640, 360)] * 3 + [(360, 360)])
    >>> shapes.round(2).tolist(), shares.tolist()
    ([1.0, 1.0, 1.0, 1.78], [1.0, 1.0, 1.0, 1.0])
    """
    if not sizes:
        return np.ones(0), np.ones(0)
    width, height = np.array(sizes, dtype=np.float64).T
    aspects, sides = np.log(width / height), np.minimum(width, height)
    # The upper middle one of an even number, so that it is a picture of the set.
    factors = np.exp(np.abs(aspects - np.sort(aspects)[len(sizes) // 2]))
    shares = sides / np.sort(sides)[len(sizes) // 2]
    alike = float((factors <= ASPECT.threshold).mean())
    return (factors if alike > 0.5 else np.ones(len(sizes))), shares
