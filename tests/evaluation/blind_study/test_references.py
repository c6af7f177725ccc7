"""The statistics against scipy, choix and statsmodels, where they are installed (`reskin[references]`)."""

from __future__ import annotations

import numpy as np
import pytest

from reskin.evaluation.blind_study.intervals import clustered_variance, holm, t_cdf, t_quantile
from reskin.evaluation.blind_study.preference import Votes, fit_scale


def test_t_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed: reskin[references]")
    for freedom in (1, 2, 3, 4, 7, 19, 39, 120, 399):
        for probability in (0.6, 0.9, 0.975, 0.995):
            assert t_quantile(probability, freedom) == pytest.approx(
                stats.t.ppf(probability, freedom), rel=1e-9
            )
        for value in (-3.0, 0.2, 1.3, 8.0):
            assert t_cdf(value, freedom) == pytest.approx(stats.t.cdf(value, freedom), rel=1e-9, abs=1e-15)


def test_holm_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip(
        "statsmodels.stats.multitest", reason="statsmodels is not installed: reskin[references]"
    )
    random = np.random.default_rng(0)
    for count in (1, 2, 6, 66):
        values = random.uniform(0, 0.2, count)
        assert holm(list(values)) == pytest.approx(multitest.multipletests(values, method="holm")[1])


def test_the_variance_one_way_is_that_of_statsmodels() -> None:
    """Of a mean, clustered by raters alone: as many items as answers, so that the other way adds nothing."""
    api = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed: reskin[references]")
    random = np.random.default_rng(1)
    raters = random.integers(0, 12, 300)
    values = (random.random(300) < 1 / (1 + np.exp(-random.normal(0, 1.5, 12)[raters]))).astype(float)
    model = api.OLS(values, np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": raters, "use_correction": False}
    )
    errors = (values - values.mean()) / 300
    found = clustered_variance(errors, raters, np.arange(300))
    assert found == pytest.approx(float(model.cov_params()[0, 0]) * 12 / 11, rel=1e-9)


@pytest.mark.parametrize(("methods", "votes"), [(2, 60), (4, 300), (15, 6000)])
def test_the_scale_without_ties_is_that_of_choix(methods: int, votes: int) -> None:
    choix = pytest.importorskip("choix", reason="choix is not installed: reskin[references]")
    random = np.random.default_rng(methods)
    truth = random.normal(0, 1, methods)
    first = random.integers(0, methods, votes)
    second = (first + random.integers(1, methods, votes)) % methods
    won = random.random(votes) < 1 / (1 + np.exp(truth[second] - truth[first]))
    scale = fit_scale(
        Votes(first, second, won.astype(float), np.arange(votes) % 20, np.arange(votes) % 30), methods
    )
    pairs = [(int(a), int(b)) if w else (int(b), int(a)) for a, b, w in zip(first, second, won, strict=True)]
    expected = choix.opt_pairwise(methods, pairs, method="Newton-CG", tol=1e-14)
    assert scale.strengths == pytest.approx(expected - expected.mean(), abs=1e-6)
