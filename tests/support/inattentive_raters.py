"""Raters who do not look, among raters who do."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from reskin.evaluation.blind_study.answers import Answer, Choice
from reskin.evaluation.blind_study.design import Kind, Trial
from reskin.evaluation.blind_study.plan import StudyPlan
from reskin.evaluation.blind_study.quality import reasons
from reskin.evaluation.blind_study.results import record_of

RATERS = 1000
SLIP = 0.05
Rater = Callable[[Trial], Choice]


def careful(plan: StudyPlan, chance: random.Random) -> Rater:
    """Right in 95 of 100 checks; in the others, and elsewhere, as liking and luck have it."""
    liking = chance.gauss(0, 0.7)

    def choose(trial: Trial) -> Choice:
        right = plan.right_choice(trial)
        if right is not None and chance.random() > SLIP:
            return right  # type: ignore[return-value]
        return "first" if chance.random() < 1 / (1 + np.exp(-liking)) else "second"

    return choose


def random_clicks(plan: StudyPlan, chance: random.Random) -> Rater:
    """Presses any button."""
    choices: list[Choice] = (
        ["first", "second"] if plan.kind == "real-or-fake" else ["first", "second", "same"]
    )
    return lambda trial: chance.choice(choices)


def one_button(plan: StudyPlan, chance: random.Random) -> Rater:
    """Presses one button alone."""
    side: Choice = chance.choice(["first", "second"])
    return lambda trial: side


def left_out(kind: Kind) -> tuple[float, float]:
    """Shares of those who do not look, and of those who do, that the rules leave out.

    Of 1,000 raters two in ten click at random, and one presses one button alone.
    """
    items = tuple(f"{number}.png" for number in range(40))
    plan = StudyPlan(kind=kind, conditions=("one", "two"), items=items, raters=RATERS, trials=40)
    chance = random.Random(0)
    found: dict[bool, list[bool]] = {True: [], False: []}
    for number, trials in enumerate(plan.slots()):
        make = [random_clicks, random_clicks, one_button, *[careful] * 7][number % 10]
        choose = make(plan, chance)
        answers = {
            turn: Answer(turn, f"{turn:016d}", choose(trial), (), 900.0, "")
            for turn, trial in enumerate(trials)
        }
        found[make is careful].append(bool(reasons(record_of(plan, trials, answers))))
    return float(np.mean(found[False])), float(np.mean(found[True]))
