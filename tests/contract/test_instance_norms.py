"""One step of every method at batch 1, with a gradient in channels-last order behind every instance norm."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.contract.test_methods import drawn, tiny
from torch import Tensor

from reskin.methods import trained_names
from reskin.methods.base import Method
from reskin.networks import adain, invariant_features, normalization
from reskin.networks.normalization import InstanceNorm2d
from reskin.training.loop import seed_step
from reskin.types import Step


class ChannelsLast(torch.autograd.Function):
    """Changes nothing but the memory layout of the gradient."""

    passed = 0

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        return features.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        ChannelsLast.passed += 1
        return grad.contiguous(memory_format=torch.channels_last)


def probe_instance_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = normalization.instance_norm

    def probed(*args: Any, **settings: Any) -> Tensor:
        return ChannelsLast.apply(plain(*args, **settings))

    for module in (normalization, adain, invariant_features):
        monkeypatch.setattr(module, "instance_norm", probed)


def after_a_step(name: str) -> dict[str, Tensor]:
    """Gradients after one step at batch 1."""
    method = tiny(name)
    seed_step(0, 2, 0)
    method.training_step(drawn(method, 2, count=1), Step(2, 100))
    return {key: p.grad for key, p in method.named_parameters() if p.grad is not None}


def has_instance_norm(method: Method) -> bool:
    return any(isinstance(layer, (InstanceNorm2d, adain.StyledBlock)) for layer in method.modules())


@pytest.mark.parametrize("name", trained_names())
@pytest.mark.thinned(10)
def test_gradients_are_those_of_the_plain_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = after_a_step(name)
    probe_instance_norms(monkeypatch)
    ChannelsLast.passed = 0
    found = after_a_step(name)
    assert bool(ChannelsLast.passed) == has_instance_norm(tiny(name))
    assert found.keys() == wanted.keys() and wanted
    for key, gradient in wanted.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-5, atol=1e-7, msg=key)


def test_the_probe_finds_a_norm_that_keeps_the_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above must be able to fail: without the guard torch's kernel goes wrong."""
    wanted = after_a_step("cyclegan")
    probe_instance_norms(monkeypatch)
    monkeypatch.setattr(normalization, "_in_plain_order", lambda grad: grad)
    found = after_a_step("cyclegan")
    key = "gen_a2b.stem.0.weight"
    if torch.allclose(found[key], wanted[key], rtol=1e-3):
        pytest.skip("this torch has no such fault any more: the guard in normalization.py can go")
