"""Student's t, Welch and Holm against tables and simulations; intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from reskin.pages.intervals import mean_interval
from reskin.significance import holm, t_interval, t_quantile, t_tail, welch

TABLE = {1: 12.7062, 2: 4.3027, 4: 2.7764, 9: 2.2622, 30: 2.0423, 120: 1.9799}
"""Two-sided 95 % quantiles of Student's t by degrees of freedom, from any statistics book."""


@pytest.mark.parametrize("freedom", TABLE)
def test_quantiles_are_those_of_the_tables(freedom: int) -> None:
    assert t_quantile(0.95, freedom) == pytest.approx(TABLE[freedom], abs=6e-5)
    assert t_tail(TABLE[freedom], freedom) == pytest.approx(0.05, abs=1e-5)


def test_tails_of_known_distributions() -> None:
    """One degree of freedom is Cauchy's, two have a closed form."""
    for t in (0.1, 1.0, 3.7, 40.0):
        assert t_tail(t, 1) == pytest.approx(1 - 2 * np.arctan(t) / np.pi, rel=1e-9)
        assert t_tail(t, 2) == pytest.approx(1 - t / np.sqrt(2 + t * t), rel=1e-9)


def test_welch_needs_two_of_each_and_knows_equal_values() -> None:
    assert welch([1.0], [1.0, 2.0]) is None and t_interval([1.0]) is None
    assert welch([1.0, 1.0], [1.0, 1.0]) == 1 and welch([1.0, 1.0], [2.0, 2.0]) == 0
    assert holm([]) == [] and holm([0.5, 0.6]) == [1.0, 1.0]


@pytest.mark.sweep
def test_holm_keeps_the_promise_for_all_pairs_together() -> None:
    """Of studies without any difference, at most about 5 % find one."""
    draw, found = np.random.default_rng(0), 0
    for _ in range(300):
        groups = draw.normal(size=(4, 3))
        pairs = [welch(list(groups[i]), list(groups[j])) for i in range(4) for j in range(i)]
        found += any(value < 0.05 for value in holm([pair for pair in pairs if pair is not None]))
    assert found / 300 < 0.09


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_over_seeds_hold_the_true_mean(seeds: int) -> None:
    draw, held = np.random.default_rng(seeds), 0
    for _ in range(4000):
        low, high = t_interval(list(draw.normal(7.0, 2.0, seeds))) or (0, 0)
        held += low <= 7.0 <= high
    assert 0.93 < held / 4000 < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("images", [20, 50, 200, 500])
def test_intervals_over_images_hold_the_true_mean(images: int, kind: str) -> None:
    draw, held, studies = np.random.default_rng(images), 0, 1500
    for _ in range(studies):
        values = draw.normal(1.0, 1.0, images) if kind == "normal" else draw.gamma(4.0, 0.25, images)
        low, high = mean_interval(list(values)) or (0, 0)
        held += low <= 1.0 <= high
    assert 0.93 < held / studies < 0.99
