"""Intervals of shares, clustered by raters and items."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.support.simulated_raters import SETTINGS, Setting, covered, wrongly_different

from reskin.evaluation.blind_study.intervals import (
    Answers,
    clustered_variance,
    holm,
    share,
    t_cdf,
    t_quantile,
)


@pytest.mark.parametrize(
    ("freedom", "quantile", "below"),
    [  # scipy.stats.t.ppf(0.975, freedom) and t.cdf(1.3, freedom), scipy 1.17
        (1, 12.706204736174694, 0.7912855998398473),
        (2, 4.302652729749462, 0.8383764840919798),
        (3, 3.1824463052837078, 0.8577662456360515),
        (5, 2.5705818356363146, 0.8748496829146615),
        (19, 2.0930240544083087, 0.8954242498513361),
        (39, 2.022690920036761, 0.899383990320747),
        (199, 1.9719565442517533, 0.9024476509766771),
    ],
)
def test_t_is_that_of_scipy(freedom: int, quantile: float, below: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, rel=1e-9)
    assert t_quantile(0.025, freedom) == pytest.approx(-quantile, rel=1e-9)
    assert t_cdf(1.3, freedom) == pytest.approx(below, rel=1e-12)


def test_holm_is_that_of_statsmodels() -> None:
    assert holm([0.001, 0.04, 0.02, 0.3, 0.012]) == pytest.approx([0.005, 0.08, 0.06, 0.3, 0.048])
    assert holm([]) == []


def test_the_variance_is_that_of_plain_loops() -> None:
    generator = np.random.default_rng(0)
    errors = generator.normal(size=300)
    raters, items = generator.integers(0, 12, 300), generator.integers(0, 40, 300)

    def looped(clusters: list[int]) -> float:
        groups = set(clusters)
        sums = [sum(e for e, c in zip(errors, clusters, strict=True) if c == group) for group in groups]
        return sum(s * s for s in sums) * len(groups) / (len(groups) - 1)

    single = sum(e * e for e in errors) * 300 / 299
    by_raters, by_items = looped(raters.tolist()), looped(items.tolist())
    expected = max(by_raters + by_items - single, by_raters, by_items, single)
    assert clustered_variance(errors, raters, items) == pytest.approx(expected, rel=1e-12)


def test_a_share_worked_by_hand() -> None:
    """Two raters, two items, answers 1 0 / 1 1: errors 1/4, −3/4, 1/4, 1/4 of the mean 3/4, over 4."""
    answers = Answers(np.array([1.0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    estimate = share(answers)
    # Raters: sums −1/2, 1/2 → 1/2 · 2 = 1; items the same; single: 12/16 · 4/3 = 1. V = 1 / 16.
    assert estimate.value == 0.75
    assert estimate.error == pytest.approx(0.25)
    reach = 12.706204736174694 * 0.25 / (0.75 * 0.25)
    middle = math.log(3)
    assert estimate.low == pytest.approx(1 / (1 + math.exp(reach - middle)))
    assert estimate.high == pytest.approx(1 / (1 + math.exp(-reach - middle)))
    assert (estimate.count, estimate.raters, estimate.items) == (4, 2, 2)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_answers_all_alike_have_an_interval_and_stay_inside(value: float) -> None:
    raters, items = np.divmod(np.arange(60), 6)
    estimate = share(Answers(np.full(60, value), raters, items))
    assert estimate.value == value and 0 <= estimate.low <= estimate.high <= 1
    assert 0.005 < estimate.high - estimate.low < 0.3


def test_no_answers_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="no answers"):
        Answers(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="as many"):
        Answers(np.zeros(2), np.zeros(1, np.int64), np.zeros(2, np.int64))


def test_intervals_cover_what_they_say() -> None:
    assert 0.92 <= covered(SETTINGS[0], 400).clustered <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_intervals_cover_in_every_setting(setting: Setting) -> None:
    assert 0.93 <= covered(setting, 2000).clustered <= 0.985


@pytest.mark.slow
def test_equal_conditions_are_rarely_called_different() -> None:
    assert wrongly_different(2000) <= 0.055
