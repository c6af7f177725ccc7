"""Whose answers count: rules that are fixed before the first answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

from reskin.evaluation.blind_study.design import CHECKS

WRONG_CHECKS = 4
"""So many wrong checks of 14 exclude: finds 97 % of those who click at random and loses 0.4 % of those who
slip in 5 % of trials."""
ONE_ANSWER_SHARE, ONE_ANSWER_TRIALS = 0.9, 20
SHORTEST_MS = 300.0
MARKED_SHARE = 0.2


@dataclass(frozen=True)
class Record:
    """What is known of one rater's answers in all trials that count or check.

    Attributes:
        checks: for each answered check, whether it was right.
        first_chosen: for each main answer, whether the first or left one was chosen; None for a tie.
        times: milliseconds from the end of the exposure (or the buttons) to the answer.
        marked: for each main answer, whether its exposure was off, hidden or out of focus.
    """

    checks: Sequence[bool]
    first_chosen: Sequence[bool | None]
    times: Sequence[float]
    marked: Sequence[bool]


def reasons(record: Record) -> list[str]:
    """Why a rater's answers are left out, in words; empty: they count."""
    found = []
    wrong = sum(not right for right in record.checks)
    if wrong >= WRONG_CHECKS:
        found.append(f"{wrong} of {len(record.checks)} attention checks wrong")
    chosen = [first for first in record.first_chosen if first is not None]
    if len(chosen) >= ONE_ANSWER_TRIALS:
        most = max(sum(chosen), len(chosen) - sum(chosen))
        if most / len(chosen) >= ONE_ANSWER_SHARE:
            found.append(f"one answer in {most} of {len(chosen)} trials")
    if record.times and median(record.times) < SHORTEST_MS:
        found.append(f"answered in {median(record.times):.0f} ms in the median")
    if record.marked and sum(record.marked) / len(record.marked) > MARKED_SHARE:
        found.append(f"{sum(record.marked)} of {len(record.marked)} exposures off or hidden")
    return found


def exclusion_probability(slip: float, checks: int = CHECKS, wrong: int = WRONG_CHECKS) -> float:
    """Probability that a rater who is wrong in a share `slip` of checks is excluded by them.

    >>> round(exclusion_probability(0.5), 3), round(exclusion_probability(0.05), 3)
    (0.971, 0.004)
    """
    kept = sum(comb(checks, k) * slip**k * (1 - slip) ** (checks - k) for k in range(wrong))
    return 1 - kept
