"""The Bradley-Terry scale with ties."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.simulated_raters import contrasts_covered

from reskin.evaluation.blind_study.preference import Votes, fit_scale

WINS = [[0, 7, 9, 12], [3, 0, 8, 10], [2, 4, 0, 9], [1, 2, 5, 0]]
# choix.opt_pairwise(4, data, tol=1e-14) of choix 0.4.1 on the same wins, less its mean
CHOIX = [1.19441855, 0.35329686, -0.4193673, -1.12834811]


def votes_of(rows: list[tuple[int, int, float]]) -> Votes:
    first, second, outcomes = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    return Votes(first, second, outcomes.astype(float), np.arange(count) % 6, np.arange(count) % 5)


def test_without_ties_it_is_choix() -> None:
    rows = [(i, j, 1.0) for i in range(4) for j in range(4) for _ in range(WINS[i][j])]
    scale = fit_scale(votes_of(rows), 4)
    assert scale.strengths == pytest.approx(CHOIX, abs=1e-6)
    assert scale.tie == 0 and scale.strengths.sum() == pytest.approx(0, abs=1e-9)


def test_which_stands_first_does_not_matter() -> None:
    rows = [(i, j, 1.0) for i in range(4) for j in range(4) for _ in range(WINS[i][j])]
    turned = [(j, i, 0.0) for i, j, _ in rows]
    one, two = fit_scale(votes_of(rows), 4), fit_scale(votes_of(turned), 4)
    assert two.strengths == pytest.approx(one.strengths, abs=1e-9)
    assert two.covariance == pytest.approx(one.covariance, abs=1e-9)


def test_two_conditions_with_ties_have_a_closed_form() -> None:
    """12 wins, 5 losses, 8 ties: the odds of a win are exp(d), and ν = ties / √(wins · losses)."""
    rows = [(0, 1, 1.0)] * 12 + [(0, 1, 0.0)] * 5 + [(0, 1, 0.5)] * 8
    scale = fit_scale(votes_of(rows), 2)
    assert scale.strengths[0] - scale.strengths[1] == pytest.approx(np.log(12 / 5), abs=1e-8)
    assert scale.tie == pytest.approx(8 / np.sqrt(60), abs=1e-8)


def test_a_condition_that_always_wins_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite scale"):
        fit_scale(votes_of([(0, 1, 1.0), (1, 2, 1.0), (2, 1, 1.0)]), 3)


@pytest.mark.slow
def test_contrasts_cover_what_they_say() -> None:
    assert 0.93 <= contrasts_covered(500) <= 0.985
