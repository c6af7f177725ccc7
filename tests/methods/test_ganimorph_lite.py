"""GANimorph lite: the facts of the report, and that it learns."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from tests.support import small
from tests.support.small import drawn
from tests.support.squares import colour_share, place_error, recoloured, squares, train
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.methods.ganimorph_lite import GANimorphLite, GANimorphLiteConfig
from reskin.parsing import parse
from reskin.runs.schedule import set_learning_rate
from reskin.runs.settings import find_preset, sort_settings
from reskin.types import Batch, Step

tiny = partial(small.tiny, GANimorphLite, pool_size=0)


class Painted(nn.Module):
    """The picture times `keeps`, plus a constant that can learn."""

    def __init__(self, keeps: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.keeps, self.shift = keeps, nn.Parameter(torch.tensor(shift))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.keeps + self.shift


def test_the_networks_are_the_reports() -> None:
    with torch.device("meta"):
        method = GANimorphLite(GANimorphLiteConfig())
        counts = [sum(p.numel() for p in net.parameters()) for net in (method.gen_a2b, method.disc_a)]
        assert counts == [5_705_731, 2_793_665]
        assert method.translate(torch.zeros(1, 3, 720, 720), "b2a").shape == (1, 3, 720, 720)


@pytest.mark.sweep
def test_settings_choose_the_other_forms() -> None:
    with torch.device("meta"):
        for settings, of_generator, of_discriminator in (
            ({"norm": "affine"}, 5_707_648, 2_794_752),
            ({"upsample": "nearest"}, 5_417_667, 2_793_665),
            ({"width": 32, "disc_width": 64}, 1_428_483, 11_157_889),
            ({"layout": "add"}, 5_742_723, 2_793_665),
        ):
            method = GANimorphLite(parse(GANimorphLiteConfig, settings))
            assert sum(p.numel() for p in method.gen_a2b.parameters()) == of_generator
            assert sum(p.numel() for p in method.disc_b.parameters()) == of_discriminator


@pytest.mark.parametrize(
    ("preset", "weights", "epochs"),
    [("frame_movie_game", (0.5, 0.3, 0.2), 40), (None, (0.7, 0.2, 0.1), 36)],
)
def test_frames_and_faces_have_their_settings(
    preset: str | None, weights: tuple[float, ...], epochs: int
) -> None:
    chosen = find_preset("ganimorph_lite", preset).settings if preset else {}
    settings = sort_settings("ganimorph_lite", {"a": "a", "b": "b", **chosen})
    c, data = settings.method, settings.data
    assert isinstance(c, GANimorphLiteConfig)
    assert (c.adversarial_weight, c.cycle_weight, c.input_l1_weight) == weights
    assert (c.learning_rate, c.disc_learning_rate, c.width, c.disc_width) == (1e-3, 1e-4, 64, 32)
    assert (settings.train.epochs, settings.train.batch, settings.train.schedule) == (epochs, 1, "constant")
    assert (data.load_size, data.crop_size, data.augment, data.flip) == (128, 128, "one_of_five", False)
    assert data.augment_probabilities == (0.2,) * 5
    assert (data.brightness, data.contrast, data.saturation, data.hue) == (0.2, 0.2, 0.2, 0.05)


def test_each_network_has_its_rate() -> None:
    method = tiny()
    assert method.rates == {"generators": 1e-3, "discriminators": 1e-4}


def test_generators_that_change_nothing_lose_nothing_but_the_game() -> None:
    method = tiny()
    method.gen_a2b, method.gen_b2a = Painted(), Painted()
    losses = method.training_step(drawn(), Step(1, 1))
    assert losses["input_l1"] == 0 and losses["cycle"].abs() < 1e-6 < losses["adversarial"]


def test_black_that_comes_back_white_costs_what_the_sheet_says() -> None:
    """0 against 1 on the way A, B, A; on the way B, A, B all is white and nothing is lost."""
    method = tiny(ssim_scales=5)
    method.gen_a2b, method.gen_b2a = Painted(0, 1.0), Painted(0, 1.0)
    black, white = -torch.ones(1, 3, 128, 128), torch.ones(1, 3, 128, 128)
    losses = method.training_step(Batch(black, white), Step(1, 1))
    assert losses["cycle"].item() == pytest.approx(1 - 0.292950, abs=1e-6)
    assert losses["input_l1"].item() == pytest.approx(2.0)


def test_discriminators_lose_the_sum_over_real_and_fake() -> None:
    method, batch = tiny(), drawn()
    method.gen_a2b, method.gen_b2a = Painted(), Painted()
    set_learning_rate(method, 1e-9)
    with torch.no_grad():
        real, fake = method.disc_b(batch.b)[0], method.disc_b(batch.a)[0]
        wanted = -torch.sigmoid(real).log().mean() - (1 - torch.sigmoid(fake)).log().mean()
        fooled = -torch.sigmoid(fake).log().mean() - torch.sigmoid(method.disc_a(batch.b)[0]).log().mean()
    losses = method.training_step(batch, Step(1, 1))
    assert losses["discriminator_b"].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert losses["adversarial"].item() == pytest.approx(fooled.item(), rel=1e-5)


def test_generators_learn_first_and_each_step_leaves_the_others_alone() -> None:
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
    method.training_step(drawn(), Step(1, 1))
    assert seen == ["generators", "discriminators"]
    assert all(p.requires_grad for p in method.parameters())


def test_what_input_l1_holds_on_to() -> None:
    batch = Batch(torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.5))
    # a2b paints all 0.3, b2a takes 0.5 away: |0.3 - 0| and |0 - 0.5|, or |0.3 - 0.5| and |-0.5 - 0|
    for of, wanted in (("source", 0.8), ("target", 0.7)):
        method = tiny(input_l1_of=of)
        method.gen_a2b, method.gen_b2a = Painted(0.0, 0.3), Painted(1.0, -0.5)
        assert method.training_step(batch, Step(1, 1))["input_l1"].item() == pytest.approx(wanted)


def test_the_pool_is_off_unless_asked_for() -> None:
    assert tiny().pool_a.size == 0
    method = tiny(pool_size=3)
    method.training_step(drawn(), Step(1, 1))
    assert method.pool_a.count.item() == 2


def test_held_out_pictures_are_judged_and_not_learnt() -> None:
    method, batch = tiny(), drawn()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    held_out = method.held_out_losses(batch)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    assert not any(loss.requires_grad for loss in held_out.values())
    learnt = method.training_step(batch, Step(1, 1))
    assert set(held_out) == {"adversarial", "cycle", "input_l1"}
    for name, loss in held_out.items():
        torch.testing.assert_close(loss, learnt[name])


@pytest.mark.parametrize(
    "weights",
    [{"adversarial_weight": 0.8}, {"cycle_weight": 0.0}, {"cycle_weight": 10, "input_l1_weight": 0.5}],
)
def test_weights_that_do_not_add_up_to_one_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"add up to [\d.]+, not 1: give all three") as error:
        parse(GANimorphLiteConfig, weights)
    assert "\n" not in str(error.value)


def test_a_weight_may_be_zero_where_the_others_make_up_for_it() -> None:
    method = tiny(adversarial_weight=0.0, cycle_weight=0.6, input_l1_weight=0.4)
    assert set(method.training_step(drawn(), Step(1, 1))) == {"cycle", "input_l1"}
    assert 0.6 + 0.3 + 0.1 != 1  # the sum of floats may be a hair off
    parse(GANimorphLiteConfig, {"adversarial_weight": 0.6, "cycle_weight": 0.3, "input_l1_weight": 0.1})


def test_pictures_too_small_for_the_comparison_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"at 5 scales .* Use 3 scales \(--ssim-scales"):
        tiny(ssim_scales=5).training_step(drawn(), Step(1, 1))
    assert (
        tiny(ssim_scales=5, ssim_shrinks=True, ssim_window=11)
        .training_step(drawn(), Step(1, 1))["cycle"]
        .isfinite()
    )


@pytest.mark.slow
def test_red_squares_become_blue_squares_where_they_are() -> None:
    torch.manual_seed(0)
    settings = {"width": 8, "disc_width": 4, "ssim_scales": 2}
    method = GANimorphLite(parse(GANimorphLiteConfig, settings))
    train(method, 270, batch=2)
    set_learning_rate(method, 0.2)
    train(method, 130, batch=2, seed=1)
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
