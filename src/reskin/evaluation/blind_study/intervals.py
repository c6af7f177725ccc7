"""Intervals for shares that raters gave on items, where answers of a rater and answers on an item are alike.

Each answer belongs to a rater and to an item. An interval that takes the answers as independent (binomial)
covers far less than it says, and so does a bootstrap over raters alone; here both are clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Answers:
    """Answers with whose and on what they are.

    Attributes:
        values: (N,), each 0, 1, or 0.5 for a tie.
        raters: (N,), which rater, as any integer.
        items: (N,), which item, as any integer.
    """

    values: Values
    raters: Codes
    items: Codes

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.raters) == len(self.items):
            raise ValueError("values, raters and items must be as many")
        if len(self.values) == 0:
            raise ValueError("no answers")


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Attributes:
        value: the mean, or the difference of two.
        low: lower end of the interval.
        high: upper end.
        error: standard error.
        p: two-sided probability under the null hypothesis (a share of one half, or no difference).
        count: answers.
        raters: how many gave them.
        items: on how many.
    """

    value: float
    low: float
    high: float
    error: float
    p: float
    count: int
    raters: int
    items: int


def clustered_variance(errors: Values, raters: Codes, items: Codes) -> float:
    """Variance of the sum of `errors`, clustered both ways (Cameron, Gelbach and Miller 2011, §2).

    V = V_raters + V_items − V_single, each with its small-sample factor G / (G − 1); never below any of the
    three, so that it cannot be negative.

    Args:
        errors: (N,), what each answer adds to the sum, less its mean.
        raters: (N,) clusters of the one kind.
        items: (N,) clusters of the other.
    """
    by_raters, by_items = _cluster_sum(errors, raters), _cluster_sum(errors, items)
    count = len(errors)
    single = float((errors**2).sum()) * (count / (count - 1) if count > 1 else 1.0)
    return max(by_raters + by_items - single, by_raters, by_items, single)


def _cluster_sum(errors: Values, clusters: Codes) -> float:
    """Sum of the squared sums of each cluster, times G / (G − 1)."""
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.bincount(codes, weights=errors)
    groups = len(sums)
    return float((sums**2).sum()) * (groups / (groups - 1) if groups > 1 else 1.0)


def degrees_of_freedom(answers: Answers) -> int:
    """The smaller of the numbers of raters and items, less 1; at least 1."""
    return max(1, min(len(np.unique(answers.raters)), len(np.unique(answers.items))) - 1)


def share(answers: Answers) -> Estimate:
    """The mean of the answers with its interval on the logit scale, t with min(raters, items) − 1.

    The interval stays inside 0 to 1. A mean of 0 or 1 is moved to 1 / 2N or 1 − 1 / 2N for the interval
    alone. p is that of a share of one half.
    """
    values, count = answers.values, len(answers.values)
    mean = float(values.mean())
    inner = min(max(mean, 0.5 / count), 1 - 0.5 / count)
    variance = clustered_variance((values - mean) / count, answers.raters, answers.items)
    if mean in (0.0, 1.0):  # all alike: the variance of one answer that differs by half
        variance = inner * (1 - inner) / count
    error, freedom = math.sqrt(variance), degrees_of_freedom(answers)
    logit = math.log(inner / (1 - inner))
    logit_error = error / (inner * (1 - inner))
    reach = t_quantile(0.5 + CONFIDENCE / 2, freedom) * logit_error
    p = t_p_value(logit / logit_error, freedom) if logit_error > 0 else float(logit == 0)
    low, high = _expit(logit - reach), _expit(logit + reach)
    return Estimate(mean, min(low, mean), max(high, mean), error, p, *_counts(answers))


def difference(first: Answers, second: Answers) -> Estimate:
    """The mean of the first less that of the second, with its interval; raters and items may be shared."""
    errors = np.concatenate(
        [
            (first.values - first.values.mean()) / len(first.values),
            (second.values.mean() - second.values) / len(second.values),
        ]
    )
    both = Answers(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.raters, second.raters]),
        np.concatenate([first.items, second.items]),
    )
    value = float(first.values.mean() - second.values.mean())
    error = math.sqrt(clustered_variance(errors, both.raters, both.items))
    freedom = degrees_of_freedom(both)
    reach = t_quantile(0.5 + CONFIDENCE / 2, freedom) * error
    p = t_p_value(value / error, freedom) if error > 0 else float(value == 0)
    return Estimate(value, max(-1.0, value - reach), min(1.0, value + reach), error, p, *_counts(both))


def holm(p_values: Sequence[float]) -> list[float]:
    """Probabilities corrected for their number (Holm 1979), in the order given, at most 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t: the inverse of `t_cdf`, found by bisection; exact to 1e-10.

    Args:
        probability: above 0 and below 1.
        freedom: degrees of freedom, at least 1.
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError("a probability between 0 and 1, and at least one degree of freedom")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * max(1.0, high):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def t_cdf(value: float, freedom: int) -> float:
    """Distribution function of Student's t with whole degrees of freedom, in closed form.

    The finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan2(value, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    if freedom == 1:
        return 0.5 + angle / math.pi
    first = 3 if freedom % 2 else 2
    term = total = cosine if freedom % 2 else 1.0
    for step in range(first, freedom - 1, 2):
        term *= (step - 1) / step * cosine**2
        total += term
    if freedom % 2:
        return 0.5 + (angle + sine * total) / math.pi
    return 0.5 + sine * total / 2


def t_p_value(value: float, freedom: int) -> float:
    """Two-sided probability of a t at least as far from 0."""
    return max(0.0, min(1.0, 2 * (1 - t_cdf(abs(value), freedom))))


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, value))))


def _counts(answers: Answers) -> tuple[int, int, int]:
    return len(answers.values), len(np.unique(answers.raters)), len(np.unique(answers.items))
