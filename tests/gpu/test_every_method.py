"""Every method on a GPU: a step in bf16 without waiting, the CPU's numbers, and a CUDA graph."""

from __future__ import annotations

import pytest
import torch
from tests.contract.first_losses import steady_flow
from tests.contract.test_methods import drawn, draws_noise, tiny

from reskin.device import choose_compute
from reskin.errors import SettingsError
from reskin.methods import trained_names
from reskin.methods.base import Method
from reskin.training.graph import GraphedStep
from reskin.training.loop import PlainStep, seed_step
from reskin.training.pretrained import load_features
from reskin.types import Batch, Step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


def on_gpu(name: str) -> Method:
    method = tiny(name)
    choose_compute("cuda", "fp32").move(method)
    method.prepare_training(
        load_features
    )  # once more: pretrained features follow the weights to their device
    return method


def batch_of(method: Method, step: int) -> Batch:
    batch = drawn(method, step)
    return Batch(batch.a.cuda(), batch.b.cuda())


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("name", trained_names())
def test_a_step_in_bf16_never_waits(name: str) -> None:
    method = on_gpu(name)
    if hasattr(method, "reference_flow"):  # OpenCV estimates it, for which the frames must be waited for
        method.reference_flow = steady_flow
    teach = PlainStep(method, choose_compute("cuda", "bf16"))
    for step in (1, 2):  # what is made once is made now
        seed_step(0, step, 0)
        teach(batch_of(method, step), Step(step, 100))
    batches = [batch_of(method, step) for step in (3, 4)]
    torch.cuda.set_sync_debug_mode(2)
    try:
        for step, batch in zip((3, 4), batches, strict=True):
            losses = teach(batch, Step(step, 100))
    finally:
        torch.cuda.set_sync_debug_mode(0)
    method.raise_if_broken()
    assert losses and all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses.values())


@pytest.mark.parametrize("name", trained_names())
def test_the_first_losses_are_those_of_the_cpu(name: str) -> None:
    if draws_noise(name):
        pytest.skip("what it draws differs between devices")
    expected = tiny(name).training_step(drawn(tiny(name), 1), Step(1, 1))
    method = on_gpu(name)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        losses = PlainStep(method, choose_compute("cuda", "fp32"))(batch_of(method, 1), Step(1, 100))
    for key, loss in losses.items():
        assert loss.item() == pytest.approx(expected[key].item(), rel=1e-3, abs=1e-5), key


@pytest.mark.parametrize("name", trained_names())
def test_as_a_cuda_graph_or_refused(name: str) -> None:
    method, compute = on_gpu(name), choose_compute("cuda", "bf16")
    if not method.same_every_step:
        with pytest.raises(SettingsError, match="steps differ"):
            GraphedStep(method, compute)
        return
    teach = GraphedStep(method, compute)
    before = {key: value.clone() for key, value in method.named_parameters()}
    for step in (1, 2, 3):
        seed_step(0, step, 0)
        losses = teach(batch_of(method, step), Step(step, 100))
    method.raise_if_broken()
    assert all(loss.isfinite() for loss in losses.values())
    assert any(not value.equal(before[key]) for key, value in method.named_parameters())
