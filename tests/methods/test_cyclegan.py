"""CycleGAN: the facts of the paper, and that it learns."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.small import count, drawn, terms_of
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.losses.equivariance import add_noise, equivariance, random_warp
from reskin.losses.reconstruction import l1
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.runs.schedule import set_learning_rate
from reskin.runs.settings import sort_settings
from reskin.types import Batch, Step

tiny = partial(small.tiny, CycleGAN)


@pytest.fixture(scope="module")
def full() -> CycleGAN:
    """CycleGAN with the paper's settings."""
    return CycleGAN(CycleGANConfig())


@pytest.mark.sweep
def test_the_parameter_counts_are_the_papers(full: CycleGAN) -> None:
    assert count(full) == 28_285_832
    assert count(full.gen_a2b) == count(full.gen_b2a) == 11_378_179
    assert count(full.disc_a) == count(full.disc_b) == 2_764_737
    learning = [p for opt in full.optimizers.values() for g in opt.param_groups for p in g["params"]]
    assert sum(p.numel() for p in learning) == 28_285_832


def test_six_blocks_are_the_generator_for_128_px() -> None:
    narrow = {"width": 4, "disc_layers": 1}
    nine, six = (
        CycleGAN(parse(CycleGANConfig, narrow)),
        CycleGAN(parse(CycleGANConfig, narrow | {"blocks": 6})),
    )
    assert count(nine.gen_a2b) - count(six.gen_a2b) == 3 * 2 * (16 * 16 * 9 + 16)  # three blocks less


def test_the_settings_are_the_papers(full: CycleGAN) -> None:
    config = full.config
    assert (config.cycle_weight, config.identity_weight, config.pool_size) == (10.0, 0.5, 50)
    assert (config.learning_rate, config.beta1, config.beta2) == (2e-4, 0.5, 0.999)
    weight = full.gen_a2b.get_submodule("blocks")[0].conv1.weight  # type: ignore[index]
    assert weight.std().item() == pytest.approx(0.02, rel=0.01)


class Shifted(nn.Module):
    """The picture plus a constant that can learn."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.shift


def test_generators_that_change_nothing_lose_nothing() -> None:
    method = tiny()
    method.gen_a2b, method.gen_b2a = Shifted(0.0), Shifted(0.0)
    losses = method.training_step(drawn(1), Step(1, 1))
    assert losses["cycle"] == 0 and losses["identity"] == 0


def test_the_cycle_alone_changes_nothing_that_is_the_identity() -> None:
    """Without a discriminator nothing asks the generators for another look: no loss, no gradient, no step."""
    method = tiny(adversarial_weight=0.0)
    method.gen_a2b, method.gen_b2a = Shifted(0.0), Shifted(0.0)
    method.add_optimizer("generators", method.gen_a2b, method.gen_b2a)
    for _ in range(3):
        assert method.training_step(drawn(1), Step(1, 1))["cycle"] == 0
    assert method.gen_a2b.shift == 0 and method.gen_b2a.shift == 0


def test_a_tenth_of_error_on_both_ways_costs_two() -> None:
    method = tiny()
    method.gen_a2b, method.gen_b2a = Shifted(0.05), Shifted(0.05)
    terms = terms_of(method, drawn(1))["generators"]
    assert terms["cycle"] == pytest.approx(2.0, abs=1e-5)  # 10 * (0.1 + 0.1)
    assert terms["identity"] == pytest.approx(0.5, abs=1e-5)  # 0.5 * 10 * (0.05 + 0.05)


@pytest.mark.parametrize(
    ("settings", "adversarial", "forward", "backward"),
    [
        ({"adversarial_weight": 0.0}, 0, 10, 10),
        ({"cycle_weight": 0.0}, 1, 0, 0),
        ({"backward_cycle": 0.0}, 1, 10, 0),
        ({"forward_cycle": 0.0}, 1, 0, 10),
        ({}, 1, 10, 10),
    ],
    ids=["cycle alone", "GAN alone", "GAN + forward cycle", "GAN + backward cycle", "CycleGAN"],
)
@pytest.mark.thinned(3, first=1)
def test_the_ablations_of_table_4(
    settings: dict[str, float], adversarial: int, forward: int, backward: int
) -> None:
    method, batch = tiny(identity_weight=0.0, **settings), drawn(1)
    with torch.no_grad():
        fake_b, fake_a = method.gen_a2b(batch.a), method.gen_b2a(batch.b)
        fooled = (method.disc_b(fake_b) - 1).square().mean() + (method.disc_a(fake_a) - 1).square().mean()
        there_and_back = l1(method.gen_b2a(fake_b), batch.a), l1(method.gen_a2b(fake_a), batch.b)
    terms = terms_of(method, batch)
    expected = adversarial * fooled + forward * there_and_back[0] + backward * there_and_back[1]
    assert sum(terms["generators"].values()) == pytest.approx(expected.item(), rel=1e-5)
    assert ("discriminators" in terms) == bool(adversarial)


@pytest.mark.parametrize(
    ("preset", "adversarial", "forward", "backward"),
    [
        ("cycle_alone", 0, 10, 10),
        ("gan_alone", 1, 0, 0),
        ("gan_forward", 1, 10, 0),
        ("gan_backward", 1, 0, 10),
        ("full", 1, 10, 10),
    ],
)
@pytest.mark.thinned(3, first=2)
def test_the_presets_of_table_4_are_its_five_rows(
    preset: str, adversarial: int, forward: int, backward: int
) -> None:
    settings = sort_settings("cyclegan", {"a": "a", "b": "b", **CycleGAN.presets[preset].settings})
    c = settings.method
    assert isinstance(c, CycleGANConfig)
    weights = (c.adversarial_weight, c.cycle_weight * c.forward_cycle, c.cycle_weight * c.backward_cycle)
    assert weights == (adversarial, forward, backward)
    assert (c.identity_weight, c.blocks) == (0, 6)
    assert (settings.data.load_size, settings.data.crop_size) == (143, 128)
    small = {"width": 4, "blocks": 1, "disc_layers": 1, "pool_size": 2}
    terms = terms_of(tiny(**c.to_dict() | small), drawn(1))
    assert ("adversarial" in terms["generators"]) == bool(adversarial)
    assert ("cycle" in terms["generators"]) == bool(forward or backward)
    assert "identity" not in terms["generators"]
    assert ("discriminators" in terms) == bool(adversarial)


def test_the_presets_of_the_reports_are_cyclegans_own_settings() -> None:
    """What a preset does not name is as in the paper."""
    for preset in ({}, CycleGAN.presets["got_castle2building"].settings):
        settings = sort_settings("cyclegan", {"a": "a", "b": "b", **preset})
        assert settings.method == CycleGANConfig()
        d, t = settings.data, settings.train
        assert (d.preprocess, d.load_size, d.crop_size, d.flip) == ("resize_and_crop", 286, 256, True)
        assert (t.batch, t.epochs, t.save_every) == (8 if preset else 1, 200, 5)
        assert [round(t.multiplier(k, 200), 6) for k in (100, 101, 200)] == [1, 0.990099, 0.009901]


def test_settings_that_leave_nothing_to_learn_are_refused() -> None:
    for cycle in ({"cycle_weight": 0}, {"forward_cycle": 0, "backward_cycle": 0}):
        with pytest.raises(SettingsError, match="nothing would be learnt"):
            parse(CycleGANConfig, {"adversarial_weight": 0} | cycle)


def test_without_either_way_of_the_cycle_there_is_the_game_alone() -> None:
    losses = tiny(forward_cycle=0.0, backward_cycle=0.0).training_step(drawn(1), Step(1, 1))
    assert set(losses) == {"adversarial", "discriminator_a", "discriminator_b"}


def test_each_step_teaches_its_own_networks() -> None:
    method, seen = tiny(), []
    gens, discs = [method.gen_a2b, method.gen_b2a], [method.disc_a, method.disc_b]
    update = method.update

    def weights(networks: list[nn.Module]) -> list[Tensor]:
        return [p.detach().clone() for network in networks for p in network.parameters()]

    def gradients(networks: list[nn.Module]) -> list[Tensor]:
        return [p.grad.clone() for network in networks for p in network.parameters() if p.grad is not None]

    def equal(first: list[Tensor], second: list[Tensor]) -> bool:
        return len(first) == len(second) and all(x.equal(y) for x, y in zip(first, second, strict=True))

    def spy(name: str, **terms: Tensor) -> None:
        seen.append(name)
        others = discs if name == "generators" else gens
        before, gradients_before = weights(others), gradients(others)
        update(name, **terms)
        assert equal(weights(others), before)
        assert equal(gradients(others), gradients_before)
        if name == "generators":
            assert gradients(discs) == []

    method.update = spy  # type: ignore[method-assign]
    method.training_step(drawn(1), Step(1, 1))
    assert seen == ["generators", "discriminators"]
    assert all(p.requires_grad for p in method.parameters())  # thawed again


def test_discriminators_see_pooled_fakes_and_real_pictures_of_their_own_side() -> None:
    method, batch = tiny(), drawn(1)
    with torch.no_grad():
        fake_b = method.gen_a2b(batch.a)
    seen: dict[str, list[Tensor]] = {"a": [], "b": []}
    method.disc_a.register_forward_hook(lambda _, inputs, __: seen["a"].append(inputs[0].detach()))
    method.disc_b.register_forward_hook(lambda _, inputs, __: seen["b"].append(inputs[0].detach()))
    method.training_step(batch, Step(1, 1))
    real, pooled = seen["b"][-1].chunk(2)
    assert real.equal(batch.b) and torch.allclose(pooled, fake_b, atol=1e-6)
    assert seen["a"][-1][:1].equal(batch.a)
    assert method.pool_b.images[0].equal(pooled[0]) and int(method.pool_b.count) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"adversarial": "bce"},
        {"adversarial": "hinge"},
        {"adversarial": "wgan-gp"},
        {"upsample": "nearest"},
        {"upsample": "bilinear", "has_dropout": True, "init": "orthogonal"},
        {"norm": "batch", "init": "xavier"},
    ],
    ids=str,
)
@pytest.mark.thinned(3)
def test_the_variants_run(settings: dict[str, Any]) -> None:
    method = tiny(**settings)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    losses = method.training_step(drawn(1), Step(1, 1))
    assert set(losses) == {"adversarial", "cycle", "identity", "discriminator_a", "discriminator_b"}
    assert all(loss.isfinite() for loss in losses.values())
    still = [name for name, p in method.named_parameters() if p.dim() > 1 and p.equal(before[name])]
    assert still == []
    assert method.translate(drawn(1).a, "a2b").shape == (1, 3, 32, 32)


def test_the_penalty_of_wgan_gp_is_part_of_the_discriminators_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    with_penalty = tiny(adversarial="wgan-gp").training_step(drawn(1), Step(1, 1))["discriminator_a"]
    penalty = torch.tensor(3.0)
    monkeypatch.setattr("reskin.methods.cycle.gradient_penalty", lambda *_: 0 * penalty)
    without = tiny(adversarial="wgan-gp").training_step(drawn(1), Step(1, 1))["discriminator_a"]
    monkeypatch.setattr("reskin.methods.cycle.gradient_penalty", lambda *_: penalty)
    assert tiny(adversarial="wgan-gp").training_step(drawn(1), Step(1, 1))["discriminator_a"] == without + 3
    assert with_penalty > without


FIRST_LOSSES = [
    {
        "adversarial": 2.0228534,
        "cycle": 1.0298576,
        "identity": 1.0303663,
        "discriminator_a": 0.5703837,
        "discriminator_b": 0.4742914,
    },
    {
        "adversarial": 2.0021565,
        "cycle": 1.0103645,
        "identity": 1.0260403,
        "discriminator_a": 0.5608556,
        "discriminator_b": 0.4660690,
    },
]


def test_the_first_losses_are_what_they_were() -> None:
    """A refactoring leaves these numbers as they are; any other change of them needs a reason."""
    method = tiny()
    for step, (expected, tolerance) in enumerate(zip(FIRST_LOSSES, (1e-5, 1e-3), strict=True)):
        torch.manual_seed(step)
        losses = {name: loss.item() for name, loss in method.training_step(drawn(1), Step(1, 1)).items()}
        assert losses == pytest.approx(expected, rel=tolerance)


@pytest.mark.sweep
def test_a_step_in_bf16_is_close_to_one_in_fp32() -> None:
    exact, rough = tiny(), tiny()
    expected = exact.training_step(drawn(2), Step(1, 1))
    with torch.autocast("cpu", torch.bfloat16):
        losses = rough.training_step(drawn(2), Step(1, 1))
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    assert all(p.dtype == torch.float32 for p in rough.parameters())
    assert rough.pool_a.images.dtype == torch.float32
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item(), rel=0.02)
        assert loss != expected[name]  # it did compute in bfloat16
    for name, alike in (("generators", 0.9), ("discriminators", 0.98)):
        exact_moments, rough_moments = (
            torch.cat([entry["exp_avg"].flatten() for entry in m.optimizers[name].state.values()])
            for m in (exact, rough)
        )
        assert torch.cosine_similarity(exact_moments, rough_moments, dim=0) > alike


def test_the_equivariance_loss_is_that_of_both_generators_and_changes_no_other_loss() -> None:
    batch, steady = drawn(1), tiny(equivariance_weight=5.0)
    without = terms_of(tiny(), batch)["generators"]
    calls: list[int] = []
    steady.gen_a2b.register_forward_hook(lambda module, given, made: calls.append(len(made)))
    torch.manual_seed(5)
    found = terms_of(steady, batch)["generators"]
    assert calls[0] == 3 * len(batch.a)  # picture, identity input and warped picture in one call
    assert {name: found[name] for name in without} == pytest.approx(without, rel=1e-4)
    assert found.keys() - without.keys() == {"equivariance"}
    fresh = tiny(equivariance_weight=5.0)
    torch.manual_seed(5)
    expected = 0.0
    for gen, image in ((fresh.gen_a2b, batch.a), (fresh.gen_b2a, batch.b)):
        warp = random_warp(image)
        expected += equivariance(gen(image), gen(add_noise(warp(image))), warp).item()
    assert expected > 1e-4
    assert found["equivariance"] == pytest.approx(5 * expected, rel=1e-3)


RED, BLUE = (1.0, -1.0, -1.0), (-1.0, -1.0, 1.0)


def squares(colour: tuple[float, float, float], count: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Squares of one colour on grey, and where they are: (N, 3, 32, 32) and (N, 32, 32)."""
    inside = torch.zeros(count, 32, 32, dtype=torch.bool)
    for mask in inside:
        side = int(torch.randint(10, 17, (), generator=source))
        top, left = torch.randint(0, 33 - side, (2,), generator=source).tolist()
        mask[top : top + side, left : left + side] = True
    return inside[:, None] * torch.tensor(colour).view(1, 3, 1, 1), inside


def centres(inside: Tensor) -> Tensor:
    """Mean place of the pixels that are inside, (N, 2), in px."""
    places = torch.arange(32.0)
    total = inside.sum((1, 2)).clamp(min=1)
    rows, columns = (inside.sum(2) * places).sum(1), (inside.sum(1) * places).sum(1)
    return torch.stack([rows, columns], dim=1) / total[:, None]


@pytest.mark.slow
def test_red_squares_become_blue_squares_where_they_are() -> None:
    torch.manual_seed(0)
    source, steps = torch.Generator().manual_seed(0), 500
    settings = {"width": 8, "blocks": 1, "disc_layers": 2, "pool_size": 10, "identity_weight": 0.1}
    method = CycleGAN(parse(CycleGANConfig, settings | {"learning_rate": 1e-3}))
    for step in range(steps):
        set_learning_rate(method, min(1.0, 2 - 2 * step / steps))
        method.training_step(Batch(squares(RED, 2, source)[0], squares(BLUE, 2, source)[0]), Step(1, 1))

    palette = torch.tensor([(0.0, 0.0, 0.0), RED, BLUE]).view(1, 3, 3, 1, 1)
    for direction, colour, other, wanted in (("a2b", RED, BLUE, 2), ("b2a", BLUE, RED, 1)):
        images, inside = squares(colour, 64, source)
        with torch.no_grad():
            translated = method.translate(images, direction)  # type: ignore[arg-type]
        nearest = (translated[:, None] - palette).square().sum(2).argmin(1)
        right = nearest == inside * wanted
        assert right.float().mean() > 0.97  # of all pixels; a picture left as it was has about 0.83
        assert right[inside].float().mean() > 0.9
        assert (centres(nearest == wanted) - centres(inside)).abs().mean() < 0.5
        assert l1(translated, inside[:, None] * torch.tensor(other).view(1, 3, 1, 1)) < 0.1
