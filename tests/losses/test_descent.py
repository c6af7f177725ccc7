"""Descent on pixels: it counts what it evaluates, ends with the best, and steps back where it diverges."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from reskin.errors import NotFiniteError
from reskin.losses.descent import descend


def valley(pixels: Tensor) -> Tensor:
    """Curved and narrow, so that it takes long; its least value, 0, is where all are 1."""
    stretch = torch.logspace(0, 2, len(pixels))
    return (stretch * (pixels - 1).square()).sum() + (pixels.roll(1) - pixels.square()).square().sum()


START = torch.linspace(-0.5, 0.7, 40)


@pytest.mark.parametrize("steps", [1, 2, 20, 21, 53])
def test_exactly_as_many_evaluations_as_were_asked_for(steps: int) -> None:
    calls, told = [], []

    def loss(pixels: Tensor) -> Tensor:
        calls.append(pixels.detach().clone())
        return valley(pixels)

    descend(loss, START, steps, lambda step, value, pixels: told.append((step, value)))
    assert len(calls) == steps
    assert [step for step, _ in told] == list(range(1, steps + 1))
    assert [value for _, value in told] == pytest.approx([valley(pixels).item() for pixels in calls])


def test_it_finds_the_bottom_and_returns_the_best_that_it_saw() -> None:
    values: list[float] = []
    found = descend(valley, START, 150, lambda step, value, pixels: values.append(value))
    assert valley(found).item() == min(values) < 1e-8
    torch.testing.assert_close(found, torch.ones(40), rtol=0, atol=1e-3)
    assert START.equal(torch.linspace(-0.5, 0.7, 40)) and not found.requires_grad


def test_it_takes_the_steps_of_the_plain_optimizer() -> None:
    """The same as torch's own with a learning rate of 1, whose closure calls are counted."""
    pixels = START.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([pixels], 1.0, 12, history_size=100)
    expected: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = valley(pixels)
        loss.backward()
        expected.append(loss.item())
        return loss

    optimizer.step(closure)
    values: list[float] = []
    descend(valley, START, 12, lambda step, value, pixels: values.append(value))
    assert values == expected


def test_a_flat_loss_ends_it() -> None:
    calls = []

    def loss(pixels: Tensor) -> Tensor:
        calls.append(1)
        return (pixels * 0).sum()

    start = torch.rand(3)
    assert descend(loss, start, 50).equal(start) and len(calls) == 1


@pytest.mark.parametrize("broken", ["loss", "gradient", "rise"])
def test_where_it_diverges_it_steps_back_and_says_so(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    def loss(pixels: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        value = valley(pixels)
        if calls == 9:
            if broken == "gradient":
                pixels.register_hook(lambda gradient: gradient * float("nan"))
            return {"loss": value * float("nan"), "gradient": value, "rise": value + 1e9}[broken]
        return value

    values: list[float] = []
    with caplog.at_level(logging.WARNING, "reskin"):
        found = descend(loss, START, 30, lambda step, value, pixels: values.append(value))
    assert calls == 30 and len(values) == 29
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("evaluation 9 of 30: loss ")
    assert "stepped back to the best picture" in caplog.messages[0]
    assert values[8] == min(values[:8])  # evaluated anew, where it stepped back to
    assert valley(found).item() == min(values) < min(values[:8])


def test_when_nothing_helps_it_stops_with_the_best(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    def loss(pixels: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return valley(pixels) * (float("nan") if calls > 5 else 1)

    with caplog.at_level(logging.WARNING, "reskin"):
        found = descend(loss, START, 1000)
    assert "no step size helps: stopped at evaluation" in caplog.messages[-1] and calls < 20
    assert found.isfinite().all() and valley(found) < valley(START)


def test_a_start_that_is_not_finite_is_refused() -> None:
    with pytest.raises(NotFiniteError, match="not finite from the start"):
        descend(lambda pixels: valley(pixels) * float("inf"), torch.ones(2) * 2, 5)
