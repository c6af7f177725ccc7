"""CoGAN: what the paper says of its steps, translation by search, and the little that it learns."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.support import small
from tests.support.small import drawn
from tests.support.squares import place_error, recoloured, squares
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.methods.cogan import CoGAN, CoGANConfig
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.schedule import set_learning_rate
from reskin.training.loop import seed_step
from reskin.types import Batch, Direction, Step

tiny = partial(small.tiny, CoGAN, inversion_steps=40)


def test_the_settings_are_the_papers() -> None:
    with torch.device("meta"):
        method = CoGAN(CoGANConfig())
    c = method.config
    assert (c.learning_rate, c.beta1, c.beta2, c.weight_decay) == (2e-4, 0.5, 0.999, 1e-4)
    assert (c.norm, c.picture_size, method.defaults["batch"]) == ("batch", 128, 64)
    for optimizer in method.optimizers.values():
        (group,) = optimizer.param_groups
        assert group["weight_decay"] == 1e-4
        assert len({id(p) for p in group["params"]}) == len(group["params"])  # a tied layer is taught once
    assert sum(len(o.param_groups[0]["params"]) for o in method.optimizers.values()) == len(
        list(method.parameters())
    )


def test_both_losses_are_cross_entropies_over_two_classes() -> None:
    method, batch = tiny(norm="instance"), drawn(4)
    seen: list[Tensor] = []
    method.disc.shared.register_forward_hook(lambda _, __, logits: seen.append(logits.detach()))
    losses = method.training_step(batch, Step(1, 1))
    real, fake, fooled = seen  # the discriminator's two calls, then the generators'
    ones, zeros = torch.ones(4, dtype=torch.long), torch.zeros(4, dtype=torch.long)
    for name, side in (("discriminator_a", slice(0, 4)), ("discriminator_b", slice(4, 8))):
        expected = F.cross_entropy(real[side], ones) + F.cross_entropy(fake[side], zeros)
        torch.testing.assert_close(losses[name], expected)
    expected = F.cross_entropy(fooled[:4], ones) + F.cross_entropy(fooled[4:], ones)
    torch.testing.assert_close(losses["adversarial"], expected)


def test_the_discriminators_step_first_and_each_step_has_its_own_noise() -> None:
    method = tiny()
    codes: list[Tensor] = []
    order: list[str] = []
    update = method.update

    def spy(name: str, **terms: Tensor) -> None:
        order.append(name)
        still = {"discriminators": method.gen, "generators": method.disc}[name]
        before = [p.detach().clone() for p in still.parameters()]
        gradients = [None if p.grad is None else p.grad.clone() for p in still.parameters()]
        update(name, **terms)
        for p, value, gradient in zip(still.parameters(), before, gradients, strict=True):
            assert p.equal(value)
            assert (p.grad is None) if gradient is None else (p.grad is not None and p.grad.equal(gradient))

    method.update = spy  # type: ignore[method-assign]
    method.gen.register_forward_pre_hook(lambda _, inputs: codes.append(inputs[0]))
    method.training_step(drawn(4), Step(1, 1))
    assert order == ["discriminators", "generators"]
    assert len(codes) == 2 and not codes[0].equal(codes[1])
    assert all(c.shape == (4, 100) and -1 <= c.min() < -0.9 and 0.9 < c.max() <= 1 for c in codes)


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
@pytest.mark.sweep
def test_a_pair_that_it_made_itself_is_translated_into_each_other(direction: Direction) -> None:
    method = tiny(init_gain=3.0)
    method.training_step(drawn(4), Step(1, 1))
    method.eval()
    with torch.inference_mode():
        a, b = method.gen(torch.rand(2, 100) * 2 - 1)
        one, other = (a, b) if direction == "a2b" else (b, a)
        translated = method.translate(one, direction)
        assert (translated - other).square().mean() < 1e-3
        assert (one - other).square().mean() > 0.02  # it is not the picture itself


@pytest.mark.sweep
def test_translating_leaves_the_model_as_it_is_and_a_picture_does_not_depend_on_its_company() -> None:
    method = tiny(inversion_steps=5)
    method.training_step(drawn(4), Step(1, 1))
    before = {key: value.clone() for key, value in method.state_dict().items()}
    gradients = [None if p.grad is None else p.grad.clone() for p in method.parameters()]
    assert method.training
    images = drawn(2).a
    together = method.translate(images, "a2b")
    apart = torch.cat([method.translate(image[None], "a2b") for image in images])
    torch.testing.assert_close(together, apart)
    assert method.training and method.gen.training
    assert all(value.equal(before[key]) for key, value in method.state_dict().items())
    for p, gradient in zip(method.parameters(), gradients, strict=True):
        assert (p.grad is None and gradient is None) or (p.grad is not None and p.grad.equal(gradient))  # type: ignore[arg-type]
        assert p.requires_grad


def test_pictures_of_other_sizes_are_brought_to_its_own_and_back() -> None:
    method = tiny(inversion_steps=2)
    losses = method.training_step(drawn(2, edge=48), Step(1, 1))
    assert all(loss.isfinite() for loss in losses.values())
    with torch.no_grad():
        translated = method.eval().translate(torch.rand(1, 3, 40, 72) * 2 - 1, "b2a")
    assert translated.shape == (1, 3, 40, 72) and translated.abs().max() <= 1


@pytest.mark.parametrize("settings", [{}, {"sharing": 0.0}, {"sharing": 1.0, "init": "normal"}], ids=str)
@pytest.mark.thinned(3)
def test_with_batch_norm_going_on_equals_never_stopping(settings: dict[str, Any]) -> None:
    """The contract suite does this under instance norm."""
    whole, rest = tiny(**settings), tiny(**settings, width=4)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in whole.modules())
    seed_step(0, 1, 0)
    whole.training_step(drawn(4), Step(1, 1))
    state = {k: v.clone() for k, v in checkpoint.state_of(whole, Ema(whole, 0.0)).items()}
    checkpoint.restore(rest, Ema(rest, 0.0), state)
    losses = []
    for method in (whole, rest):
        seed_step(0, 2, 0)
        losses.append(method.training_step(drawn(4), Step(1, 1)))
    assert losses[0] == losses[1]
    assert all(
        x.equal(y) for x, y in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True)
    )


def test_a_size_that_it_cannot_make_is_refused() -> None:
    with pytest.raises(SettingsError, match="picture_size"):
        parse(CoGANConfig, {"picture_size": 100})


@pytest.mark.slow
def test_it_makes_pairs_and_translates_colours_with_the_place_about_right() -> None:
    """A weak baseline, as in its paper: the square is blurred and may lie a pixel or two beside its place."""
    torch.manual_seed(0)
    settings = {"width": 8, "picture_size": 32, "inversion_steps": 60, "learning_rate": 1e-3}
    method, steps = CoGAN(parse(CoGANConfig, settings)), 400
    for step in range(1, steps + 1):
        seed_step(0, step, 0)
        set_learning_rate(method, min(1.0, 2 - 2 * step / steps))
        a, b = squares(16, colour="red", seed=2 * step), squares(16, colour="blue", seed=2 * step + 1)
        method.training_step(Batch(a, b), Step(1, 1))
    method.eval()
    with torch.no_grad():
        red, blue = method.gen(torch.rand(32, 100) * 2 - 1)
        assert place_error(red, blue) < 2.0  # strangers are 8 px apart
        found = method.translate(red[:2], "a2b")
        assert (found - blue[:2]).square().mean() < 1e-3  # its own pictures are found again
        images = squares(4, colour="red", seed=99)
        translated = method.translate(images, "a2b")
    inside = images[:, :1] > 0.5
    red_part, green_part, blue_part = (translated * inside).sum(dim=(0, 2, 3)) / inside.sum()
    assert blue_part > 0.1 and max(red_part, green_part) < -0.1
    assert place_error(translated, recoloured(images)) < 3.0
