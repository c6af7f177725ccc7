"""What a training step consists of: operators are sorted by hand here, and a small step on the CPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from benchmarks import shares
from tests.support import small
from torch.profiler import ProfilerActivity, profile

from reskin.device import Compute
from reskin.methods import find_trained


@dataclass
class Event:
    """As the profiler describes an operator."""

    name: str
    cpu_parent: Event | None = None
    concrete_inputs: list[Any] = field(default_factory=list)
    kernels: list[Any] = field(default_factory=list)
    self_cpu_time_total: float = 0.0


@dataclass
class Kernel:
    """As the profiler describes a kernel, microseconds."""

    name: str
    duration: float


TRANSPOSED = Event("aten::conv_transpose2d")
BACKWARD = [None, None, None, [4], [1, 1], [0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Event("aten::mkldnn_convolution", Event("aten::conv2d")), "convolution"),
        (
            Event("aten::slow_conv_transpose2d", Event("aten::convolution", TRANSPOSED)),
            "transposed convolution",
        ),
        (Event("aten::convolution", TRANSPOSED), "transposed convolution"),
        (Event("aten::convolution_backward", None, [*BACKWARD, True]), "transposed convolution"),
        (Event("aten::convolution_backward", None, [*BACKWARD, False]), "convolution"),
        (Event("aten::add_", Event("_MirrorBackward")), "reflection padding"),
        (Event("aten::reflection_pad2d_backward"), "reflection padding"),
        (Event("aten::native_batch_norm", Event("aten::instance_norm")), "norm"),
        (Event("aten::copy_", Event("aten::_to_copy", Event("aten::conv2d"))), "casts"),
        (Event("aten::copy_", Event("aten::clone", Event("aten::contiguous"))), "layout conversion"),
        (Event("aten::_fused_adam_", Event("Optimizer.step#Adam.step")), "optimizer"),
        (Event("aten::clamp_min_"), "activations"),
        (Event("aten::mul"), "other"),
    ],
)
def test_an_operator_is_what_is_around_it(event: Event, kind: str) -> None:
    assert shares.kind_of(event) == kind


def test_kernels_count_for_their_operator_but_for_changes_of_layout() -> None:
    """cuDNN turns pictures around inside of a convolution."""
    turning = Kernel("void cudnn::ops::nchwToNhwcKernel<__nv_bfloat16>", 3.0)
    event = Event("aten::cudnn_convolution", None, kernels=[turning, Kernel("sm90_xmma_fprop_bf16", 7.0)])
    found = shares._summed(shares._of_kernels([event, Event("aten::mul")]))
    assert found["kinds"] == {"convolution": 0.7, "layout conversion": 0.3}
    assert found["operators"] == {"sm90_xmma_fprop_bf16": 0.7, turning.name: 0.3}
    assert found["milliseconds"] == 0.01


def test_the_gradient_of_a_transposed_convolution_is_told_apart() -> None:
    """The real profiler says it with the arguments."""
    layers = {
        "transposed convolution": torch.nn.ConvTranspose2d(2, 2, 3),
        "convolution": torch.nn.Conv2d(2, 2, 3),
    }
    for kind, layer in layers.items():
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as recorded:
            layer(torch.rand(1, 2, 8, 8)).sum().backward()
        backward = [event for event in recorded.events() or [] if event.name == "aten::convolution_backward"]
        assert [shares.kind_of(event) for event in backward] == [kind]


@pytest.mark.sweep
def test_the_shares_of_a_small_step() -> None:
    method = small.tiny(find_trained("cyclegan"))
    found = shares.shares(method, Compute(torch.device("cpu"), "fp32"), side=32, batch=2)
    kinds = found["kinds"]
    assert sum(kinds.values()) == pytest.approx(1, abs=0.001)
    expected = {"reflection padding", "norm", "convolution", "transposed convolution", "optimizer"}
    assert expected <= {kind for kind, share in kinds.items() if share > 0}
    assert list(kinds.values()) == sorted(kinds.values(), reverse=True)
    assert len(found["operators"]) <= shares.MOST_OPERATORS
    text = shares.table(found)
    assert "ms a step" in text and "reflection padding" in text
