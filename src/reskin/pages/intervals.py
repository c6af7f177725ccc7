"""How sure a mean over images is: bootstrap intervals, widened for few images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reskin.significance import expanded_tail

FEWEST = 8
"""With fewer images an interval by resampling is much too narrow, and none is given."""
RESAMPLES = 2000

_AT_ONCE = 1_000_000
"""Values that are drawn at once."""


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of a mean; the same values give the same interval.

    Percentiles of resampled means (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section
    13.3), expanded for few values as `significance.expanded_tail` says. The values count as
    independent: neighbouring frames of a film are not, so that of a film's frames is too narrow.

    Args:
        values: one of each image, finite.

    Returns:
        Lower and upper end; None for fewer than `FEWEST` values.
    """
    if len(values) < FEWEST:
        return None
    known = np.asarray(values, dtype=np.float64)
    random = np.random.Generator(np.random.Philox(0))
    rows = max(1, _AT_ONCE // len(known))
    means: list[float] = []
    while len(means) < RESAMPLES:
        count = min(rows, RESAMPLES - len(means))
        means += known[random.integers(0, len(known), (count, len(known)))].mean(axis=1).tolist()
    tail = expanded_tail(len(known))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
