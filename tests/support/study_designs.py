"""Designs of studies, drawn at random, and what balance means for them."""

from __future__ import annotations

import random
from collections import Counter

from reskin.evaluation.blind_study.design import Design, Trial


def imbalance(counts: Counter[object], of: int) -> int:
    """Most less least, of so many kinds that there are."""
    return max(counts.values()) - (min(counts.values()) if len(counts) == of else 0)


def check_balance(design: Design, slots: list[list[Trial]]) -> None:
    """No item twice a rater; items, cells and items in cells within 1, sides within 1 of each rater."""
    trials = [trial for slot in slots for trial in slot]
    assert all(len({trial.item for trial in slot}) == design.trials for slot in slots)
    assert imbalance(Counter(trial.item for trial in trials), design.items) <= 1
    assert imbalance(Counter((t.item, t.cell) for t in trials), design.items * design.cells) <= 1
    assert imbalance(Counter(trial.cell for trial in trials), design.cells) <= 1
    for slot in slots:
        assert abs(sum(1 if trial.swapped else -1 for trial in slot)) <= 1


def drawn_design(chance: random.Random) -> Design:
    """Up to 40 raters, 60 items and 15 cells."""
    items = chance.randint(1, 60)
    return Design(
        chance.randint(1, 40), items, chance.randint(1, 15), chance.randint(1, items), chance.randint(0, 9)
    )
