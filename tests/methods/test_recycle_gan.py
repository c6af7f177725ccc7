"""Recycle-GAN: the authors' numbers, what each loss teaches, films with the predictor, and that it learns."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pytest
import torch
from tests.support import small
from tests.support.moving_squares import moving_squares
from tests.support.small import count, graphs_of, terms_of
from tests.support.squares import place_error
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.inference.engine import Engine
from reskin.losses.adversarial import adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.methods.recycle_gan import RecycleGAN, RecycleGANConfig
from reskin.methods.translator import Stream
from reskin.networks.predictor import Predictor, frame_predictor
from reskin.networks.resnet import ResnetGenerator
from reskin.parsing import parse
from reskin.runs.schedule import set_learning_rate
from reskin.training.loop import seed_step
from reskin.types import Batch, Direction, Step

tiny = partial(small.tiny, RecycleGAN)


def drawn_clips(count: int = 1, *, seed: int = 1) -> Batch:
    source = torch.Generator().manual_seed(seed)
    return Batch(*(torch.rand((2, count, 3, 3, 32, 32), generator=source) * 2 - 1))


class Plus(nn.Module):
    """Adds a constant."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: Tensor) -> Tensor:
        return images + self.value


class Line(nn.Module):
    """Goes on in a straight line, and a constant beside it."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        return 2 * newer - older + self.value


class Mean(nn.Module):
    """The mean of each picture for a verdict."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3), keepdim=True)


def with_stubs(**settings: Any) -> RecycleGAN:
    """Networks that can be worked out by hand."""
    method = tiny(**settings)
    method.gen_a2b, method.gen_b2a = Plus(0.1), Plus(-0.3)  # type: ignore[assignment]
    method.pred_a, method.pred_b = Line(), Line(0.05)  # type: ignore[assignment]
    method.disc_a, method.disc_b = Mean(), Mean()  # type: ignore[assignment]
    return method


def constant(*levels: float) -> Tensor:
    """A clip of plain frames of 4 px, (1, T, 3, 4, 4)."""
    return torch.tensor(levels).view(1, -1, 1, 1, 1).expand(1, len(levels), 3, 4, 4)


BATCH = Batch(constant(-0.4, -0.2, 0.1), constant(0.5, 0.3, 0.2))
EVERYTHING: dict[str, Any] = {
    "prediction_adversarial_weight": 1.0,
    "cycle_weight": 10.0,
    "identity_weight": 5.0,
    "pool_size": 0,
}


def values(method: RecycleGAN, batch: Batch) -> dict[str, float]:
    """The weighted terms of all optimizers."""
    seen = graphs_of(method, batch)
    return {name: term.item() for terms in seen.values() for name, term in terms.items()}


def test_the_networks_are_the_authors() -> None:
    with torch.device("meta"):
        full = RecycleGAN(RecycleGANConfig())
        assert count(full) == 130_030_222
        assert count(full.gen_a2b) == count(full.gen_b2a) == 7_837_699
        assert count(full.pred_a) == count(full.pred_b) == 54_412_675
        assert count(full.disc_a) == count(full.disc_b) == 2_764_737
        assert count(frame_predictor("unet", 64, 7)) == 41_828_739
        assert count(frame_predictor("framewise", 64, 6)) == 117_199_267
        assert count(frame_predictor("framewise", 512, 6)) == 7_500_227_843  # the code's default
    config = full.config
    assert (config.learning_rate, config.beta1, config.beta2) == (2e-4, 0.5, 0.999)
    assert (full.clip_length, full.pairing, full.size_multiple) == (3, "unpaired", 4)
    assert not any(isinstance(layer, nn.Dropout) for layer in full.modules())


@pytest.mark.parametrize(
    ("width", "of_predictors", "of_generator", "of_discriminator"),
    [
        (8, (261_939, 458_675, 655_411), 124_931, 44_537),
        (16, (1_044_067, 1_830_755, 2_617_443), 494_083, 175_089),
    ],
)
def test_small_networks_have_the_authors_shape(
    width: int, of_predictors: tuple[int, ...], of_generator: int, of_discriminator: int
) -> None:
    assert tuple(count(frame_predictor("unet", width, n)) for n in (5, 6, 7)) == of_predictors
    method = RecycleGAN(RecycleGANConfig(width=width, predictor_width=4, predictor_downsamplings=5))
    assert count(method.gen_a2b) == of_generator == count(ResnetGenerator(width, 6))
    assert count(method.disc_a) == of_discriminator


@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_a_generator_without_transposed_convolutions(upsample: str) -> None:
    """Each of their outputs sees one or two inputs by turns, which draws a grid until it was unlearnt."""
    settings = {"width": 4, "blocks": 1, "predictor_width": 4, "predictor_downsamplings": 5}
    authors = RecycleGAN(parse(RecycleGANConfig, settings))
    assert sum(isinstance(part, nn.ConvTranspose2d) for part in authors.gen_a2b.modules()) == 2
    method = RecycleGAN(parse(RecycleGANConfig, settings | {"upsample": upsample}))
    for generator in (method.gen_a2b, method.gen_b2a):
        assert not any(isinstance(part, nn.ConvTranspose2d) for part in generator.modules())
        assert generator(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)


def test_every_term_by_hand() -> None:
    assert values(with_stubs(**EVERYTHING), BATCH) == pytest.approx(
        {
            "recurrent": 1.5,
            "recycle": 5.5,
            "adversarial": 6.7025,
            "prediction_adversarial": 1.7225,
            "cycle": 8.0,
            "identity": 4.0,
            "discriminator_b": 1.0825,
            "discriminator_a": 2.55,
        },
        rel=1e-5,
    )


def test_the_squares_of_the_paper_by_hand() -> None:
    """Differences: predictions .1 and .05, recycled .25 and .3, cycles four times .2."""
    found = values(with_stubs(**EVERYTHING, distance="squared"), BATCH)
    assert found["recurrent"] == pytest.approx(10 * (0.1**2 + 0.05**2), rel=1e-5)
    assert found["recycle"] == pytest.approx(10 * (0.25**2 + 0.3**2), rel=1e-5)
    assert found["cycle"] == pytest.approx(10 * 4 * 0.2**2, rel=1e-5)


def test_a_motion_in_a_straight_line_costs_nothing() -> None:
    method = with_stubs()
    method.gen_a2b = method.gen_b2a = nn.Identity()  # type: ignore[assignment]
    method.pred_b = Line()  # type: ignore[assignment]
    start, speed = torch.rand(2, 2, 1, 3, 4, 4) * 0.2
    a, b = (s + torch.arange(3.0).view(1, 3, 1, 1, 1) * v for s, v in zip(start, speed, strict=True))
    found = values(method, Batch(a, b))
    assert found["recurrent"] == pytest.approx(0, abs=1e-6) == found["recycle"]


def test_a_predictor_sees_the_older_frame_first() -> None:
    seen: list[Tensor] = []

    class Watching(nn.Module):
        def forward(self, frames: Tensor) -> Tensor:
            seen.append(frames)
            return frames[:, 3:]

    older, newer = torch.rand(2, 1, 3, 8, 8)
    assert Predictor(Watching(), is_residual=False)(older, newer).equal(newer)
    assert seen[0][:, :3].equal(older) and seen[0][:, 3:].equal(newer)
    assert Predictor(Watching(), is_residual=True)(older, newer).equal((2 * newer).clamp(-1, 1))


def test_the_framewise_predictor_treats_both_frames_alike_until_the_u_net() -> None:
    torch.manual_seed(0)
    network = frame_predictor("framewise", 32, 2).network
    seen: list[Tensor] = []
    network.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    older, newer = torch.rand(2, 1, 3, 16, 16)
    network(torch.cat([older, newer], 1)), network(torch.cat([newer, older], 1))
    first, second = (each.chunk(2, dim=1) for each in seen)
    assert seen[0].shape == (1, 32, 16, 16)
    torch.testing.assert_close(first[0], second[1])
    torch.testing.assert_close(first[1], second[0])


def gradient(term: Tensor, network: nn.Module) -> float:
    """Norm of the gradient that a term gives a network; 0 for none."""
    found = torch.autograd.grad(term, list(network.parameters()), retain_graph=True, allow_unused=True)
    return sum(g.norm().item() for g in found if g is not None)


def test_what_each_term_teaches() -> None:
    """P_B learns from its own domain, from the discriminator and from what comes back."""
    method = tiny()
    terms = graphs_of(method, drawn_clips())["generators"]
    teaches = {
        name: {
            part
            for part in ("gen_a2b", "gen_b2a", "pred_a", "pred_b")
            if gradient(term, getattr(method, part))
        }
        for name, term in terms.items()
    }
    everyone = {"gen_a2b", "gen_b2a", "pred_a", "pred_b"}
    assert teaches == {"recurrent": {"pred_a", "pred_b"}, "recycle": everyone, "adversarial": everyone}


def test_predictions_teach_the_translations_that_they_are_made_of() -> None:
    """Neither the recycle loss nor the adversarial loss of the third frame is cut off at the first two."""
    method, made = tiny(), list[Tensor]()
    method.gen_a2b.register_forward_hook(lambda _, __, output: made.append(output))
    terms = graphs_of(method, drawn_clips())["generators"]
    first_two = made[0]  # of the frames of A, before any other call
    assert first_two.shape[0] == 2
    (through,) = torch.autograd.grad(terms["recycle"], first_two, retain_graph=True, allow_unused=True)
    assert through is not None and (through.flatten(1).norm(dim=1) > 0).all()
    (everything,) = torch.autograd.grad(terms["adversarial"], first_two, retain_graph=True)
    judged = adversarial_generator("lsgan", method.disc_b(first_two[:1])) + adversarial_generator(
        "lsgan", method.disc_b(first_two[1:])
    )
    (by_themselves,) = torch.autograd.grad(judged, first_two, retain_graph=True)
    assert not torch.allclose(everything, by_themselves, rtol=1e-2)


def test_the_discriminators_see_three_translations_and_a_prediction_in_this_order() -> None:
    method, batch = tiny(pool_size=0), drawn_clips()
    with torch.no_grad():
        a, b = batch.a.unbind(1), batch.b.unbind(1)
        first, second = method.gen_a2b(a[0]), method.gen_a2b(a[1])
        wanted = [first, second, method.pred_b(first, second), method.pred_b(b[0], b[1])]
    seen: list[Tensor] = []
    method.pool_b.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    method.training_step(batch, Step(1, 1))
    assert len(seen) == 4
    for found, fake in zip(seen, wanted, strict=True):  # the fakes from before the generators' update
        torch.testing.assert_close(found, fake, rtol=1e-4, atol=1e-5)


def test_each_update_teaches_its_own_networks() -> None:
    method, batch = tiny(), drawn_clips()
    before = {key: p.detach().clone() for key, p in method.named_parameters()}
    update = method.update

    def only_generators(name: str, **terms: Tensor) -> None:
        if name == "generators":
            update(name, **terms)

    method.update = only_generators  # type: ignore[method-assign]
    method.training_step(batch, Step(1, 1))
    moved = {key.split(".")[0] for key, p in method.named_parameters() if not p.equal(before[key])}
    assert moved == {"gen_a2b", "gen_b2a", "pred_a", "pred_b"}
    assert all(p.requires_grad for p in method.parameters())


@pytest.mark.parametrize(
    "settings",
    [{"predictor": "residual"}, {"predictor": "framewise"}, {"distance": "squared"}, EVERYTHING],
    ids=["residual", "framewise", "squared", "everything"],
)
@pytest.mark.thinned(3)
def test_the_variants_run(settings: dict[str, Any]) -> None:
    losses = tiny(**settings).training_step(drawn_clips(2), Step(1, 1))
    assert all(loss.isfinite() for loss in losses.values())
    assert ("cycle" in losses) == ("cycle_weight" in settings)


@pytest.mark.sweep
def test_frames_of_two_sizes_may_follow_each_other_at_a_batch_of_one() -> None:
    """Uncropped films differ in size, and then the image pool keeps several sizes."""
    method = tiny(pool_size=2)
    for edge in (32, 64, 32):
        a, b = torch.rand(2, 1, 3, 3, 32, edge) * 2 - 1
        method.training_step(Batch(a, b), Step(1, 1))
    wide, narrow = torch.rand(1, 3, 3, 32, 64), torch.rand(1, 3, 3, 32, 32)
    method.training_step(Batch(wide, narrow), Step(1, 1))


def test_a_crop_that_the_predictors_cannot_take_is_named() -> None:
    with pytest.raises(ShapeError, match=r"multiples of 64.*--crop-size"):
        tiny(predictor_downsamplings=6).training_step(drawn_clips(), Step(1, 1))


def test_settings_that_teach_no_translation_are_refused() -> None:
    with pytest.raises(SettingsError, match="nothing would be learnt"):
        parse(RecycleGANConfig, {"adversarial_weight": 0, "recycle_weight": 0})
    with pytest.raises(SettingsError, match="predictor_share"):
        tiny().use_predictor(1.5)


def test_without_adversarial_losses_there_is_no_discriminator() -> None:
    terms = terms_of(tiny(adversarial_weight=0.0), drawn_clips())
    assert set(terms) == {"generators"} and set(terms["generators"]) == {"recurrent", "recycle"}


FILM = torch.linspace(-0.9, 0.9, 5).view(5, 1, 1, 1, 1).expand(5, 1, 3, 32, 32)
"""Five plain frames."""


@pytest.mark.parametrize(("direction", "add", "beside"), [("a2b", 0.1, 0.05), ("b2a", -0.3, 0.0)])
def test_a_film_is_mixed_with_the_prediction_from_the_translations_before(
    direction: Direction, add: float, beside: float
) -> None:
    """On a line the predictor says what the generator says, but for the constant beside it."""
    method = with_stubs(predictor_share=0.25)
    stream = method.stream(direction)
    made = [stream.step(frame) for frame in FILM]
    for number, (frame, translated) in enumerate(zip(FILM, made, strict=True)):
        wanted = frame + add + (0.25 * beside if number >= 2 else 0.0)
        torch.testing.assert_close(translated, wanted)
    stream.reset()
    torch.testing.assert_close(stream.step(FILM[4]), FILM[4] + add)


def test_the_prediction_comes_from_translations_and_not_from_what_was_mixed() -> None:
    """Half and half of frames that jump: worked out by hand."""
    method = with_stubs(predictor_share=0.5)
    stream = method.stream("a2b")
    levels = (0.0, 0.2, -0.4, 0.3)
    made = [stream.step(torch.full((1, 3, 32, 32), level))[0, 0, 0, 0].item() for level in levels]
    # translated .1 .3 -.3 .4; predicted for the third 2*.3-.1+.05 = .55, for the fourth 2*-.3-.3+.05 = -.85
    assert made == pytest.approx([0.1, 0.3, (-0.3 + 0.55) / 2, (0.4 - 0.85) / 2], abs=1e-6)


def test_the_generator_alone_remembers_nothing() -> None:
    method = tiny().eval()
    assert type(method.stream("a2b")) is Stream and method.size_multiple == 4
    assert not Engine(method, "a2b").remembers
    method.use_predictor(0.5)
    assert method.size_multiple == 4 and Engine(method, "a2b").remembers and Engine(method, "a2b").can_resume


def test_a_film_goes_on_where_it_was() -> None:
    method = tiny(predictor_share=0.5).eval()
    frames = torch.rand(5, 1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        whole = method.stream("a2b")
        wanted = [whole.step(frame) for frame in frames]
        part = method.stream("a2b")
        for frame in frames[:3]:
            part.step(frame)
        rest = method.stream("a2b")
        rest.restore({name: value.clone() for name, value in part.state().items()})
        assert [rest.step(frame).equal(one) for frame, one in zip(frames[3:], wanted[3:], strict=True)] == [
            True
        ] * 2
        assert rest.step(torch.zeros(1, 3, 64, 32)).shape == (1, 3, 64, 32)  # another size begins anew


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unet", "residual"])
def test_red_squares_that_move_become_blue_ones(kind: Literal["unet", "residual"]) -> None:
    """Reached: half of the untouched input's distance to the truth."""
    method, steps = tiny(width=12, predictor_width=12, predictor=kind, learning_rate=1e-3), 120
    losses = []
    for step in range(1, steps + 1):
        a = moving_squares(4, colour="red", seed=2 * step)
        b = moving_squares(4, colour="blue", seed=2 * step + 1)
        seed_step(0, step, 0)
        set_learning_rate(method, min(1.0, 2 - 2 * step / steps))
        losses.append(method.training_step(Batch(a, b), Step(step, steps)))
    clips = moving_squares(16, colour="red", seed=9_999_999)
    frames, truth = clips.flatten(0, 1), clips.flip(2).flatten(0, 1)
    with torch.no_grad():
        made = method.eval().translate(frames, "a2b")
    assert float(l1(made, truth)) < 0.75 * float(l1(frames, truth))
    assert place_error(made, truth) < 2.0  # chance is 12 px
    assert losses[-1]["recycle"] < 0.5 * losses[0]["recycle"]
