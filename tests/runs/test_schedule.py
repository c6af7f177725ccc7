"""The learning rate by the numbers of the paper and of the sheet (methods.md, 0.9)."""

from __future__ import annotations

import pytest

from reskin.errors import SettingsError
from reskin.runs.schedule import epoch_of, linear_multiplier
from reskin.runs.settings import TrainConfig


@pytest.mark.parametrize(
    ("epoch", "expected"), [(1, 1), (100, 1), (101, 0.990099), (150, 0.504950), (200, 0.00990099)]
)
def test_the_papers_schedule(epoch: int, expected: float) -> None:
    assert linear_multiplier(epoch, epochs=200, decay_epochs=100) == pytest.approx(expected, rel=1e-6)


def test_no_decay_is_a_constant() -> None:
    assert [linear_multiplier(epoch, epochs=5, decay_epochs=0) for epoch in range(1, 6)] == [1.0] * 5


def test_the_rate_falls_evenly_and_never_reaches_zero() -> None:
    rates = [linear_multiplier(epoch, epochs=10, decay_epochs=10) for epoch in range(1, 11)]
    assert rates == pytest.approx([1 - epoch / 11 for epoch in range(1, 11)])
    assert min(rates) > 0


def test_epochs_share_the_steps_evenly() -> None:
    assert [epoch_of(step, steps=7, epochs=3) for step in range(1, 8)] == [1, 1, 1, 2, 2, 3, 3]
    assert epoch_of(1, steps=1000, epochs=200) == 1 and epoch_of(1000, steps=1000, epochs=200) == 200


def test_a_run_of_few_steps_goes_through_the_whole_schedule() -> None:
    config = TrainConfig(epochs=4)  # two at the full rate, two of decay
    rates = [config.multiplier(step, 8) for step in range(1, 9)]
    assert rates == pytest.approx([1, 1, 1, 1, 2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert [TrainConfig(epochs=4, decay_epochs=0).multiplier(step, 8) for step in (1, 8)] == [1, 1]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"steps": 3, "minutes": 1.0}, "give steps or minutes, not both"),
        ({"epochs": 3, "decay_epochs": 4}, r"decay_epochs \(4\) is more than epochs \(3\)"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"ema": 1.0}, "less than 1"),
    ],
)
def test_lengths_that_make_no_sense_are_refused(values: dict[str, float], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        TrainConfig.parse(values)
