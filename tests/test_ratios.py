"""The reference that speed is compared with does the work of the paper, and as much of it as reskin."""

from __future__ import annotations

import pytest
import torch
from benchmarks.reference.cyclegan import History, Training, discriminator, generator
from torch.utils.flop_counter import FlopCounterMode

from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.types import Batch, Step


def test_the_networks_have_the_papers_sizes() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in network.parameters()) for network in (generator(), discriminator())]
    assert counts == [11_378_179, 2_764_737]


def test_with_the_same_weights_it_translates_as_reskin_does() -> None:
    method = CycleGAN(parse(CycleGANConfig, {"width": 4, "blocks": 2})).eval()
    plain = generator(4, 2).eval()
    state, theirs = method.gen_a2b.state_dict(), plain.state_dict()
    order = ("stem", "down", "blocks", "up", "head")
    ours = [state[key] for part in order for key in state if key.startswith(f"{part}.")]
    assert len(ours) == len(state) and [value.shape for value in ours] == [v.shape for v in theirs.values()]
    plain.load_state_dict(dict(zip(theirs, ours, strict=True)))
    images = torch.rand(2, 3, 32, 40) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(method.generate(images, "a2b"), plain(images), rtol=1e-4, atol=1e-4)


@pytest.mark.sweep
def test_a_step_is_as_much_work_as_reskins() -> None:
    method = CycleGAN(parse(CycleGANConfig, {"width": 4, "blocks": 1}))
    plain = Training(4, 1)
    a, b = torch.rand(2, 1, 3, 32, 32) * 2 - 1
    with FlopCounterMode(display=False) as theirs:
        losses = plain.step(a, b)
    with FlopCounterMode(display=False) as ours:
        method.training_step(Batch(a, b), Step(1, 1))
    assert min(losses) > 0 and torch.tensor(losses).isfinite().all()
    assert 0.9 < theirs.get_total_flops() / ours.get_total_flops() < 1.1


def test_the_history_shows_half_of_the_old_images() -> None:
    history = History(2)
    first = torch.zeros(2, 3, 1, 1)
    assert history.exchange(first).equal(first)
    shown = torch.cat([history.exchange(torch.full((1, 3, 1, 1), float(n))) for n in range(1, 101)])
    new = sum(float(image[0, 0, 0]) == n for n, image in enumerate(shown, 1))
    assert 20 < new < 80 and len(history.images) == 2
