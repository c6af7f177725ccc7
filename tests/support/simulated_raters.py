"""Studies with simulated raters, whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reskin.evaluation.blind_study.intervals import Answers, difference, share
from reskin.evaluation.blind_study.power import power
from reskin.evaluation.blind_study.preference import Votes, fit_scale, pairs

RATER_SD, ITEM_SD = 0.7, 0.8
NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class Setting:
    """A kind of study.

    Attributes:
        size: raters, items, items that each rater sees.
        mean: of the answers, on the logit scale.
        sds: standard deviations of raters and of items, on the logit scale.
    """

    size: tuple[int, int, int]
    mean: float = -0.9
    sds: tuple[float, float] = (RATER_SD, ITEM_SD)

    def __str__(self) -> str:
        raters, items, seen = self.size
        return f"{raters} x {items} ({seen}), mean {self.mean:g}, SDs {self.sds[0]:g} and {self.sds[1]:g}"


SETTINGS = [
    Setting((20, 30, 30)),
    Setting((20, 30, 30), -2.1),
    Setting((20, 30, 30), 0.0),
    Setting((20, 120, 30)),
    Setting((10, 30, 30)),
    Setting((25, 100, 40)),
    Setting((50, 200, 40)),
    Setting((20, 30, 30), sds=(0.3, 0.3)),
    Setting((20, 30, 30), sds=(1.2, 1.2)),
    Setting((20, 30, 30), sds=(0.0, 0.0)),
    Setting((20, 10, 10)),
]
"""Whose intervals are to cover what they say."""
PLANNED = [
    Setting((20, 30, 30), -0.45),
    Setting((20, 30, 30), -0.55),
    Setting((20, 120, 30), -0.6),
    Setting((25, 100, 40), -0.4),
    Setting((50, 200, 40), -0.35),
    Setting((10, 30, 30), -0.9),
    Setting((30, 40, 20), -0.7),
]
"""Whose power the planner is to know."""


def simulate(
    generator: np.random.Generator, size: tuple[int, int, int], mean: float, sds: tuple[float, float]
) -> Answers:
    """A study of raters × items, each rater seeing so many, after a logistic model with normal effects."""
    raters, items, seen = size
    rater = np.repeat(np.arange(raters), seen)
    item = np.arange(raters * seen) % items
    logits = mean + generator.normal(0, sds[0], raters)[rater] + generator.normal(0, sds[1], items)[item]
    values = (generator.random(len(logits)) < 1 / (1 + np.exp(-logits))).astype(float)
    return Answers(values, rater, item)


def marginal(mean: float, sds: tuple[float, float]) -> float:
    """The share over all raters and items."""
    grid = np.linspace(-8, 8, 4001)
    weights = np.exp(-(grid**2) / 2)
    return float((weights / weights.sum() / (1 + np.exp(-mean - math.hypot(*sds) * grid))).sum())


@dataclass(frozen=True)
class Coverage:
    """How often 95 % intervals held the truth.

    Attributes:
        truth: the share over all raters and items.
        clustered: share of studies whose two-way clustered interval held it.
        binomial: share of them whose binomial interval (Wald) would have.
        half_width: mean half width of the clustered interval.
    """

    truth: float
    clustered: float
    binomial: float
    half_width: float


def covered(setting: Setting, studies: int) -> Coverage:
    """Coverage in so many simulated studies."""
    generator, truth = np.random.default_rng(7), marginal(setting.mean, setting.sds)
    hits, plain, widths = 0, 0, 0.0
    for _ in range(studies):
        answers = simulate(generator, setting.size, setting.mean, setting.sds)
        estimate = share(answers)
        hits += estimate.low <= truth <= estimate.high
        widths += (estimate.high - estimate.low) / 2
        reach = NORMAL_975 * math.sqrt(estimate.value * (1 - estimate.value) / len(answers.values))
        plain += abs(estimate.value - truth) <= reach
    return Coverage(truth, hits / studies, plain / studies, widths / studies)


def wrongly_different(studies: int) -> float:
    """Share of studies of two equal conditions, 20 raters and 30 items, whose difference has p < 0.05."""
    generator, wrong = np.random.default_rng(3), 0
    rater, item = np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20)
    which = (rater + item) % 2
    for _ in range(studies):
        raters, items = generator.normal(0, RATER_SD, 20), generator.normal(0, ITEM_SD, 30)
        logits = -0.9 + raters[rater] + items[item]
        values = (generator.random(600) < 1 / (1 + np.exp(-logits))).astype(float)
        parts = [Answers(values[which == w], rater[which == w], item[which == w]) for w in (0, 1)]
        wrong += difference(*parts).p < 0.05
    return wrong / studies


def simulate_votes(generator: np.random.Generator, raters: int, items: int, truth: Sequence[float]) -> Votes:
    """Davidson's model with preferences that raters and items share, ν = 0.6."""
    rater, item = np.repeat(np.arange(raters), items), np.tile(np.arange(items), raters)
    table = np.array(pairs(len(truth)))
    first, second = table[(rater + item) % len(table)].T
    taste = generator.normal(0, 0.35, (raters, len(truth))), generator.normal(0, 0.4, (items, len(truth)))
    worth = np.array(truth)[None] + taste[0][rater] + taste[1][item]
    rows = np.arange(len(rater))
    half = (worth[rows, first] - worth[rows, second]) / 2
    weights = np.stack([np.exp(half), np.full_like(half, 0.6), np.exp(-half)], axis=1)
    bounds = (weights / weights.sum(1, keepdims=True)).cumsum(1)
    drawn = (generator.random(len(half))[:, None] > bounds).sum(1)
    return Votes(first, second, np.array([1.0, 0.5, 0.0])[np.minimum(drawn, 2)], rater, item)


def contrasts_covered(studies: int) -> float:
    """Share of the intervals of all six contrasts of four equal conditions that hold 0, 20 raters, 30 items.

    A true difference of 0, so that shrinkage by raters' and items' tastes does not move it.
    """
    generator, hits, asked = np.random.default_rng(1), 0, 0
    for _ in range(studies):
        scale = fit_scale(simulate_votes(generator, 20, 30, [0.0, 0.0, 0.0, 0.0]), 4)
        for one, two in pairs(4):
            _, low, high, _ = scale.contrast(one, two)
            hits, asked = hits + (low <= 0 <= high), asked + 1
    return hits / asked


def power_found(setting: Setting, studies: int) -> tuple[float, float]:
    """The planner's power, and the share of simulated studies whose interval stays below one half."""
    generator, found = np.random.default_rng(5), 0
    for _ in range(studies):
        found += share(simulate(generator, setting.size, setting.mean, setting.sds)).high < 0.5
    return power(marginal(setting.mean, setting.sds), *setting.size), found / studies
