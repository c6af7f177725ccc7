"""GANimorph: the facts of the paper and its code, and that it learns."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from tests.support import small
from tests.support.small import drawn, terms_of
from tests.support.squares import colour_share, place_error, recoloured, squares, train
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.losses.matching import feature_distance
from reskin.losses.normaliser import LossNormaliser
from reskin.losses.structural import GANIMORPH, ssim
from reskin.methods.ganimorph import GANimorph, GANimorphConfig, over_batch
from reskin.parsing import parse
from reskin.runs.schedule import set_learning_rate
from reskin.runs.settings import find_preset, sort_settings
from reskin.types import Step

tiny = partial(small.tiny, GANimorph)


class Unchanged(nn.Module):
    """Gives the picture back, and has something to learn."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.shift


def test_the_networks_are_the_papers() -> None:
    with torch.device("meta"):
        method = GANimorph(GANimorphConfig())
        counts = [sum(p.numel() for p in net.parameters()) for net in (method.gen_a2b, method.disc_a)]
        assert counts == [53_017_728, 16_798_208]
        assert method.translate(torch.zeros(1, 3, 128, 128), "a2b").shape == (1, 3, 128, 128)


def test_weights_begin_as_in_the_published_code() -> None:
    """Evenly within the root of their inputs; Xavier for the dilated layers."""
    method = GANimorph(parse(GANimorphConfig, {"width": 16, "disc_width": 16, "blocks": 1}))
    for network in (method.gen_a2b, method.disc_a):
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                inputs, taps = layer.weight[0].numel(), layer.weight[0, 0].numel()
                is_dilated = layer.dilation != (1, 1)
                bound = (6 / (inputs + taps * layer.weight.shape[0])) ** 0.5 if is_dilated else inputs**-0.5
                assert layer.weight.abs().max() <= bound
                assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)


def test_the_weights_are_those_of_the_code() -> None:
    c = GANimorphConfig()
    assert c.adversarial_weight == pytest.approx(0.67 * 0.7) and c.matching_weight == pytest.approx(
        0.67 * 0.3
    )
    assert c.structure_weight == pytest.approx(0.33 * 0.7) and c.cycle_weight == pytest.approx(0.33 * 0.3)


def test_generators_that_change_nothing_find_the_way_back() -> None:
    method = tiny()
    method.gen_a2b, method.gen_b2a = Unchanged(), Unchanged()
    losses = method.training_step(drawn(), Step(1, 1))
    assert losses["structure"].abs() < 1e-6 and losses["cycle"].abs() < 1e-7


def test_losses_are_those_of_the_formulas() -> None:
    method, batch = tiny(normaliser_every=0), drawn()
    a, b = (batch.a + 1) / 2, (batch.b + 1) / 2
    with torch.no_grad():
        fake_a, fake_b = method.gen_b2a(b), method.gen_a2b(a)
        cycled_a, cycled_b = method.gen_b2a(fake_b), method.gen_a2b(fake_a)
        cycle = (cycled_a - a).abs().mean() + (cycled_b - b).abs().mean()
        alike = [  # at one size of the picture MS-SSIM is SSIM, per channel and never below 0
            torch.stack(
                [
                    ssim(x[:, [c]] * 2 - 1, y[:, [c]] * 2 - 1, window=8, form=GANIMORPH).clamp(min=0)
                    for c in range(3)
                ]
            ).mean()
            for x, y in ((cycled_a, a), (cycled_b, b))
        ]
        fooled = feature = torch.zeros(())
        for disc, real, fake in ((method.disc_a, a, fake_a), (method.disc_b, b, fake_b)):
            fooled = fooled - torch.sigmoid(disc(fake)[0]).log().mean()
            maps = zip(disc(real)[1], disc(fake)[1], strict=True)
            feature = feature + sum((r.mean(0) - f.mean(0)).square().mean() for r, f in maps) / 7
    terms = terms_of(method, batch)["generators"]
    assert terms["cycle"] == pytest.approx(0.099 * cycle.item(), rel=1e-5)
    assert terms["adversarial"] == pytest.approx(0.469 * fooled.item(), rel=1e-5)
    assert terms["matching"] == pytest.approx(0.201 * feature.item(), rel=1e-5)
    assert terms["structure"] == pytest.approx(0.231 * (2 - sum(alike)).item(), rel=1e-5)


def test_discriminators_lose_half_of_each_kind_of_mistake() -> None:
    method, batch = tiny(), drawn()
    a, b = (batch.a + 1) / 2, (batch.b + 1) / 2
    with torch.no_grad():
        wanted = {
            f"discriminator_{side}": 0.5 * -torch.sigmoid(disc(real)[0]).log().mean()
            + 0.5 * -torch.sigmoid(-disc(fake)[0]).log().mean()
            for side, disc, real, fake in (
                ("a", method.disc_a, a, method.gen_b2a(b)),
                ("b", method.disc_b, b, method.gen_a2b(a)),
            )
        }
    terms = terms_of(method, batch, Step(2, 100))["discriminators"]
    assert terms == {name: pytest.approx(loss.item(), rel=1e-5) for name, loss in wanted.items()}


def test_each_step_leaves_the_other_networks_alone() -> None:
    method, seen = tiny(), []
    update = method.update

    def spy(name: str, **terms: Tensor) -> None:
        others = [p for key, p in method.named_parameters() if key.startswith("disc") != (name[0] == "d")]
        before = [(p.detach().clone(), p.grad if p.grad is None else p.grad.clone()) for p in others]
        update(name, **terms)
        for p, (was, grad) in zip(others, before, strict=True):
            assert p.equal(was)
            assert p.grad is None if grad is None else p.grad is not None and p.grad.equal(grad)
        seen.append(name)

    method.update = spy  # type: ignore[method-assign]
    method.training_step(drawn(), Step(2, 100))
    assert seen == ["discriminators", "generators"]
    assert all(p.requires_grad for p in method.parameters())


def test_matching_features_teaches_the_fakes_alone() -> None:
    of_reals = [torch.rand(2, 3, 4, 4, requires_grad=True)]
    of_fakes = [torch.rand(3, 3, 4, 4, requires_grad=True)]
    feature_distance(of_reals, of_fakes, over_batch).backward()
    assert of_reals[0].grad is None
    assert of_fakes[0].grad is not None and of_fakes[0].grad.abs().min() > 0
    half = feature_distance(
        [torch.zeros(2, 1, 1, 1)], [torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)], over_batch
    )
    assert half == 0.25  # the square of the mean, not the mean of the squares


def test_matching_features_alone_moves_the_generators() -> None:
    method = tiny(adversarial_weight=0.0, structure_weight=0.0, cycle_weight=0.0)
    before = [p.detach().clone() for p in method.gen_a2b.parameters() if p.dim() > 1]
    discs = [p.detach().clone() for p in method.disc_b.parameters()]
    losses = method.training_step(drawn(), Step(1, 1))
    assert set(losses) == {"matching"}
    after = [p for p in method.gen_a2b.parameters() if p.dim() > 1]
    assert not any(torch.equal(p, q) for p, q in zip(before, after, strict=True))
    assert all(torch.equal(p, q) for p, q in zip(discs, method.disc_b.parameters(), strict=True))


@pytest.mark.sweep
def test_discriminators_learn_in_every_second_step() -> None:
    method, batch = tiny(), drawn()
    for step in (1, 2, 3):
        order = list(terms_of(method, batch, Step(step, 100)))
        assert order == (["discriminators", "generators"] if step % 2 == 0 else ["generators"])


def test_without_a_use_for_discriminators_none_learns() -> None:
    method = tiny(adversarial_weight=0.0, matching_weight=0.0)
    assert set(method.training_step(drawn(), Step(2, 100))) == {"structure", "cycle"}


def test_a_constant_loss_becomes_one() -> None:
    normaliser = LossNormaliser(2, decay=0.0, every=90, first=36)
    losses = torch.tensor([2.0, 0.5])
    assert normaliser(losses, losses, 35).tolist() == [2.0, 0.5]
    torch.testing.assert_close(normaliser(losses, losses, 36), torch.ones(2))
    torch.testing.assert_close(normaliser(2 * losses, 2 * losses, 89), torch.full((2,), 2.0))
    torch.testing.assert_close(normaliser(2 * losses, 2 * losses, 90), torch.ones(2))


def test_the_running_mean_begins_at_one_and_is_not_learnt_through() -> None:
    normaliser = LossNormaliser(1, decay=0.75, every=3, first=0)
    mean = 1.0
    for step in range(1, 7):
        loss = torch.tensor([float(step)], requires_grad=True)
        result = normaliser(loss, loss, step)
        result.backward()
        mean = 0.75 * mean + 0.25 * step
        if step % 3 == 0:
            divisor = mean
            assert result.item() == pytest.approx(step / divisor, rel=1e-5)
            assert loss.grad is not None and loss.grad.item() == pytest.approx(1 / divisor, rel=1e-5)
    assert LossNormaliser(1, decay=0.5, every=0, first=0)(torch.ones(1) * 5, torch.ones(1), 90).item() == 5


@pytest.mark.sweep
def test_raw_losses_are_reported_and_normalised_ones_learnt() -> None:
    batch = drawn()
    one, other = tiny(), tiny()
    reported = []
    for method in (one, other):
        step = method.training_step
        method.training_step = lambda *given, step=step: reported.append(step(*given))  # type: ignore[method-assign]
    other.normaliser.divisors.copy_(torch.tensor([1.0, 2.0, 4.0, 8.0]))
    terms, fewer = terms_of(one, batch)["generators"], terms_of(other, batch)["generators"]
    assert reported[0] == reported[1]
    for name, divisor in zip(("adversarial", "matching", "structure", "cycle"), (1, 2, 4, 8), strict=True):
        assert terms[name] == pytest.approx(divisor * fewer[name], rel=1e-5)
    assert {"normaliser.means", "normaliser.divisors"} <= set(one.state_dict())


def test_presets() -> None:
    text = find_preset("ganimorph", "as_in_the_text").settings
    settings = sort_settings("ganimorph", {"a": "a", "b": "b", **text})
    c = settings.method
    assert isinstance(c, GANimorphConfig)
    assert (c.adversarial_weight, c.matching_weight, c.structure_weight + c.cycle_weight) == (0.49, 0.21, 0.3)
    assert (c.normaliser_decay, c.normaliser_every) == (0.99, 200)
    train_settings = settings.train
    assert (train_settings.batch, train_settings.epochs, train_settings.decay_epochs) == (16, 300, 150)
    data = settings.data
    assert (data.load_size, data.crop_size, data.preprocess) == (143, 128, "scale_width_and_crop")
    published = sort_settings(
        "ganimorph", {"a": "a", "b": "b", **find_preset("ganimorph", "as_published").settings}
    )
    rates = [published.train.multiplier(step, 300_000) for step in (150_000, 150_001, 300_000)]
    assert rates == pytest.approx([1, 1 - 1 / 151, 1 / 151])  # 150 epochs of 1000 steps, then to 0


def test_mistakes_are_refused() -> None:
    nothing = dict.fromkeys(("adversarial_weight", "matching_weight", "structure_weight", "cycle_weight"), 0)
    with pytest.raises(SettingsError, match="nothing would be learnt"):
        parse(GANimorphConfig, nothing)
    with pytest.raises(ShapeError, match=r"32 x 32 px at 5 scales .* Use 3 scales"):
        tiny(ssim_scales=5).training_step(drawn(), Step(1, 1))


@pytest.mark.slow
def test_red_squares_become_blue_squares_where_they_are() -> None:
    torch.manual_seed(0)
    settings = {"width": 8, "disc_width": 4, "blocks": 1, "ssim_scales": 2, "learning_rate": 1e-3}
    method = GANimorph(parse(GANimorphConfig, settings))
    train(method, 400, batch=2)
    set_learning_rate(method, 0.2)
    train(method, 100, batch=2, seed=1)
    method.eval()
    for direction, colour in (("a2b", "red"), ("b2a", "blue")):
        images = squares(64, colour=colour, seed=9001)  # type: ignore[arg-type]
        with torch.no_grad():
            translated = method.translate(images, direction)  # type: ignore[arg-type]
        assert colour_share(translated, recoloured(images)) > 0.94  # a picture left as it was has 0.90
        assert place_error(translated, recoloured(images)) < 1.3
        inside = images.abs().amax(dim=1) > 0.5
        right = (translated - recoloured(images)).abs().amax(dim=1)[inside] < 0.35
        assert right.float().mean() > 0.6  # of the squares themselves
