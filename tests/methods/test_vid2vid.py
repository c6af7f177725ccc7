"""vid2vid: the networks' numbers, every loss by hand, the order of a step, films, and that it learns."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.moving_squares import moving_squares, true_flow
from tests.support.small import count
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.inference.engine import Engine
from reskin.losses.feature_matching import feature_matching
from reskin.losses.multiscale import multiscale_generator
from reskin.losses.reconstruction import l1
from reskin.methods.vid2vid import Vid2Vid, Vid2VidConfig
from reskin.networks.feature_discriminator import FeatureDiscriminator
from reskin.networks.sequence import (
    PairedSequence,
    newest_inputs,
    newest_outputs,
    sequence_length,
    triple_of,
)
from reskin.networks.video_generator import Composed, VideoGenerator
from reskin.parsing import parse
from reskin.runs.schedule import set_learning_rate
from reskin.training.loop import seed_step
from reskin.types import Batch, Step

tiny = partial(small.tiny, Vid2Vid)


def still(frame: Tensor, earlier: Tensor) -> Tensor:
    """Nothing moves."""
    return torch.zeros(len(frame), 2, *frame.shape[2:])


def drawn_clips(frames: int = 7, *, seed: int = 1) -> Batch:
    source = torch.Generator().manual_seed(seed)
    return Batch(*(torch.rand((2, 1, frames, 3, 32, 32), generator=source) * 2 - 1))


def test_the_reduced_generator_has_as_many_weights_as_it_should() -> None:
    with torch.device("meta"):
        assert count(Vid2Vid(Vid2VidConfig()).gen_a2b) == 3_944_230
        assert count(VideoGenerator(64, 2, 9)) == 22_784_582
        assert count(VideoGenerator(16, 2, 6)) == 995_222
        assert count(VideoGenerator(32, 2, 9)) == 5_715_238
        assert count(VideoGenerator(32, 3, 9)) == 22_825_510


def test_the_discriminators_are_the_papers() -> None:
    with torch.device("meta"):
        full = Vid2Vid(Vid2VidConfig())
        assert count(full.disc_image) == 5_535_618 == 2 * 2_767_809
        assert [count(disc) for disc in full.disc_video.values()] == [5_549_954] * 2 == [2 * 2_774_977] * 2
    assert list(full.disc_video) == ["1", "3"]
    judge = FeatureDiscriminator(6, 2)
    sizes = {
        edge: [[maps.shape[-1] for maps in scale] for scale in judge(torch.zeros(1, 6, edge, edge))]
        for edge in (64, 256)
    }
    assert sizes[256] == [[129, 65, 33, 34, 35], [65, 33, 17, 18, 19]]
    assert sizes[64] == [[33, 17, 9, 10, 11], [17, 9, 5, 6, 7]]
    config = full.config
    assert (config.learning_rate, config.beta1, config.beta2) == (2e-4, 0.5, 0.999)
    assert (full.pairing, full.directions, full.size_multiple) == ("paired", ("a2b",), 4)


class Constant(nn.Module):
    """The same value everywhere, (N, C, H, W)."""

    def __init__(self, value: float, channels: int) -> None:
        super().__init__()
        self.value, self.channels = value, channels

    def forward(self, images: Tensor) -> Tensor:
        return images.new_full((len(images), self.channels, *images.shape[2:]), self.value)


def composing(raw: float, flow: float, mask: float) -> VideoGenerator:
    """A generator whose heads give these values."""
    generator = VideoGenerator(4, 2, 2)
    generator.inputs = Constant(0.0, 4)  # type: ignore[assignment]
    generator.outputs = Constant(0.0, 4)  # type: ignore[assignment]
    generator.motion = nn.Identity()  # type: ignore[assignment]
    generator.image = Constant(torch.tensor(raw).atanh().item(), 3)  # type: ignore[assignment]
    generator.flow = Constant(flow / 20, 2)  # type: ignore[assignment]
    generator.mask = Constant(torch.tensor(mask).logit().item(), 1)  # type: ignore[assignment]
    return generator


def test_a_frame_is_composed_by_the_mask() -> None:
    """.25 of the new picture, which is 1, and .75 of what was -1 before."""
    frames, before = torch.zeros(1, 9, 16, 16), torch.full((1, 6, 16, 16), -1.0)
    made = composing(1 - 1e-7, 0.0, 0.25)(frames, before)
    torch.testing.assert_close(made.image, torch.full((1, 3, 16, 16), -0.5), rtol=0, atol=1e-5)
    first = composing(0.5, 0.0, 0.25)(frames, before, continues=False)
    assert first.image is first.raw
    torch.testing.assert_close(first.raw, torch.full((1, 3, 16, 16), 0.5))


def test_a_first_frame_does_not_read_the_encoder_of_frames_that_are_not_there() -> None:
    """Of zeros alone every norm would be of a constant map: rounding noise, enlarged 300 times by each."""
    generator = VideoGenerator(4, 2, 2)
    frames, before = torch.rand(1, 9, 16, 16), torch.zeros(1, 6, 16, 16)
    made = generator(frames, before, continues=False)
    generator.outputs = nn.Sequential(nn.AvgPool2d(4), Constant(7.0, 16))
    torch.testing.assert_close(generator(frames, before, continues=False).image, made.image, rtol=0, atol=0)
    assert not torch.equal(generator(frames, before).raw, made.raw)


def test_without_motion_and_mask_the_frame_before_stays() -> None:
    before = torch.rand(1, 6, 16, 16)
    made = composing(0.5, 0.0, 0.0)(torch.zeros(1, 9, 16, 16), before)
    torch.testing.assert_close(made.image, before[:, 3:])  # the newest of the two
    moved = composing(0.5, 2.0, 0.0)(torch.zeros(1, 9, 16, 16), before)
    torch.testing.assert_close(moved.image[..., :-2, :-2], before[:, 3:, 2:, 2:])
    assert moved.flow.eq(2).all()


def test_which_frames_a_video_discriminator_sees() -> None:
    assert [triple_of(2, stride) for stride in (1, 3)] == [(0, 1, 2), None]
    assert [triple_of(6, stride) for stride in (1, 3)] == [(4, 5, 6), (0, 3, 6)]
    assert triple_of(8, 3) == (2, 5, 8) and triple_of(5, 3) is None


def test_sequences_grow_by_quarters_of_the_run() -> None:
    """As in the paper's 20 epochs: 6, 12, 24, 48, or the longest that there is."""
    found = [sequence_length(Step(epoch, 20), 6, 126) for epoch in range(1, 21)]
    assert found == [6] * 5 + [12] * 5 + [24] * 5 + [48] * 5
    assert sequence_length(Step(20, 20), 6, 38) == 38


def test_what_is_missing_before_the_first_frame() -> None:
    frames = [torch.full((1, 3, 2, 2), float(n)) for n in range(1, 5)]
    levels = [newest_inputs(frames[:n])[0, ::3, 0, 0].tolist() for n in (1, 2, 3, 4)]
    assert levels == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    levels = [newest_outputs(frames[:n], frames[0])[0, ::3, 0, 0].tolist() for n in (0, 1, 2, 4)]
    assert levels == [[0, 0], [0, 1], [1, 2], [3, 4]]


def test_a_triple_holds_three_frames_and_the_flows_between_them() -> None:
    """Each flow is that between these very frames, in shares of 20 px; the made ones have the real flows."""
    a, b = ([torch.full((1, 3, 2, 2), start + n) for n in range(7)] for start in (0.0, 10.0))

    def difference(frame: Tensor, earlier: Tensor) -> Tensor:
        return (10 * frame[:, :1] + earlier[:, :1]).expand(-1, 2, -1, -1)

    sequence = PairedSequence(a, b, difference)
    sequence.made = [torch.full((1, 3, 2, 2), 20.0 + n) for n in range(6)]
    real = sequence.triple(3)
    assert real.shape == (1, 13, 2, 2)
    assert real[0, :, 0, 0].tolist() == pytest.approx(
        [*[10] * 3, *[13] * 3, *[16] * 3, *[(160 + 13) / 20] * 2, *[(130 + 10) / 20] * 2]
    )
    fake = sequence.triple(1, torch.full((1, 3, 2, 2), 30.0))
    assert fake[0, :, 0, 0].tolist() == pytest.approx(
        [*[24] * 3, *[25] * 3, *[30] * 3, *[(160 + 15) / 20] * 2, *[(150 + 14) / 20] * 2]
    )


def maps_of(logit: float) -> list[Tensor]:
    return [torch.zeros(1)] * 4 + [torch.full((1, 1, 2, 2), logit)]


class Opinion(nn.Module):
    """Two scales with these logits and no features, whatever is shown; each call gives the next ones."""

    def __init__(self, *logits: tuple[float, float]) -> None:
        super().__init__()
        self.logits, self.seen = list(logits), list[Tensor]()

    def forward(self, images: Tensor) -> list[list[Tensor]]:
        self.seen.append(images)
        pictures = [self.logits[n % len(self.logits)] for n in range(len(images))]
        return [
            [
                *[images.new_zeros(len(images), 1)] * 4,
                images.new_tensor([p[scale] for p in pictures])[:, None],
            ]
            for scale in (0, 1)
        ]


def test_logits_of_a_quarter_and_a_half_by_hand() -> None:
    """Two scales are summed: .75^2 + .5^2 for the generator, .25^2 + .5^2 for fakes."""
    logits = [torch.full((1,), 0.25), torch.full((1,), 0.5)]
    assert multiscale_generator("lsgan", logits).item() == pytest.approx(0.8125)
    method, seen = (
        tiny(video_adversarial_weight=0.0, feature_matching_weight=0.0),
        dict[str, dict[str, Tensor]](),
    )
    # One call shows the real pair, the frame and the new picture: the real one is judged to be real.
    method.disc_image = Opinion((1.0, 1.0), (0.25, 0.5), (0.25, 0.5))  # type: ignore[assignment]
    method.update = lambda name, **terms: seen.update({name: terms})  # type: ignore[method-assign]
    sequence = PairedSequence(*(drawn_clips().a.unbind(1) for _ in "ab"), still)
    method._learn_frame(sequence)
    assert seen["generator"]["adversarial"].item() == pytest.approx(2 * 0.8125)  # frame and new picture
    assert seen["discriminator"]["discriminator"].item() == pytest.approx(2 * 0.3125 / 2)


def test_the_real_pair_counts_twice() -> None:
    """Half of: the real pair beside the frame, the real pair beside the new picture."""
    method, seen = (
        tiny(video_adversarial_weight=0.0, feature_matching_weight=0.0),
        dict[str, dict[str, Tensor]](),
    )
    method.disc_image = Opinion((0.5, 0.5), (0.0, 0.0), (0.0, 0.0))  # type: ignore[assignment]
    method.update = lambda name, **terms: seen.update({name: terms})  # type: ignore[method-assign]
    method._learn_frame(PairedSequence(*(drawn_clips().a.unbind(1) for _ in "ab"), still))
    assert seen["discriminator"]["discriminator"].item() == pytest.approx(2 * 2 * 0.25 / 2)


def test_features_that_are_off_by_a_tenth_everywhere_cost_four() -> None:
    real, fake = ([[torch.full((1, 2, 3, 3), level)] * 5] * 2 for level in (0.0, 0.1))
    assert 10 * feature_matching(real, fake).item() == pytest.approx(4.0)
    asked = [[torch.zeros(1, requires_grad=True)] * 5] * 2
    feature_matching(asked, [[torch.ones(1, requires_grad=True)] * 5] * 2).backward()
    assert asked[0][0].grad is None  # nothing is learnt of the real ones


def test_the_losses_of_motion_by_hand() -> None:
    """A row of four pixels, the second and fourth of which have changed: the flow is not believed there."""
    method = tiny()
    earlier = torch.zeros(1, 3, 1, 4)
    real = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    sequence = PairedSequence([earlier, real], [earlier, real], still)
    sequence.made = [torch.full((1, 3, 1, 4), -0.5)]
    off = torch.tensor([1.0, 5.0, 3.0, 7.0]).view(1, 1, 1, 4)
    now = Composed(real + 0.2, real, off.expand(1, 2, 1, 4), torch.full((1, 1, 1, 4), 0.3))
    terms = {name: term.item() for name, term in method._moving(sequence, now).items()}
    assert terms["flow"] == pytest.approx(1.0)  # (1 + 3) / 4, not / 2
    assert terms["flow_warp"] == pytest.approx(0.0)  # where it holds all is 0, wherever one looks
    assert terms["output_warp"] == pytest.approx((0.7 + 0.7) / 4)
    assert terms["mask"] == pytest.approx(0.3 * 2 / 4)


@pytest.mark.sweep
def test_nothing_is_learnt_through_the_frames_before() -> None:
    method, sequences = tiny(), list[PairedSequence]()
    learn = method._learn_frame

    def watched(sequence: PairedSequence) -> dict[str, Tensor]:
        sequences.append(sequence)
        assert not any(frame.requires_grad for frame in sequence.made)
        return learn(sequence)

    method._learn_frame = watched  # type: ignore[method-assign]
    method.training_step(drawn_clips(), Step(1, 1))
    assert len(sequences) == 7 and len(sequences[-1].made) == 7


def test_the_order_of_a_frame_and_what_each_update_teaches() -> None:
    """Generator, image discriminator, video discriminators; stride 3 from the seventh frame on."""
    method, seen = tiny(), list[str]()
    update = method.update
    networks = {
        "generator": method.gen_a2b,
        "discriminator": method.disc_image,
        "video_discriminator_1": method.disc_video["1"],
        "video_discriminator_3": method.disc_video["3"],
    }

    def spy(name: str, **terms: Tensor) -> None:
        seen.append(name)
        before = {
            key: [p.detach().clone() for p in network.parameters()] for key, network in networks.items()
        }
        update(name, **terms)
        moved = {
            key
            for key, network in networks.items()
            if any(not p.equal(q) for p, q in zip(network.parameters(), before[key], strict=True))
        }
        assert moved == {name}

    method.update = spy  # type: ignore[method-assign]
    method.training_step(drawn_clips(), Step(1, 1))
    first, second = ["generator", "discriminator"], ["generator", "discriminator", "video_discriminator_1"]
    assert seen == [*first * 2, *second * 5, "video_discriminator_3"]
    assert all(p.requires_grad for p in method.parameters())


def test_the_discriminators_judge_the_fakes_of_before_the_update() -> None:
    method, seen = tiny(video_adversarial_weight=0.0), list[Tensor]()
    method.disc_image.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach().clone()))
    method.training_step(drawn_clips(3), Step(1, 1))
    for shown, judged in zip(seen[::2], seen[1::2], strict=True):
        assert shown.equal(judged) and len(shown) == 3  # real, frame, new picture


@pytest.mark.parametrize(
    ("settings", "without"),
    [
        ({"video_adversarial_weight": 0.0}, {"video_adversarial", "video_discriminator"}),
        ({"adversarial_weight": 0.0, "mask_weight": 0.0}, {"adversarial", "mask"}),
        ({"scales": 2, "disc_layers": 3, "generator_downsamplings": 3, "blocks": 3}, set()),
    ],
    ids=["no video", "no picture", "larger"],
)
@pytest.mark.thinned(3)
def test_the_variants_run(settings: dict[str, Any], without: set[str]) -> None:
    method = tiny(**settings)
    method.reference_flow = still
    losses = method.training_step(drawn_clips(), Step(1, 1))
    every = {f.removesuffix("_weight") for f in Vid2VidConfig.model_fields if f.endswith("_weight")}
    assert set(losses) == (every | {"discriminator", "video_discriminator"}) - without
    assert all(loss.isfinite() for loss in losses.values())


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="first_frames 9 is more than frames 8"):
        parse(Vid2VidConfig, {"frames": 8, "first_frames": 9})
    with pytest.raises(SettingsError, match="no frame is judged"):
        parse(Vid2VidConfig, {"adversarial_weight": 0, "feature_matching_weight": 0})


def test_a_sample_has_as_many_frames_as_the_settings_say() -> None:
    assert Vid2Vid.frames_of(Vid2VidConfig()) == Vid2Vid.clip_length == 14
    assert Vid2Vid.frames_of(Vid2VidConfig(frames=9)) == 9


def film(frames: int = 5, *, edge: int = 32) -> Tensor:
    return torch.rand(frames, 1, 3, 32, edge, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_a_film_is_made_from_its_own_frames_before() -> None:
    """As in training: three frames of the input, the two made before, nothing at the beginning."""
    method, frames = tiny().eval(), film()
    with torch.no_grad():
        stream = method.stream("a2b")
        made = [stream.step(frame) for frame in frames]
        wanted: list[Tensor] = []
        for number in range(5):
            seen = [frames[max(0, number - back)] for back in (2, 1, 0)]
            before = [
                wanted[number - back] if number >= back else torch.zeros(1, 3, 32, 32) for back in (2, 1)
            ]
            composed = method.gen_a2b(torch.cat(seen, 1), torch.cat(before, 1), continues=number > 0)
            wanted.append(composed.image)
        assert all(one.equal(other) for one, other in zip(made, wanted, strict=True))
        assert made[0].equal(method.translate(frames[0], "a2b"))
        assert not made[3].equal(method.translate(frames[3], "a2b"))
        stream.reset()
        assert stream.step(frames[3]).equal(method.translate(frames[3], "a2b"))


def test_a_film_goes_on_where_it_was() -> None:
    method, frames = tiny().eval(), film()
    for done in range(4):
        with torch.no_grad():
            whole, part, rest = (method.stream("a2b") for _ in range(3))
            wanted = [whole.step(frame) for frame in frames]
            for frame in frames[:done]:
                part.step(frame)
            rest.restore({name: value.clone() for name, value in part.state().items()})
            assert all(rest.step(f).equal(w) for f, w in zip(frames[done:], wanted[done:], strict=True))
    assert Engine(method, "a2b").remembers and Engine(method, "a2b").can_resume


def test_frames_of_another_size_begin_anew() -> None:
    method = tiny().eval()
    with torch.no_grad():
        stream = method.stream("a2b")
        stream.step(film()[0])
        wide = film(1, edge=64)[0]
        assert stream.step(wide).equal(method.translate(wide, "a2b"))


@pytest.mark.slow
@pytest.mark.parametrize("knows", ["true flow", "estimated flow"])
def test_red_squares_that_move_become_blue_ones(knows: str) -> None:
    method, steps = tiny(width=12, disc_width=8, learning_rate=2e-3, blocks=2), 60
    if knows == "true flow":
        method.reference_flow = true_flow
    for step in range(1, steps + 1):
        a = moving_squares(2, colour="red", seed=step, frames=7, fastest=1)
        seed_step(0, step, 0)
        set_learning_rate(method, min(1.0, 2 - 2 * step / steps))
        method.training_step(Batch(a, a.flip(2)), Step(step, steps))
    clip = moving_squares(1, colour="red", seed=9_999, frames=7, fastest=1)
    with torch.no_grad():
        stream = method.eval().stream("a2b")
        made = torch.cat([stream.step(frame) for frame in clip.transpose(0, 1)])
    truth = clip.flip(2)[0]
    assert float(l1(made, truth)) < 0.75 * float(l1(clip[0], truth))
