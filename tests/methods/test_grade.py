"""The grade learns a look without touching a shape."""

from __future__ import annotations

import pytest
import torch
from tests.support.small import drawn, tiny

from reskin.losses.reconstruction import l1
from reskin.methods.grade import GradeMethod
from reskin.metrics.structure import structure
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
