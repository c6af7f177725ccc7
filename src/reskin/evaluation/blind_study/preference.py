"""A scale of preference from paired comparisons with ties (Bradley and Terry 1952; Davidson 1970)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reskin.evaluation.blind_study.intervals import CONFIDENCE, Codes, Values, t_p_value, t_quantile

Matrix = NDArray[np.float64]
STEPS = 100
TINY = 1e-10


@dataclass(frozen=True)
class Votes:
    """Comparisons of two conditions each.

    Attributes:
        first: (N,), number of the one condition, 0 to K − 1.
        second: (N,), number of the other.
        outcomes: (N,), 1 where the first was preferred, 0 where the second was, 0.5 for a tie.
        raters: (N,), who judged.
        items: (N,), on which input.
    """

    first: Codes
    second: Codes
    outcomes: Values
    raters: Codes
    items: Codes


@dataclass(frozen=True)
class Scale:
    """Strengths on the log scale, which sum to 0.

    Attributes:
        strengths: (K,); a difference d gives odds of exp(d) to win where it is no tie.
        covariance: (K, K), clustered by raters and by items.
        tie: ν of Davidson; 0 where there are no ties.
        freedom: degrees of freedom of the intervals.
    """

    strengths: Values
    covariance: Matrix
    tie: float
    freedom: int

    def contrast(self, first: int, second: int) -> tuple[float, float, float, float]:
        """Difference of two strengths, lower and upper end of its interval, and p of no difference."""
        value = float(self.strengths[first] - self.strengths[second])
        spread = self.covariance[first, first] + self.covariance[second, second]
        error = math.sqrt(max(0.0, spread - 2 * self.covariance[first, second]))
        reach = t_quantile(0.5 + CONFIDENCE / 2, self.freedom) * error
        p = t_p_value(value / error, self.freedom) if error > 0 else float(value == 0)
        return value, value - reach, value + reach, p

    def interval(self, condition: int) -> tuple[float, float]:
        """Interval of a strength against the mean of all."""
        error = math.sqrt(max(0.0, float(self.covariance[condition, condition])))
        reach = t_quantile(0.5 + CONFIDENCE / 2, self.freedom) * error
        return float(self.strengths[condition]) - reach, float(self.strengths[condition]) + reach


def fit_scale(votes: Votes, conditions: int) -> Scale:
    """Maximum likelihood of Davidson's model with a covariance that is clustered by raters and items.

    P(i wins) = √(π_i/π_j) / (√(π_i/π_j) + √(π_j/π_i) + ν) with π = exp(strength) (Davidson 1970, eq. 2.2).

    Args:
        votes: the comparisons.
        conditions: K, how many conditions there are.

    Raises:
        ValueError: the strengths have no finite maximum: a group of conditions never lost to the rest, or was
            never compared with it.
    """
    if not _is_connected(votes, conditions):
        raise ValueError("some conditions always won or were never compared: no finite scale")
    has_ties = bool((votes.outcomes == 0.5).any())
    size = conditions + has_ties
    values = np.zeros(size)
    basis = _basis(conditions, has_ties)
    for _ in range(STEPS):
        scores, information = _derivatives(votes, values, conditions, has_ties)
        move = np.linalg.solve(basis.T @ information @ basis, basis.T @ scores.sum(axis=0))
        values += basis @ (move * min(1.0, 2.0 / max(TINY, float(np.abs(move).max()))))
        if float(np.abs(move).max()) < TINY:
            break
    scores, information = _derivatives(votes, values, conditions, has_ties)
    inverse = basis @ np.linalg.inv(basis.T @ information @ basis) @ basis.T
    covariance = inverse @ _meat(scores, votes) @ inverse
    freedom = max(1, min(len(np.unique(votes.raters)), len(np.unique(votes.items))) - 1)
    tie = float(np.exp(values[conditions])) if has_ties else 0.0
    return Scale(values[:conditions], covariance[:conditions, :conditions], tie, freedom)


def _derivatives(votes: Votes, values: Values, conditions: int, has_ties: bool) -> tuple[Matrix, Matrix]:
    """Gradient of each vote's log likelihood, (N, P), and the expected information of all, (P, P)."""
    half = (values[votes.first] - values[votes.second]) / 2
    wins, losses = np.exp(half), np.exp(-half)
    ties = np.full_like(half, np.exp(values[conditions])) if has_ties else np.zeros_like(half)
    total = wins + losses + ties
    win, loss, tie = wins / total, losses / total, ties / total
    count = len(half)
    towards = np.zeros((count, len(values)))
    rows = np.arange(count)
    towards[rows, votes.first] += 0.5
    towards[rows, votes.second] -= 0.5
    # Outcome o has the logit o · half + [tie] · log ν, so the score is what was seen less what is expected.
    seen = np.where(votes.outcomes == 0.5, 0.0, 2 * votes.outcomes - 1)
    expected = win - loss
    scores = towards * (seen - expected)[:, None]
    information = (towards * (win + loss - expected**2)[:, None]).T @ towards
    if has_ties:
        scores[:, conditions] = (votes.outcomes == 0.5) - tie
        information[conditions, conditions] = float((tie * (1 - tie)).sum())
        cross = -(towards[:, :conditions] * (tie * expected)[:, None]).sum(axis=0)
        information[:conditions, conditions] = information[conditions, :conditions] = cross
    return scores, information


def _meat(scores: Matrix, votes: Votes) -> Matrix:
    """Covariance of the summed scores, two-way clustered; negative eigenvalues are set to 0."""
    parts = [_outer(scores, votes.raters), _outer(scores, votes.items)]
    single = scores.T @ scores * (len(scores) / max(1, len(scores) - 1))
    values, vectors = np.linalg.eigh(parts[0] + parts[1] - single)
    return (vectors * np.maximum(values, 0)) @ vectors.T


def _outer(scores: Matrix, clusters: Codes) -> Matrix:
    _, codes = np.unique(clusters, return_inverse=True)
    groups = int(codes.max()) + 1
    sums = np.zeros((groups, scores.shape[1]))
    np.add.at(sums, codes, scores)
    return sums.T @ sums * (groups / (groups - 1) if groups > 1 else 1.0)


def _basis(conditions: int, has_ties: bool) -> Matrix:
    """Columns that span the strengths which sum to 0, and log ν."""
    centred = np.eye(conditions) - 1 / conditions
    vectors = np.linalg.svd(centred)[0][:, : conditions - 1]
    size = conditions + has_ties
    basis = np.zeros((size, size - 1))
    basis[:conditions, : conditions - 1] = vectors
    if has_ties:
        basis[conditions, conditions - 1] = 1.0
    return basis


def _is_connected(votes: Votes, conditions: int) -> bool:
    """Whether from every condition a chain of wins or ties leads to every other (Ford 1957)."""
    beats = np.eye(conditions, dtype=bool)
    beats[votes.first[votes.outcomes > 0], votes.second[votes.outcomes > 0]] = True
    beats[votes.second[votes.outcomes < 1], votes.first[votes.outcomes < 1]] = True
    for middle in range(conditions):
        beats |= np.outer(beats[:, middle], beats[middle])
    return bool(beats.all())


def pairs(conditions: int) -> Sequence[tuple[int, int]]:
    """All pairs of conditions, the smaller number first.

    >>> pairs(3)
    [(0, 1), (0, 2), (1, 2)]
    """
    return [(one, two) for one in range(conditions) for two in range(one + 1, conditions)]
