"""The grade learns a look without touching a shape."""

from __future__ import annotations

import math

import pytest
import torch
from tests.support.small import drawn, tiny

from reskin.losses.reconstruction import l1
from reskin.methods import grade
from reskin.methods.grade import GradeMethod
from reskin.metrics.structure import structure
from reskin.networks.bilateral_grid import Grade, bend
from reskin.networks.patchgan import patch_discriminator
from reskin.types import Batch, Step


def test_networks_of_the_default() -> None:
    method = GradeMethod(GradeMethod.Config())
    discriminator = patch_discriminator(24, 2)
    count = sum(p.numel() for p in discriminator.parameters())
    assert sum(p.numel() for p in method.disc_a.parameters()) == count
    assert not method.translate(torch.zeros(1, 3, 30, 50), "a2b").requires_grad or method.training


def test_it_starts_as_the_identity() -> None:
    images = drawn().a * 0.8
    for direction in ("a2b", "b2a"):
        made = tiny(GradeMethod).translate(images, direction).detach()
        assert float(l1(made, images)) < 1e-4


def lit(count: int) -> torch.Tensor:
    """Pictures of soft colours between -0.7 and 0.7."""
    small = torch.rand(count, 3, 6, 6)
    return torch.nn.functional.interpolate(small, (64, 64), mode="bilinear") * 1.4 - 0.7


@pytest.fixture
def quick_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start compares few patches, which takes most of the time of a step."""
    monkeypatch.setattr(grade, "_FIT_PATCHES", 300)


@pytest.mark.sweep
def test_the_start_alone_brings_most_of_a_tint_and_of_darkness(quick_start: None) -> None:
    torch.manual_seed(0)
    off = {"cycle_weight": 0.0, "adversarial_weight": 0.0, "learning_rate": 1e-9}
    tint = torch.tensor([0.1, -0.1, -0.3]).view(3, 1, 1)
    method = GradeMethod(GradeMethod.Config(width=2, disc_width=2, start_steps=12, **off))
    a = lit(8)

    def distance() -> float:
        with torch.no_grad():
            return float(l1(method.translate(a, "a2b"), 0.5 * a - 0.3 + tint))

    before = distance()
    for number in range(1, 13):
        method.training_step(Batch(lit(4), 0.5 * lit(4) - 0.3 + tint), Step(number, 12))
    assert distance() < 0.4 * before


@pytest.mark.sweep
def test_a_start_that_is_interrupted_goes_on_in_the_same_bits(quick_start: None) -> None:
    def trained(stop: int | None) -> dict[str, torch.Tensor]:
        torch.manual_seed(1)
        method = tiny(GradeMethod, start_steps=4)
        for number in range(1, 6):
            if number == stop:
                kept, kinds = method.state_dict(), {k: o.state_dict() for k, o in method.optimizers.items()}
                method = tiny(GradeMethod, start_steps=4)
                method.load_state_dict(kept)
                for name, optimizer in method.optimizers.items():
                    optimizer.load_state_dict(kinds[name])
            torch.manual_seed(number)
            method.training_step(drawn(), Step(number, 5))
        return method.state_dict()

    whole, resumed = trained(None), trained(3)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_straight_curves_have_no_bend_and_bent_ones_the_worked_value() -> None:
    curves = torch.linspace(-1, 1, 8).view(1, 1, 8, 1, 1).repeat(1, 4, 1, 1, 1)
    curves[:, 3] = 1.0
    assert float(bend(Grade(curves, torch.eye(3)[None], torch.ones(3) / 3))) < 1e-9
    curves[:, 0, 4:] += curves[:, 0, 4:].clone().diff(dim=1)[:, :1] * torch.arange(1, 5).view(1, 4, 1, 1)
    # From knot 3 on the slope of red is twice as large: one of 3 x 6 changes is log 2.
    expected = math.log(2) ** 2 / 18
    assert float(bend(Grade(curves, torch.eye(3)[None], torch.ones(3) / 3))) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.slow
def test_it_learns_darkness_and_tint_and_keeps_shapes() -> None:
    torch.manual_seed(0)
    looks = torch.nn.functional.interpolate(torch.rand(32, 3, 6, 6), (64, 64), mode="bilinear") * 1.4 - 0.7
    tint = torch.tensor([0.1, -0.1, -0.3]).view(3, 1, 1)
    a, b = looks[:16], 0.5 * looks[16:] - 0.3 + tint
    method = GradeMethod(GradeMethod.Config(width=8, disc_width=8))
    for number in range(1, 121):
        pick = torch.randint(0, 16, (2, 4))
        method.training_step(Batch(a[pick[0]], b[pick[1]]), Step(number, 120))
    with torch.no_grad():
        made = method.translate(a, "a2b")
    wanted = 0.5 * a - 0.3 + tint
    assert float(l1(made, wanted)) < 0.4 * float(l1(a, wanted))
    assert float(structure(made, a).mean()) > 0.9
