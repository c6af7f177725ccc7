"""The running mean against values worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from reskin.methods.base import Adversary
from reskin.runs.ema import Ema


def model(value: float) -> Any:
    """A generator and a discriminator of one weight each."""
    networks: Any = nn.Module()
    networks.gen_a2b, networks.critic = (nn.Linear(1, 1, bias=False) for _ in range(2))
    networks.adversary = Adversary(("critic",), ("lead",))
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.fill_(value)
    return networks


def put(networks: Any, value: float) -> None:
    with torch.no_grad():
        networks.gen_a2b.weight.fill_(value)


def test_the_mean_by_hand() -> None:
    networks = model(1.0)
    ema = Ema(networks, 0.25)
    put(networks, 12.0)
    ema.update(1)  # keeps (1 + 1) / (10 + 1): 1 * 2/11 + 12 * 9/11
    assert ema.means[0].item() == pytest.approx(10.0)
    put(networks, 2.0)
    ema.update(2)  # keeps 3/12, which is the decay
    assert ema.means[0].item() == pytest.approx(4.0)
    put(networks, 8.0)
    ema.update(100)  # keeps the decay, which is now the smaller
    assert ema.means[0].item() == pytest.approx(7.0)
    assert networks.gen_a2b.weight.item() == 8.0


def test_discriminators_have_no_mean_and_a_decay_of_zero_makes_none() -> None:
    assert Ema(model(1.0), 0.9).names == ["gen_a2b.weight"]
    none = Ema(model(1.0), 0.0)
    none.update(1)
    none.swap()
    assert none.state() == {}


def test_swapping_twice_changes_nothing() -> None:
    networks = model(1.0)
    ema = Ema(networks, 0.9)
    put(networks, 3.0)
    ema.swap()
    assert (networks.gen_a2b.weight.item(), ema.means[0].item()) == (1.0, 3.0)
    ema.swap()
    assert (networks.gen_a2b.weight.item(), ema.means[0].item()) == (3.0, 1.0)


def test_the_mean_is_a_copy_that_takes_no_gradient() -> None:
    networks = model(1.0)
    ema = Ema(networks, 0.9)
    put(networks, 5.0)
    assert ema.means[0].item() == 1.0 and not ema.means[0].requires_grad


def test_the_state_is_put_back_or_begins_at_the_weights() -> None:
    first = Ema(model(1.0), 0.9)
    first.means[0].fill_(0.5)
    second = Ema(model(2.0), 0.9)
    second.load(first.state())
    assert second.means[0].item() == 0.5
    networks = model(2.0)
    third = Ema(networks, 0.9)
    put(networks, 7.0)
    third.load({})  # the run had no mean until now
    assert third.means[0].item() == 7.0
