"""CycleGAN with other networks: their sizes, the terms of its losses, and what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.small import count, drawn, terms_of

from reskin.errors import SettingsError, ShapeError
from reskin.losses.reconstruction import l1
from reskin.methods.cyclegan_unet import CycleGANUnet, CycleGANUnetConfig
from reskin.networks.resnet import ResnetGenerator
from reskin.parsing import parse
from reskin.types import Step

tiny = partial(small.tiny, CycleGANUnet)


@pytest.mark.sweep
def test_the_networks_have_the_published_sizes() -> None:
    with torch.device("meta"):
        large, small_ = (CycleGANUnet(CycleGANUnetConfig(downsamplings=n, norm="batch")) for n in (8, 7))
    assert count(large.gen_a2b) == 54_413_955 and count(small_.gen_b2a) == 41_828_995
    assert count(large.disc_a) == 2_765_633  # with batch norm
    assert (large.size_multiple, small_.size_multiple) == (256, 128)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"norm": "batch", "init": "xavier"},
        {"adversarial": "wgan-gp", "discriminator": "pixel"},
        {"generator": "resnet", "discriminator": "pixel", "upsample": "nearest"},
        {"has_dropout": True, "init": "orthogonal", "adversarial": "bce"},
    ],
    ids=str,
)
@pytest.mark.thinned(3, first=1)
def test_the_variants_learn(settings: dict[str, Any]) -> None:
    method = tiny(**settings)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    losses = method.training_step(drawn(1), Step(1, 1))
    assert set(losses) == {"adversarial", "cycle", "identity", "discriminator_a", "discriminator_b"}
    assert all(loss.isfinite() for loss in losses.values())
    assert [name for name, p in method.named_parameters() if p.dim() > 1 and p.equal(before[name])] == []
    assert isinstance(method.gen_a2b, ResnetGenerator) == (settings.get("generator") == "resnet")
    assert method.translate(drawn(1).a, "a2b").shape == (1, 3, 32, 32)


def test_the_terms_are_the_losses_times_their_weights() -> None:
    """Worked out from the networks themselves, beside what a step hands to its optimizers."""
    method = tiny(pool_size=0, cycle_weight=3.0, identity_weight=0.25, adversarial_weight=2.0)
    batch = drawn(1)
    a, b = batch.a, batch.b
    with torch.no_grad():
        fake_b, fake_a = method.gen_a2b(a), method.gen_b2a(b)
        cycle = l1(method.gen_b2a(fake_b), a) + l1(method.gen_a2b(fake_a), b)
        identity = l1(method.gen_a2b(b), b) + l1(method.gen_b2a(a), a)
        fooled = sum(
            (disc(x) - 1).square().mean() for disc, x in ((method.disc_b, fake_b), (method.disc_a, fake_a))
        )
        judged = ((method.disc_b(b) - 1).square().mean() + method.disc_b(fake_b).square().mean()) / 2
    terms = terms_of(method, batch)
    wanted = {"adversarial": 2 * fooled, "cycle": 3 * cycle, "identity": 3 * 0.25 * identity}
    assert terms["generators"] == pytest.approx(
        {name: float(loss) for name, loss in wanted.items()}, rel=1e-4
    )
    assert terms["discriminators"]["discriminator_b"] == pytest.approx(judged.item(), rel=1e-4)


@pytest.mark.parametrize("weight", ["adversarial_weight", "cycle_weight", "identity_weight"])
@pytest.mark.thinned(3)
def test_a_weight_of_0_removes_its_term(weight: str) -> None:
    terms = terms_of(tiny(**{weight: 0.0}), drawn(1))
    gone = {"adversarial_weight": {"adversarial"}, "cycle_weight": {"cycle", "identity"}}
    assert set(terms["generators"]) == {"adversarial", "cycle", "identity"} - gone.get(weight, {"identity"})
    assert ("discriminators" in terms) == (weight != "adversarial_weight")


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SettingsError, match="nothing would be learnt"):
        parse(CycleGANUnetConfig, {"adversarial_weight": 0, "cycle_weight": 0})
    with pytest.raises(ShapeError, match="multiples of 64"):
        tiny(downsamplings=6).training_step(drawn(1), Step(1, 1))
