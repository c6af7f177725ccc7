"""Who sees what in a study: balanced incomplete blocks of items and conditions, orders, attention checks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Literal

Kind = Literal["real-or-fake", "preference", "preference-video"]
Part = Literal["practice", "main"]
Role = Literal["item", "check", "repeat"]

PRACTICE = 10
PRACTICE_CHECKS = 6
"""The last practice trials, which are obvious: attention checks too."""
MAIN_CHECKS = 8
REPEATS = 2
"""Main trials that are shown again in the other order."""
CHECKS = PRACTICE_CHECKS + MAIN_CHECKS


@dataclass(frozen=True)
class Trial:
    """One trial of one rater.

    Attributes:
        part: "practice" gives feedback and does not count.
        role: "item" is what the study asks; "check" is obvious; "repeat" an item again, in the other order.
        item: number of the item, 0 to I − 1; of the practice or check item where it is one.
        cell: number of the condition, or of the pair of conditions.
        swapped: whether what stands first in the cell is shown second (or on the right).
    """

    part: Part
    role: Role
    item: int
    cell: int
    swapped: bool


@dataclass(frozen=True)
class Design:
    """Sizes of a study.

    Attributes:
        raters: how many slots for raters there are.
        items: inputs.
        cells: conditions that are compared with the real picture, or pairs of conditions.
        trials: items that one rater sees.
        seed: everything random follows from it.
    """

    raters: int
    items: int
    cells: int
    trials: int
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.raters, self.items, self.cells, self.trials) < 1:
            raise ValueError("raters, items, cells and trials must be at least 1")
        if self.trials > self.items:
            raise ValueError("a rater sees an item once: trials must not be more than items")


def deal(design: Design) -> list[list[Trial]]:
    """The items of each rater, in the order of a slot's list; without practice and checks.

    Items go round in one seeded order, `trials` to each rater, so that nobody meets an item twice and any two
    items are met equally often to within 1. The cell of the n-th trial is n plus one more after every
    cells / gcd(items, cells) rounds, modulo cells: cells are equally frequent, and an item meets each of them
    equally often, both to within 1 (but for a first round of slots that is not full). Orders alternate in a
    rater, over the trials sorted by cell, and begin with the other order for the next.
    """
    chance = random.Random(f"design {design.seed}")  # noqa: S311
    order = list(range(design.items))
    chance.shuffle(order)
    labels = list(range(design.cells))
    chance.shuffle(labels)
    rounds = design.cells // gcd(design.items, design.cells)
    slots = []
    for rater in range(design.raters):
        met = []
        for number in range(rater * design.trials, (rater + 1) * design.trials):
            visit, position = divmod(number, design.items)
            met.append((labels[(number + visit // rounds) % design.cells], order[position]))
        chance.shuffle(met)
        met.sort(key=lambda pair: pair[0])
        trials = [
            Trial("main", "item", item, cell, (rater + turn) % 2 == 1)
            for turn, (cell, item) in enumerate(met)
        ]
        chance.shuffle(trials)
        slots.append(trials)
    return slots


def with_checks(
    trials: Sequence[Trial], design: Design, rater: int, *, practice_items: int, check_items: int
) -> list[Trial]:
    """A rater's whole list: practice, then the main trials with checks and repeats among them.

    Checks are spread evenly with a seeded shift and never two in a row; repeats stand in the last third, of
    trials from the first third.

    Args:
        trials: the rater's items, of `deal`.
        design: the study.
        rater: number of the slot.
        practice_items: how many practice items there are; they are used in turn.
        check_items: how many obvious items there are; they are used in turn.
    """
    chance = random.Random(f"checks {design.seed} {rater}")  # noqa: S311
    practice = [
        Trial(
            "practice",
            "check" if turn >= PRACTICE - PRACTICE_CHECKS else "item",
            turn % practice_items,
            chance.randrange(design.cells),
            turn % 2 == 1,
        )
        for turn in range(PRACTICE)
    ]
    main = list(trials)
    early = main[: max(1, len(main) // 3)]
    again = chance.sample(early, min(REPEATS, len(early) if len(main) >= 3 * REPEATS else 0))
    for turn, trial in enumerate(again):
        repeat = Trial("main", "repeat", trial.item, trial.cell, not trial.swapped)
        main.insert(len(main) - turn * max(1, len(trials) // 6), repeat)
    step = len(main) / MAIN_CHECKS
    shift = chance.random()
    sides = [turn % 2 == 1 for turn in range(MAIN_CHECKS)]
    chance.shuffle(sides)
    for turn in reversed(range(MAIN_CHECKS)):
        check = Trial("main", "check", turn % check_items, chance.randrange(design.cells), sides[turn])
        main.insert(int((turn + shift) * step), check)
    return practice + main
