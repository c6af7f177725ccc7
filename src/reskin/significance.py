"""How sure a mean over a few runs is: Student's t, Welch's test, Holm's correction.

Student, "The Probable Error of a Mean", Biometrika 1908; Welch, "The Generalization of Student's Problem when
Several Different Population Variances are Involved", Biometrika 1947; Holm, "A Simple Sequentially Rejective
Multiple Test Procedure", Scandinavian Journal of Statistics 1979.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist, mean, variance

CONFIDENCE = 0.95


def t_tail(t: float, freedom: float) -> float:
    """Probability that Student's t with this many degrees of freedom lies farther from 0 than `t`.

    >>> round(t_tail(2.0, 10), 6), round(t_tail(-1.0, 1), 6)
    (0.073388, 0.5)
    """
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@functools.lru_cache(maxsize=256)  # a table asks for the same few again and again, and each takes a search
def t_quantile(confidence: float, freedom: float) -> float:
    """The t beyond which, on both ends together, lies 1 - `confidence`.

    >>> round(t_quantile(0.95, 2), 4), round(t_quantile(0.95, 9), 4)
    (4.3027, 2.2622)
    """
    low, high = 0.0, 1.0
    while t_tail(high, freedom) > 1 - confidence:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, freedom) > 1 - confidence else (low, middle)
    return (low + high) / 2


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of a mean over a few runs, by Student's t; None for fewer than two.

    >>> low, high = t_interval([1.0, 2.0, 3.0])
    >>> round(low, 4), round(high, 4)
    (-0.4841, 4.4841)
    """
    if len(values) < 2:
        return None
    half = t_quantile(CONFIDENCE, len(values) - 1) * math.sqrt(variance(values) / len(values))
    return mean(values) - half, mean(values) + half


def welch(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Probability of means so different if the two were of one kind; None where either has fewer than two.

    >>> round(welch([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), 6)
    0.021312
    """
    if min(len(one), len(other)) < 2:
        return None
    parts = variance(one) / len(one), variance(other) / len(other)
    if not sum(parts):
        return 0.0 if mean(one) != mean(other) else 1.0
    t = (mean(one) - mean(other)) / math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(other) - 1))
    return t_tail(t, freedom)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities after Holm's correction for their number: below 0.05 a pair differs at 95 %.

    >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(probabilities)), key=lambda index: probabilities[index])
    corrected, before = [0.0] * len(probabilities), 0.0
    for rank, index in enumerate(order):
        before = max(before, min(1.0, (len(order) - rank) * probabilities[index]))
        corrected[index] = before
    return corrected


def expanded_tail(count: int) -> float:
    """The share to cut off each end of bootstrap means of `count` values so that 95 % lie between.

    Percentile intervals are too narrow for few values: Hesterberg, "What Teachers Should Know About the
    Bootstrap", The American Statistician 2015, section 5.3.

    >>> round(expanded_tail(20), 4), round(expanded_tail(100_000), 4)
    (0.0159, 0.025)
    """
    wide = math.sqrt(count / (count - 1)) * t_quantile(CONFIDENCE, count - 1)
    return NormalDist().cdf(-wide)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    tiny, c = 1e-300, 1.0
    d = 1 / _away_from_0(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / _away_from_0(1 + even * d, tiny), _away_from_0(1 + even / c, tiny)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / _away_from_0(1 + odd * d, tiny), _away_from_0(1 + odd / c, tiny)
        value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return math.exp(front) * value / a


def _away_from_0(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
