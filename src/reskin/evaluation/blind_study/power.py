"""How many raters and items a study needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from reskin.evaluation.blind_study.intervals import CONFIDENCE, t_quantile

RATER_SD, ITEM_SD = 0.7, 0.8
"""Standard deviations of raters and items on the logit scale, where no finished study says better."""
NODES = 40
WANTED_POWER = 0.8
MOST_RATERS = 2000


@dataclass(frozen=True)
class Spread:
    """How much raters and items differ, on the logit scale.

    Attributes:
        raters: standard deviation of raters.
        items: standard deviation of items.
    """

    raters: float = RATER_SD
    items: float = ITEM_SD

    def halved(self) -> Spread:
        """Assumed of preferences until a study says better: both outputs share rater and item."""
        return Spread(self.raters / 2, self.items / 2)


@cache  # a search for a difference or for raters asks again and again for the same means
def variances(mean: float, spread: Spread) -> tuple[float, float, float]:
    """Variance of a 0-or-1 answer by raters, by items, and the rest, at this mean over both.

    Logistic model with normal effects of raters and items, integrated by Gauss-Hermite with 40 nodes.

    Args:
        mean: share over all raters and items, above 0 and below 1.
        spread: how raters and items differ.
    """
    nodes, weights = _nodes()
    together = math.hypot(spread.raters, spread.items)
    low, high = -30.0, 30.0
    while low < (middle := (low + high) / 2) < high:  # until no number lies between
        at_middle = float((weights * _expit(middle + together * nodes)).sum())
        low, high = (middle, high) if at_middle < mean else (low, middle)
    grid = _expit(low + spread.raters * nodes[:, None] + spread.items * nodes[None, :])
    by_rater, by_item = grid @ weights, weights @ grid
    of_raters = float((weights * (by_rater - mean) ** 2).sum())
    of_items = float((weights * (by_item - mean) ** 2).sum())
    return of_raters, of_items, mean * (1 - mean) - of_raters - of_items


def power(mean: float, raters: int, items: int, trials: int, spread: Spread | None = None) -> float:
    """Probability that the interval of a share leaves out one half.

    Args:
        mean: the true share, above 0 and below 1.
        raters: how many, at least 2.
        items: how many, at least 2.
        trials: items that each rater sees.
        spread: how raters and items differ; by default that of a fooling rate.
    """
    of_raters, of_items, rest = variances(mean, spread or Spread())
    error = math.sqrt(of_raters / raters + of_items / items + rest / (raters * trials))
    away = abs(math.log(mean / (1 - mean))) * mean * (1 - mean)
    reach = t_quantile(0.5 + CONFIDENCE / 2, max(1, min(raters, items) - 1))
    return NormalDist().cdf(away / error - reach)


def raters_needed(
    mean: float, items: int, trials: int, spread: Spread | None = None, wanted: float = WANTED_POWER
) -> int | None:
    """Fewest raters with which `power` reaches what is wanted; None where not even 2,000 would do.

    >>> raters_needed(0.6, 40, 40, Spread().halved()), raters_needed(0.55, 200, 40, Spread().halved())
    (15, 48)
    """
    if power(mean, MOST_RATERS, items, trials, spread) < wanted:
        return None
    low, high = 2, MOST_RATERS
    while low < high:
        middle = (low + high) // 2
        if power(mean, middle, items, trials, spread) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def smallest_difference(
    raters: int, items: int, trials: int, spread: Spread | None = None, wanted: float = WANTED_POWER
) -> float | None:
    """Points above one half that a study of this size finds with the power wanted; None where none."""
    for tenths in range(1, 495):
        if power(0.5 + tenths / 1000, raters, items, trials, spread) >= wanted:
            return tenths / 10
    return None


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the standard normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()


def _expit(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))
