"""Who sees what: balance of items, cells and sides; checks; exclusion; sample size."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from tests.support.simulated_raters import PLANNED, Setting, power_found
from tests.support.study_designs import check_balance, drawn_design

from reskin.evaluation.blind_study.design import CHECKS, Design, deal, with_checks
from reskin.evaluation.blind_study.power import Spread, power, raters_needed, smallest_difference, variances
from reskin.evaluation.blind_study.quality import Record, exclusion_probability, reasons


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.thinned(5, first=1)
def test_designs_are_balanced(seed: int) -> None:
    design = drawn_design(random.Random(seed))
    check_balance(design, deal(design))


@pytest.mark.slow
def test_ten_thousand_designs_are_balanced() -> None:
    chance = random.Random(1)
    for _ in range(10_000):
        design = drawn_design(chance)
        check_balance(design, deal(design))


def test_a_place_given_again_whole_keeps_the_balance() -> None:
    """Three in ten leave: their slots are dealt again, and what is finished is the same lists."""
    design = Design(raters=20, items=30, cells=3, trials=15)
    chance, waiting, finished = random.Random(0), list(enumerate(deal(design))), {}
    while waiting:
        number, slot = waiting.pop(0)
        if chance.random() < 0.3:
            waiting.append((number, slot))
        else:
            finished[number] = slot
    check_balance(design, [finished[number] for number in range(design.raters)])


def test_the_same_seed_deals_the_same_and_another_does_not() -> None:
    design = Design(6, 20, 3, 10, seed=4)
    assert deal(design) == deal(design)
    assert deal(design) != deal(Design(6, 20, 3, 10, seed=5))


@pytest.mark.parametrize("sizes", [(0, 3, 1, 1), (2, 3, 1, 4), (2, 3, 0, 1)])
def test_impossible_sizes_are_refused(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        Design(*sizes)


def test_a_whole_list_has_practice_checks_and_repeats_with_sides_swapped() -> None:
    design = Design(4, 40, 2, 40)
    for rater, trials in enumerate(deal(design)):
        whole = with_checks(trials, design, rater, practice_items=10, check_items=8)
        practice = [t for t in whole if t.part == "practice"]
        assert whole[:10] == practice and [t.role for t in practice] == ["item"] * 4 + ["check"] * 6
        assert sum(t.role == "check" for t in whole) == CHECKS == 14
        main = whole[10:]
        assert [t for t in main if t.role == "item"] == trials
        for number, trial in enumerate(main):
            if trial.role == "repeat":
                (earlier,) = [n for n, t in enumerate(main) if t.role == "item" and t.item == trial.item]
                assert earlier < number - 5 and main[earlier].swapped != trial.swapped
        assert sum(t.role == "repeat" for t in main) == 2
        checks = [number for number, t in enumerate(main) if t.role == "check"]
        assert min(b - a for a, b in pairwise(checks)) >= 2


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record([True] * 11 + [False] * 3, [True, False] * 20, [900.0] * 40, [False] * 40), []),
        (Record([True] * 10 + [False] * 4, [True, False] * 20, [900.0] * 40, [False] * 40), ["checks"]),
        (Record([True] * 14, [True] * 36 + [False] * 4, [900.0] * 40, [False] * 40), ["one answer"]),
        (Record([True] * 14, [True] * 19, [900.0] * 19, [False] * 19), []),
        (Record([True] * 14, [True, False] * 20, [299.0] * 40, [False] * 40), ["median"]),
        (Record([True] * 14, [True, False] * 20, [900.0] * 40, [True] * 9 + [False] * 31), ["exposures"]),
        (Record([], [], [], []), []),
    ],
)
def test_rules_of_exclusion(record: Record, expected: list[str]) -> None:
    found = reasons(record)
    assert len(found) == len(expected)
    assert all(word in text for word, text in zip(expected, found, strict=True))


def test_checks_find_who_clicks_at_random() -> None:
    generator = np.random.default_rng(0)
    wrong = (generator.random((20_000, 14)) < 0.5).sum(1)
    assert exclusion_probability(0.5) == pytest.approx((wrong >= 4).mean(), abs=0.005)


def test_variances_add_up_and_agree_with_draws() -> None:
    of_raters, of_items, rest = variances(0.315, Spread(0.7, 0.8))
    assert of_raters + of_items + rest == pytest.approx(0.315 * 0.685)
    generator = np.random.default_rng(0)
    low = -0.975  # logit whose mean over both effects is near 0.315
    raters = generator.normal(0, 0.7, 400)[:, None]
    grid = 1 / (1 + np.exp(-low - raters - generator.normal(0, 0.8, 4000)[None]))
    assert grid.mean(1).var() == pytest.approx(of_raters, rel=0.25)


@pytest.mark.sweep
def test_more_items_can_beat_more_raters() -> None:
    half = Spread().halved()
    few = raters_needed(0.55, 40, 40, half)
    many = raters_needed(0.55, 200, 40, half)
    assert few is not None and many is not None and few > 2 * many
    assert raters_needed(0.51, 10, 10) is None
    assert power(0.6, 15, 40, 40, half) >= 0.8 > power(0.6, 14, 40, 40, half)
    least = smallest_difference(15, 40, 40, half)
    assert least is not None and 0 < least <= 10
    assert smallest_difference(2, 3, 3, half) is None


@pytest.mark.slow
@pytest.mark.parametrize("setting", PLANNED, ids=str)
def test_the_planner_agrees_with_simulation(setting: Setting) -> None:
    planned, found = power_found(setting, 1500)
    assert found == pytest.approx(planned, abs=0.04)
