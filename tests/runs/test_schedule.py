"""The learning rate by the numbers of the papers."""

from __future__ import annotations

from typing import Any

import pytest

from reskin.errors import SettingsError
from reskin.parsing import parse
from reskin.runs.schedule import epoch_of, linear_multiplier
from reskin.runs.settings import TrainConfig, sort_settings


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
        parse(TrainConfig, values)


def train_config(**settings: Any) -> TrainConfig:
    return sort_settings("munit", {"a": "a", "b": "b", **settings}).train


def test_step_decay_shrinks_with_the_run() -> None:
    """MUNIT's rate is halved nine times in its million steps; so it is in twenty thousand."""
    for steps in (1_000_000, 20_000, 15):
        config = train_config(steps=steps)
        rates = [config.multiplier(step, steps) for step in (1, -(-steps // 10), steps)]
        assert rates[:2] == [1, 1] and rates[2] == 0.5 ** ((steps - 1) // -(-steps // 10))
    assert train_config(steps=20_000, decay_steps=100_000).multiplier(20_000, 20_000) == 1


def test_settings_of_an_earlier_version_are_read() -> None:
    config = train_config(schedule="halving", halve_steps=7)
    assert (config.schedule, config.decay_steps) == ("step", 7)


@pytest.mark.parametrize(
    ("epochs", "decay", "steps"), [(200, 100, 1000), (200, 50, 333), (3, 1, 7), (4, 4, 9)]
)
def test_the_first_step_of_the_fall_is_the_first_with_a_lower_rate(
    epochs: int, decay: int, steps: int
) -> None:
    config = train_config(schedule="linear", epochs=epochs, decay_epochs=decay, steps=steps)
    falls = next(step for step in range(1, steps + 1) if config.multiplier(step, steps) < 1)
    assert config.falls_from(steps) == falls
    assert train_config(schedule="constant").falls_from(steps) is None
    assert train_config(schedule="linear", decay_epochs=0).falls_from(steps) is None
