"""BiGAN: which pairs the discriminator sees under which label, and what the method reaches."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.small import count, drawn
from tests.support.squares import colour_share, place_error, recoloured, squares, train
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.methods.bigan import BiGAN, BiGANConfig, adversarial_other
from reskin.parsing import parse
from reskin.types import Batch, Step

tiny = partial(small.tiny, BiGAN)


class Verdict(nn.Module):
    """One logit for every pair, which can learn, and a note of what was seen."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.seen: list[Tensor] = []

    def forward(self, pairs: Tensor) -> Tensor:
        self.seen.append(pairs.detach())
        return self.value + 0 * pairs[:, :1]


class RightFor(Verdict):
    """+value for pairs whose first half is `a`, -value for the others."""

    def __init__(self, a: Tensor, value: float) -> None:
        super().__init__(value)
        self.a = a

    def forward(self, pairs: Tensor) -> Tensor:
        is_a2b = torch.stack([(pair[:3] == self.a[0]).all() for pair in pairs]).float() * 2 - 1
        return self.value * is_a2b.view(-1, 1, 1, 1) + 0 * pairs[:, :1]


def test_the_networks_are_those_of_the_comparison() -> None:
    with torch.device("meta"):
        full = BiGAN(BiGANConfig())
        assert count(full.gen_a2b) == count(full.gen_b2a) == 7_837_699
        assert count(full.disc_pairs) == 2_767_809
        assert full.disc_pairs(torch.zeros(1, 6, 128, 128)).shape == (1, 1, 14, 14)
    assert full.disc_pairs.in_channels == 6
    assert full.defaults == {"load_size": 143, "crop_size": 128}


def test_the_original_losses_are_two_ln_2_where_the_discriminator_knows_nothing() -> None:
    method = tiny(adversarial="bce")
    method.disc_pairs = Verdict(0.0)  # type: ignore[assignment]
    losses = method.training_step(drawn(1), Step(1, 1))
    made = losses["adversarial_a2b"] + losses["adversarial_b2a"]
    assert made.item() == pytest.approx(1.386294, abs=1e-6) == 2 * math.log(2)
    assert 2 * losses["discriminator"].item() == pytest.approx(1.386294, abs=1e-6)  # ours has the half


def test_there_is_one_and_back_is_nought() -> None:
    """A discriminator that calls (a, there(a)) 1 and (back(b), b) 0 is right: its loss is low."""
    method, batch = tiny(pool_size=0), drawn(1)
    method.disc_pairs = RightFor(batch.a, 0.5)  # type: ignore[assignment]
    right = method.training_step(batch, Step(1, 1))
    method.disc_pairs = RightFor(batch.a, -0.5)  # type: ignore[assignment]
    swapped = method.training_step(batch, Step(1, 1))
    # (0.5 - 1)^2 and (-0.5)^2 halved; the generators want (0.5 - 0)^2 and (-0.5 - 1)^2.
    assert right["discriminator"].item() == pytest.approx(0.25)
    assert right["adversarial_a2b"].item() == pytest.approx(0.25)
    assert right["adversarial_b2a"].item() == pytest.approx(2.25)
    assert swapped["discriminator"].item() == pytest.approx(1.25)  # the labels the wrong way round
    assert swapped["adversarial_b2a"].item() == pytest.approx(0.25)


def test_the_loss_of_label_one_mirrors_that_of_label_nought() -> None:
    logits = torch.tensor([-1.0, 0.3, 2.0])
    assert adversarial_other("lsgan", logits).item() == pytest.approx(logits.square().mean().item())
    softplus = torch.log(1 + logits.exp()).mean().item()
    assert adversarial_other("bce", logits).item() == pytest.approx(softplus, rel=1e-6)
    rough = torch.tensor([0.001, -0.002], dtype=torch.bfloat16)  # 1 - 0.001 is 1 in bfloat16
    exact = rough.float().square().mean().item()
    assert adversarial_other("lsgan", rough).item() == pytest.approx(exact, rel=1e-3)


@pytest.mark.sweep
def test_pairs_are_in_order_and_of_one_call_even_after_the_buffer() -> None:
    method = tiny(pool_size=2)
    method.disc_pairs = Verdict(0.0)  # type: ignore[assignment]
    verdict: Verdict = method.disc_pairs  # type: ignore[assignment]
    there: dict[float, Tensor] = {}
    back: dict[float, Tensor] = {}
    method.gen_a2b.register_forward_hook(lambda _, x, y: there.update({x[0].sum().item(): y.detach()}))
    method.gen_b2a.register_forward_hook(lambda _, x, y: back.update({x[0].sum().item(): y.detach()}))
    older = 0
    for seed in range(12):
        torch.manual_seed(seed)
        a, b = torch.rand(2, 1, 3, 32, 32) * 2 - 1
        verdict.seen.clear()
        method.training_step(Batch(a, b), Step(1, 1))
        judged, newest = verdict.seen
        assert judged.shape == newest.shape == (2, 6, 32, 32)
        assert newest[:1, :3].equal(a) and newest[1:, 3:].equal(b)
        assert judged[:1, 3:].equal(there[judged[:1, :3].sum().item()])
        assert judged[1:, :3].equal(back[judged[1:, 3:].sum().item()])
        older += not judged[:1].equal(newest[:1])
    assert older > 0


def test_one_update_of_both_generators_equals_one_of_each() -> None:
    both = tiny()
    both.training_step(drawn(1), Step(1, 1))
    for term, part in (("adversarial_a2b", "gen_a2b"), ("adversarial_b2a", "gen_b2a")):
        one = tiny()

        def alone(name: str, *, update: Any = one.update, term: str = term, **terms: Tensor) -> None:
            update(name, **({term: terms[term]} if name == "generators" else terms))

        one.update = alone  # type: ignore[method-assign,assignment]
        one.training_step(drawn(1), Step(1, 1))
        taught, expected = getattr(both, part), getattr(one, part)
        for p, q in zip(taught.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(p, q)
        other = one.gen_b2a if part == "gen_a2b" else one.gen_a2b
        untouched = getattr(tiny(), "gen_b2a" if part == "gen_a2b" else "gen_a2b")
        for p, q in zip(other.parameters(), untouched.parameters(), strict=True):
            assert p.equal(q)  # one term teaches one generator


def test_only_the_two_games_of_label_0_and_1_are_offered() -> None:
    with pytest.raises(SettingsError, match="'adversarial'"):
        parse(BiGANConfig, {"adversarial": "hinge"})


@pytest.mark.parametrize("settings", [{"norm": "batch"}, {"adversarial": "bce"}, {"upsample": "nearest"}])
def test_the_variants_run(settings: dict[str, Any]) -> None:
    losses = tiny(**settings).training_step(drawn(1), Step(1, 1))
    assert set(losses) == {"discriminator", "adversarial_a2b", "adversarial_b2a"}
    assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.slow
def test_the_look_is_matched_and_the_content_drifts() -> None:
    """Reached: as much blue as in B (0.12 for 0.10), 0.83 of the pixels, 4.6 px off (chance: 12).

    Leaving everything as it is would give 0.90 of the pixels. Other seeds gave 0.3 to 0.8 and 2 to 7 px.
    """
    method = tiny(width=8, pool_size=10, learning_rate=2e-3)
    train(method, 600)
    a = squares(64, colour="red", seed=999)
    with torch.no_grad():
        translated = method.eval().translate(a, "a2b")
    red, blue = translated[:, 0], translated[:, 2]
    assert 0.04 < (blue > red + 0.5).float().mean() < 0.22
    assert (red > blue + 0.5).float().mean() < 0.06  # of 0.10
    assert 1.0 < place_error(translated, recoloured(a)) < 9.0
    assert colour_share(translated, recoloured(a)) < 0.95  # pix2pix and CycleGAN are well above
