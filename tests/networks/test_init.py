"""Initial weights have the stated spread and nothing else is touched."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from reskin.errors import SettingsError
from reskin.networks.init import initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator


def test_normal_is_the_papers() -> None:
    network = ResnetGenerator(16, 1, norm="batch")
    initialise(network)
    state = network.state_dict()
    for name in ("stem.0", "down.3", "blocks.0.conv1", "up.0", "head"):
        weight = state[f"{name}.weight"]
        assert weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert abs(weight.mean().item()) < 4 * 0.02 / math.sqrt(weight.numel())
    assert state["head.bias"].eq(0).all()
    scale = torch.cat([v.flatten() for k, v in state.items() if k.endswith((".1.weight", "norm1.weight"))])
    assert scale.mean().item() == pytest.approx(1.0, abs=0.01)
    assert scale.std().item() == pytest.approx(0.02, rel=0.3)
    assert state["stem.1.bias"].eq(0).all()


@pytest.mark.parametrize(
    ("kind", "gain", "spread"),
    [
        ("normal", 0.5, 0.5),
        ("xavier", 0.02, 0.02 * math.sqrt(2 / (32 * 9 + 64 * 9))),
        ("kaiming", 0.02, math.sqrt(2 / (32 * 9))),
    ],
)
def test_spread_of_each_kind(kind: str, gain: float, spread: float) -> None:
    layer = nn.Conv2d(32, 64, 3)
    initialise(layer, kind, gain)  # type: ignore[arg-type]
    assert layer.weight.std().item() == pytest.approx(spread, rel=0.05)
    assert layer.bias is not None
    assert layer.bias.eq(0).all()


def test_orthogonal_rows_are_orthogonal() -> None:
    layer = nn.Linear(12, 5)
    initialise(layer, "orthogonal", 0.5)
    torch.testing.assert_close(layer.weight @ layer.weight.T, 0.25 * torch.eye(5), atol=1e-6, rtol=0)


def test_every_weight_is_drawn_and_the_seed_decides() -> None:
    networks = [patch_discriminator(4) for _ in range(2)]
    before = {name: value.clone() for name, value in networks[0].state_dict().items()}
    for network in networks:
        torch.manual_seed(5)
        initialise(network)
    after = networks[0].state_dict()
    assert not any(after[name].equal(before[name]) for name in before)
    assert all(after[name].equal(value) for name, value in networks[1].state_dict().items())


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match="init"):
        initialise(nn.Conv2d(1, 1, 1), "ones")  # type: ignore[arg-type]
