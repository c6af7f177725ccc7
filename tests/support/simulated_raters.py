"""Studies with simulated raters, whose truth is known."""

from __future__ import annotations

import math

import numpy as np

from reskin.evaluation.blind_study.intervals import Answers


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
