"""UNIT: the facts of the paper and of its two published forms, and that it learns one look."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.drawn_vgg import drawn_vgg
from tests.support.looks import looks_of, red_squares, train_looks
from tests.support.small import count, drawn, graphs_of
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.losses.reconstruction import l1
from reskin.methods.unit import UNIT, UNITConfig
from reskin.networks.invariant_features import InvariantFeatures
from reskin.networks.vgg import read_vgg
from reskin.parsing import parse
from reskin.types import Batch, Step

tiny = partial(small.tiny, UNIT, blocks=2, disc_layers=2, scales=2)


def published(**settings: Any) -> UNITConfig:
    """The settings of the form that shares nothing, as its preset has them."""
    preset = UNIT.presets["munit_repo"].settings
    return parse(UNITConfig, {k: v for k, v in preset.items() if k in UNITConfig.model_fields} | settings)


def generators(method: UNIT) -> list[nn.Module]:
    return [network for name, network in method.named_children() if not name.startswith("disc")]


def test_the_shared_form_has_the_published_sizes() -> None:
    with torch.device("meta"):
        method = UNIT(UNITConfig())
    assert count(*generators(method)) == 18_017_286
    assert count(method.enc_a) == count(method.enc_b) == 3_918_976
    assert count(method.dec_a) == count(method.dec_b) == 3_909_507
    assert count(method.enc_shared) == count(method.dec_shared) == 1_180_160
    assert count(method.disc_a) == count(method.disc_b) == 25_149_057
    taught = [
        p for optimizer in method.optimizers.values() for g in optimizer.param_groups for p in g["params"]
    ]
    assert sum(p.numel() for p in taught) == 18_017_286 + 2 * 25_149_057 == count(method)


def test_the_form_that_shares_nothing_has_the_published_sizes() -> None:
    with torch.device("meta"):
        method = UNIT(published())
    assert count(method.enc_a, method.dec_a) == count(method.enc_b, method.dec_b) == 11_140_483
    assert count(*generators(method)) == 2 * 11_140_483
    assert count(method.disc_a) == 8_271_171


def test_the_settings_of_both_forms_are_the_published_ones() -> None:
    for c, scale in ((UNITConfig(), 10.0), (published(), 1.0)):
        assert c.adversarial_weight == scale
        assert c.image_weight == c.cycle_weight == 10 * scale
        assert c.kl_weight == c.cycle_kl_weight == pytest.approx(0.01 * scale)
        assert (c.features_weight, c.learning_rate, c.weight_decay) == (0, 1e-4, 1e-4)
        assert (c.beta1, c.beta2) == (0.5, 0.999)
    assert (UNITConfig().adversarial, published().adversarial) == ("bce", "lsgan")
    assert (UNITConfig().init, published().init) == ("normal", "kaiming")
    assert (UNIT.defaults["steps"], UNIT.presets["munit_repo"].settings["steps"]) == (500_000, 1_000_000)
    groups = [group for optimizer in tiny().optimizers.values() for group in optimizer.param_groups]
    assert all(group["weight_decay"] == group["lr"] == 1e-4 for group in groups)


@pytest.mark.parametrize(("init", "spread"), [("normal", 0.02), ("kaiming", (2 / (64 * 9)) ** 0.5)])
def test_weights_start_as_published(init: str, spread: float) -> None:
    method = tiny(width=16, disc_width=32, init=init)
    assert method.enc_shared.change[0].weight.std().item() == pytest.approx(spread, rel=0.02)
    assert method.disc_a.layers[2].weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_shared_blocks_are_one_object_that_both_sides_teach() -> None:
    method, batch = tiny(), drawn()
    storages = [tensor.data_ptr() for tensor in method.state_dict().values()]
    assert len(storages) == len(set(storages))  # no tensor has two names
    for shared in (method.enc_shared, method.dec_shared):
        for direction, images in (("a2b", batch.a), ("b2a", batch.b)):
            method.zero_grad()
            method.generate(images, direction).square().mean().backward()  # type: ignore[arg-type]
            for parameter in shared.parameters():
                assert parameter.grad is not None
                assert parameter.dim() < 2 or parameter.grad.abs().max() > 0


def plain_losses(method: UNIT, batch: Batch) -> dict[str, Tensor]:
    """Every loss of the sheet, decoders called on one batch at a time; the noise is the step's."""
    a, b = batch.a, batch.b

    def encode(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        return method.enc_shared(method.enc_a(first)), method.enc_shared(method.enc_b(second))

    def noisy(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        one, two = (torch.cat([first, second]) + torch.randn(2 * len(first), *first.shape[1:])).chunk(2)
        return one, two

    def dec_a(code: Tensor) -> Tensor:
        return method.dec_a(method.dec_shared(code))

    def dec_b(code: Tensor) -> Tensor:
        return method.dec_b(method.dec_shared(code))

    softplus = nn.functional.softplus
    code_a, code_b = encode(a, b)
    torch.manual_seed(7)
    losses: dict[str, Tensor] = {}
    z_a, z_b = noisy(code_a, code_b)
    for side, real, fake in (("a", a, dec_a(z_b)), ("b", b, dec_b(z_a))):
        disc = getattr(method, f"disc_{side}")
        judged, fooled = disc(real)[0], disc(fake.detach())[0]
        losses[f"discriminator_{side}"] = softplus(-judged).mean() + softplus(fooled).mean()
    z_a, z_b = noisy(code_a, code_b)
    losses["image"] = l1(dec_a(z_a), a) + l1(dec_b(z_b), b)
    losses["kl"] = code_a.square().mean() + code_b.square().mean()
    fake_a, fake_b = dec_a(z_b), dec_b(z_a)
    again_b, again_a = encode(fake_a, fake_b)
    losses["cycle_kl"] = again_a.square().mean() + again_b.square().mean()
    z_b, z_a = noisy(again_b, again_a)
    losses["cycle"] = l1(dec_a(z_a), a) + l1(dec_b(z_b), b)
    see = InvariantFeatures(partial(read_vgg, drawn_vgg()))
    losses["features"] = (see(fake_b) - see(a)).square().mean() + (see(fake_a) - see(b)).square().mean()
    losses["adversarial"] = softplus(-method.disc_a(fake_a)[0]).mean()
    losses["adversarial"] = losses["adversarial"] + softplus(-method.disc_b(fake_b)[0]).mean()
    return losses


def test_every_loss_and_its_gradient_is_that_of_the_sheet() -> None:
    weights = {"image": 10, "kl": 2, "cycle": 5, "cycle_kl": 3, "features": 7, "adversarial": 4}
    method, batch = tiny(**{f"{name}_weight": weight for name, weight in weights.items()}), drawn()
    expected, terms = plain_losses(method, batch), graphs_of(method, batch)
    for name, loss in terms["discriminators"].items():
        torch.testing.assert_close(loss, 4 * expected[name])
    assert terms["generators"].keys() == weights.keys()
    for name, loss in terms["generators"].items():
        torch.testing.assert_close(loss, weights[name] * expected[name], rtol=1e-4, atol=1e-5)
    learning = [p for network in generators(method) for p in network.parameters() if p.dim() > 1]
    found = torch.autograd.grad(sum(terms["generators"].values()), learning)  # type: ignore[arg-type]
    wanted = torch.autograd.grad(
        sum(weight * expected[name] for name, weight in weights.items()),  # type: ignore[arg-type]
        learning,
    )
    for mine, plain in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-3, atol=2e-4 * max(1.0, plain.abs().max().item()))


def test_the_divergence_of_one_and_two_is_two_and_a_half() -> None:
    codes = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    nothing = torch.zeros_like(codes)
    assert UNIT._kl(torch.cat([codes, nothing])) == 2.5
    assert UNIT._kl(torch.cat([codes, 2 * codes])) == 2.5 + 10.0


class Kept(nn.Module):
    """Gives back what it gets, times a weight that could learn."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.factor


class Fooled(nn.Module):
    """Calls everything real."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [torch.ones_like(images[:, :1]) + 0 * images[:, :1]]


def test_networks_that_change_nothing_lose_nothing() -> None:
    method = tiny(features_weight=1.0, adversarial="lsgan").eval()  # evaluated, so without noise
    for side in "ab":
        setattr(method, f"enc_{side}", Kept())
        setattr(method, f"dec_{side}", Kept())
        setattr(method, f"disc_{side}", Fooled())
    method.enc_shared, method.dec_shared = nn.Identity(), nn.Identity()
    black = Batch(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))  # for the codes to be 0 too
    terms = graphs_of(method, black)["generators"]
    assert {name: term.item() for name, term in terms.items()} == dict.fromkeys(
        ("image", "kl", "cycle", "cycle_kl", "features", "adversarial"), 0.0
    )
    white = graphs_of(method, drawn())["generators"]
    assert white["image"] == white["cycle"] == white["features"] == 0 < white["kl"] == white["cycle_kl"]


def test_codes_are_noisy_in_training_only() -> None:
    method = tiny()
    codes = torch.zeros(64, 8, 8, 8)
    noise = method.train()._sampled(codes)
    assert noise.std().item() == pytest.approx(1, abs=0.05) and noise.mean().abs() < 0.05
    assert method.eval()._sampled(codes).equal(codes)
    images = drawn().a
    for mode in (True, False):
        method.train(mode)
        assert method.translate(images, "a2b").equal(method.translate(images, "a2b"))


def test_only_translations_are_judged() -> None:
    method, batch, judged = tiny(), drawn(), []
    method.disc_a.register_forward_hook(lambda _, inputs, __: judged.append(inputs[0]))
    method.training_step(batch, Step(1, 1))
    real, fake = judged[0].chunk(2)
    assert len(judged) == 2 and real.equal(batch.a) and not fake.equal(batch.a)
    assert judged[1].shape == batch.a.shape


def test_discriminators_learn_first_and_each_step_leaves_the_others_alone() -> None:
    method, seen = tiny(), []
    update = method.update

    def spy(name: str, **terms: Tensor) -> None:
        others = [p for key, p in method.named_parameters() if key.startswith("disc") != (name[0] == "d")]
        before = [p.detach().clone() for p in others]
        grads = [p.grad if p.grad is None else p.grad.clone() for p in others]
        update(name, **terms)
        assert all(p.equal(q) for p, q in zip(others, before, strict=True))
        for p, grad in zip(others, grads, strict=True):
            assert p.grad is None if grad is None else p.grad is not None and p.grad.equal(grad)
        seen.append(name)

    method.update = spy  # type: ignore[method-assign]
    method.training_step(drawn(), Step(1, 1))
    assert seen == ["discriminators", "generators"]


@pytest.mark.parametrize("adversarial", ["bce", "lsgan"])
@pytest.mark.parametrize("sharing", ["blocks", "none"])
@pytest.mark.thinned(2, first=1)
def test_both_forms_learn_with_all_their_weights(sharing: str, adversarial: str) -> None:
    method = tiny(sharing=sharing, adversarial=adversarial, init="kaiming", features_weight=1.0)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    losses = method.training_step(drawn(), Step(1, 1))
    assert len(losses) == 8 and all(loss.isfinite() for loss in losses.values())
    assert [name for name, p in method.named_parameters() if p.dim() > 1 and p.equal(before[name])] == []
    assert method.translate(drawn().a, "a2b").shape == (2, 3, 32, 32)


def test_wrong_settings_are_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match="nothing is learnt"):
        parse(UNITConfig, {"image_weight": 0, "adversarial_weight": 0, "cycle_weight": 0})
    with pytest.raises(SettingsError, match="'sharing'"):
        parse(UNITConfig, {"sharing": "half"})
    with pytest.raises(SettingsError, match="'disc_layers'"):
        parse(UNITConfig, {"disc_layers": 0})


@pytest.mark.slow
def test_red_squares_take_one_of_the_looks_all_of_them_the_same() -> None:
    sizes = {"width": 8, "disc_width": 16, "disc_layers": 3, "init": "kaiming"}
    loss = {"adversarial": "lsgan", "adversarial_weight": 100.0, "learning_rate": 2e-3}
    method = tiny(**sizes, **loss)
    train_looks(method, 700)

    images = red_squares(64, seed=10**7)
    with torch.no_grad():
        translated = method.translate(images, "a2b")
        assert translated.equal(method.translate(images, "a2b"))
    shares = torch.bincount(looks_of(translated, images), minlength=5) / len(images)
    assert shares[:3].max() > 0.9, shares  # reached: 1.00
