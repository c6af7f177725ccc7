"""CycleGAN with the parts of SAGAN: where they are, what they hold, and that a run resumes."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.small import count, drawn, terms_of
from torch import Tensor, nn
from torch.nn.utils import parametrize

from reskin.errors import SettingsError
from reskin.losses.reconstruction import l1
from reskin.methods.cyclegan_attention import CycleGANAttention, CycleGANAttentionConfig
from reskin.networks.attention import SelfAttention, SpectralNorm
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.schedule import set_learning_rate
from reskin.training.loop import seed_step
from reskin.types import Step

tiny = partial(small.tiny, CycleGANAttention)


def blocks_of(network: nn.Module) -> list[str]:
    return [name for name, layer in network.named_modules() if isinstance(layer, SelfAttention)]


@pytest.mark.sweep
def test_the_parts_of_sagan_are_where_its_settings_put_them() -> None:
    with torch.device("meta"):
        method = CycleGANAttention(CycleGANAttentionConfig())
        other = CycleGANAttention(parse(CycleGANAttentionConfig, {"self_attention": "generator"}))
    assert blocks_of(method.gen_a2b) == blocks_of(method.gen_b2a) == ["blocks.5"]
    assert blocks_of(method.disc_a) == blocks_of(method.disc_b) == ["layers.8"]
    assert count(method.gen_a2b) == 11_378_179 + 81_921
    assert count(method.disc_a) == 2_764_737 + 81_921  # no norm had parameters, and u is not learnt
    assert count(other.disc_a) == 2_764_737 and blocks_of(other.gen_a2b) and not blocks_of(other.disc_a)
    for disc in (method.disc_a, other.disc_b):
        assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in disc.modules())
        layers = [layer for layer in disc.modules() if isinstance(layer, nn.Conv2d)]
        assert all(parametrize.is_parametrized(layer, "weight") for layer in layers)
    assert not any(isinstance(layer, SpectralNorm) for layer in method.gen_a2b.modules())
    gen_rate, disc_rate = (
        method.optimizers[name].param_groups[0] for name in ("generators", "discriminators")
    )
    assert (gen_rate["lr"], disc_rate["lr"]) == (1e-4, 4e-4)
    assert gen_rate["betas"] == disc_rate["betas"] == (0.0, 0.9)
    set_learning_rate(method, 0.5)
    assert (gen_rate["lr"], disc_rate["lr"]) == (5e-5, 2e-4)


@pytest.mark.parametrize("settings", [{}, {"spectral_norm": False}, {"self_attention": "none"}], ids=str)
@pytest.mark.sweep
def test_with_the_parts_of_sagan_everything_moves_and_a_resumed_run_is_the_same(
    settings: dict[str, Any],
) -> None:
    whole, rest = tiny(**settings), tiny(**settings, init="xavier", init_gain=0.3)
    before = {name: p.detach().clone() for name, p in whole.named_parameters()}

    def step(method: CycleGANAttention, number: int) -> dict[str, Tensor]:
        seed_step(0, number, 0)
        return method.training_step(drawn(1), Step(1, 1))

    for number in (1, 2, 3):
        losses = step(whole, number)
        assert all(loss.isfinite() and not loss.requires_grad for loss in losses.values())
    still = [
        name for name, p in whole.named_parameters() if p.equal(before[name]) and not name.endswith("bias")
    ]
    assert still == []
    ema = Ema(whole, 0.9)
    state = {key: value.clone() for key, value in checkpoint.state_of(whole, ema).items()}
    checkpoint.restore(rest, Ema(rest, 0.9), state)
    assert step(rest, 4) == step(whole, 4)
    expected, got = whole.state_dict(), rest.state_dict()
    assert [key for key in expected if not expected[key].equal(got[key])] == []
    whole.eval()
    u = {key: value.clone() for key, value in expected.items() if key.endswith(".u")}
    assert bool(u) == settings.get("spectral_norm", True)
    with torch.no_grad():
        assert whole.translate(drawn(1).a, "a2b").equal(whole.translate(drawn(1).a, "a2b"))
        whole.disc_a(drawn(1).a)
    assert all(whole.state_dict()[key].equal(value) for key, value in u.items())


WEIGHTS = {"cycle_weight": 3.0, "identity_weight": 0.25, "adversarial_weight": 2.0}


def test_the_terms_are_the_losses_times_their_weights() -> None:
    """Worked out from the networks themselves, beside what a step hands to its optimizers."""
    method, batch = tiny(spectral_norm=False, pool_size=0, **WEIGHTS), drawn(1)
    a, b = batch.a, batch.b
    with torch.no_grad():
        fake_b, fake_a = method.gen_a2b(a), method.gen_b2a(b)
        cycle = l1(method.gen_b2a(fake_b), a) + l1(method.gen_a2b(fake_a), b)
        identity = l1(method.gen_a2b(b), b) + l1(method.gen_b2a(a), a)
        adversarial = -method.disc_b(fake_b).mean() - method.disc_a(fake_a).mean()
    terms = terms_of(method, batch)["generators"]
    wanted = {"adversarial": 2 * adversarial, "cycle": 3 * cycle, "identity": 3 * 0.25 * identity}
    assert terms == pytest.approx({name: loss.item() for name, loss in wanted.items()}, rel=1e-4)


@pytest.mark.parametrize("weight", ["adversarial_weight", "cycle_weight", "identity_weight"])
def test_a_weight_of_0_removes_its_term(weight: str) -> None:
    terms = terms_of(tiny(**{weight: 0.0}), drawn(1))
    gone = {"adversarial_weight": {"adversarial"}, "cycle_weight": {"cycle", "identity"}}
    assert set(terms["generators"]) == {"adversarial", "cycle", "identity"} - gone.get(weight, {"identity"})
    assert ("discriminators" in terms) == (weight != "adversarial_weight")


def test_what_leaves_nothing_to_learn_is_refused() -> None:
    with pytest.raises(SettingsError, match="nothing would be learnt"):
        parse(CycleGANAttentionConfig, {"adversarial_weight": 0, "cycle_weight": 0})
    with pytest.raises(SettingsError, match="wgan-gp"):
        parse(CycleGANAttentionConfig, {"adversarial": "wgan-gp"})
