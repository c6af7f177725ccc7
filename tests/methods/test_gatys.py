"""Gatys: what is optimised, by what and for how long, and what the picture then is."""

from __future__ import annotations

import logging
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.support.drawn_vgg import drawn_vgg
from torch import Tensor

from reskin.cli.main import main
from reskin.errors import NotFiniteError, SettingsError, ShapeError, WeightsError
from reskin.images import read_image, to_tensor
from reskin.losses.style import gram
from reskin.methods import find, find_trained
from reskin.methods.gatys import Gatys, GatysConfig, Progress, luminance, read_features
from reskin.parsing import parse
from reskin.translation.folders import translate_folder
from reskin.translation.pictures import translate_array

SHALLOW: dict[str, Any] = {
    "content_layers": ("relu2_1",),
    "style_layers": ("relu1_1", "relu2_1"),
    "steps": 12,
}


def picture(seed: int, height: int = 40, width: int = 48) -> Tensor:
    """A smooth coloured picture, (1, 3, height, width) in [-1, 1]."""
    source = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 6, generator=source) * 1.8 - 0.9
    return F.interpolate(coarse, (height, width), mode="bilinear")


def gatys(styles: list[Tensor] | None = None, **settings: Any) -> Gatys:
    """Of four channels a layer, two blocks deep, with one style picture of another size."""
    config = parse(GatysConfig, SHALLOW | settings)
    features = read_features(drawn_vgg("vgg19"), config)
    return Gatys(config, features, [picture(1, 46, 36)] if styles is None else styles)


def watched(model: Gatys) -> list[Progress]:
    """Where the model puts down how it comes along."""
    seen: list[Progress] = []
    model.report = seen.append
    return seen


def test_defaults_are_the_repository_column_of_the_sheet() -> None:
    config = GatysConfig()
    assert config.content_layers == ("relu4_2",)
    assert config.style_layers == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    assert (config.content_weight, config.tv_weight, config.init, config.steps) == (1, 0, "content", 500)
    assert (config.size, config.hires_size, config.hires_steps, config.pooling) == (512, 0, 200, "max")
    features = read_features(drawn_vgg("vgg19"), config)
    assert list(features.convolutions)[-1] == "conv5_1", "nothing deeper is loaded"
    assert Gatys(config, features, [picture(1)]).style_weight == 1e6


def test_each_convention_has_a_style_weight_of_its_own() -> None:
    model = gatys()
    for convention, weight in (("torchvision", 1e6), ("caffe", 1e3), ("normalised", 1e5)):
        model.features.convention = convention
        assert Gatys(model.config, model.features, [picture(1)]).style_weight == weight
    assert gatys(style_weight=7).style_weight == 7


def test_the_loss_is_that_of_the_sheet() -> None:
    """Content: mean squares. Style: mean squares of F F' / (h w), by weight / n², over layers."""
    model = gatys(content_weight=3, style_weight=50, tv_weight=0.25)
    content, style, made = picture(2), picture(1, 46, 36), picture(3)
    found, kept, wanted = (model.features(images) for images in (made, content, style))
    expected = 3 * (found["relu2_1"] - kept["relu2_1"]).square().mean()
    for layer in ("relu1_1", "relu2_1"):
        (mine,), (other,) = found[layer].flatten(2), wanted[layer].flatten(2)
        difference = mine @ mine.T / mine.shape[1] - other @ other.T / other.shape[1]
        expected += 50 / 4**2 * difference.square().mean()
    for dim in (2, 3):
        expected += 0.25 * made.diff(dim=dim).square().mean()
    torch.testing.assert_close(model._loss(content, [style])(made), expected)


def test_nothing_is_to_be_done_where_content_and_style_are_one() -> None:
    content = picture(2)
    model = gatys([content])
    seen = watched(model)
    assert model.stylise(content).equal(content)
    assert [progress.loss for progress in seen] == [0]


def test_the_pixels_are_the_only_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    model, taught = gatys(), []
    plain = torch.optim.LBFGS

    def spy(parameters: Any, *rest: Any, **options: Any) -> torch.optim.Optimizer:
        taught.append(list(parameters))
        return plain(taught[-1], *rest, **options)

    monkeypatch.setattr(torch.optim, "LBFGS", spy)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    content = picture(2)
    model.stylise(content)
    assert [[tuple(p.shape) for p in parameters] for parameters in taught] == [[(1, 3, 40, 48)]]
    assert not [p for p in model.parameters() if p.requires_grad]
    assert all(value.equal(before[key]) for key, value in model.state_dict().items())
    assert content.equal(picture(2))


def test_the_loss_falls_and_the_style_comes_nearer() -> None:
    content, style = picture(2), picture(1, 46, 36)
    model = gatys(steps=40)
    seen = watched(model)
    made = model.stylise(content)
    losses = [progress.loss for progress in seen]
    assert [progress.step for progress in seen] == list(range(1, 41)) and seen[0].steps == 40
    # Without a line search single evaluations rise, on each processor others: the lowest so far counts.
    lowest = list(accumulate(losses, min))
    assert lowest[39] < 0.5 * lowest[19] < 0.25 * lowest[4]
    assert losses[-1] < 0.1 * losses[0]

    def far(images: Tensor) -> float:
        layers = zip(model.features(images).values(), model.features(style).values(), strict=True)
        return sum((gram(mine) - gram(wanted)).square().mean().item() for mine, wanted in layers)

    assert far(made) < 0.2 * far(content)
    assert made.abs().max() <= 1 and made.shape == content.shape and made.dtype == torch.float32


def test_the_result_is_the_best_picture_that_was_seen() -> None:
    model = gatys(steps=9)
    seen = watched(model)
    made = model.stylise(picture(2))
    best = min(seen, key=lambda progress: progress.loss)
    assert made.equal(best.image)


@pytest.mark.parametrize("steps", [1, 19, 20, 21])
@pytest.mark.thinned(3, first=2)
def test_evaluations_are_counted_and_not_steps_of_the_optimizer(steps: int) -> None:
    model, calls = gatys(steps=steps), []
    model.features.register_forward_hook(lambda *_: calls.append(1))
    model.stylise(picture(2))
    assert len(calls) == steps + 2  # one for the content and one for the style


def test_the_same_seed_gives_the_same_pixels() -> None:
    content = picture(2)
    first = gatys(init="noise", seed=5).stylise(content)
    torch.manual_seed(99)
    assert gatys(init="noise", seed=5).stylise(content).equal(first)
    assert not gatys(init="noise", seed=6).stylise(content).equal(first)
    seen = watched(model := gatys(init="noise", seed=5))
    model.stylise(content)
    assert seen[0].image.std() > 0.5, "uniform noise, not the content"


def test_pictures_of_a_batch_do_not_know_each_other() -> None:
    both = torch.cat([picture(2), picture(3)])
    together = gatys().translate(both, "a2b")
    assert together.equal(torch.cat([gatys().stylise(image[None]) for image in both]))


def test_a_second_pass_starts_from_the_first_at_more_pixels() -> None:
    content = picture(2, 60, 80)
    model = gatys(size=40, steps=6, hires_size=64, hires_steps=4)
    seen = watched(model)
    made = model.stylise(content)
    assert [progress.step for progress in seen] == list(range(1, 11))
    assert {progress.steps for progress in seen} == {10}
    # 30 px high would be less than what is taken at least.
    assert [tuple(p.image.shape[2:]) for p in seen] == [(32, 40)] * 6 + [(48, 64)] * 4
    assert made.shape == content.shape
    start = seen[6].image
    first = F.interpolate(seen[5].image, (48, 64), mode="bicubic")
    assert (start - first).abs().mean() < 0.3 * (start - F.interpolate(content, (48, 64))).abs().mean()


def test_colours_are_kept_where_that_is_asked_for() -> None:
    content = picture(2) * 0.3  # far from the ends of the range, so that nothing is clipped
    made = gatys(keep_colour=True).stylise(content)
    torch.testing.assert_close(made - luminance(made), content - luminance(content))
    assert (luminance(made) - luminance(content)).abs().mean() > 0.002
    assert luminance(torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)).item() == pytest.approx(0.299 + 0.2935)


def test_several_styles_are_blended_by_their_shares() -> None:
    one, two, content = picture(1), picture(4, 47, 33), picture(2)
    alone = gatys([one]).stylise(content)
    assert gatys([one, two], style_shares=(3, 0)).stylise(content).equal(alone)
    model = gatys([one, two], style_shares=(1, 3), content_weight=0, style_layers=("relu1_1",))
    wanted = 0.25 * gram(model.features(one)["relu1_1"]) + 0.75 * gram(model.features(two)["relu1_1"])
    made = gram(model.features(picture(3))["relu1_1"])
    expected = 1e6 / 16 * (made - wanted).square().mean()
    torch.testing.assert_close(model._loss(content, [one, two])(picture(3)), expected)


def test_nan_on_the_way_is_stepped_back_from(caplog: pytest.LogCaptureFixture) -> None:
    model, calls = gatys(steps=20), []

    def break_once(module: Any, inputs: Any, found: dict[str, Tensor]) -> dict[str, Tensor]:
        calls.append(1)
        bad = float("nan") if len(calls) == 10 else 1.0
        return {layer: features * bad for layer, features in found.items()}

    model.features.register_forward_hook(break_once)
    seen = watched(model)
    with caplog.at_level(logging.WARNING, "reskin"):
        made = model.stylise(picture(2))
    assert caplog.messages == ["evaluation 8 of 20: loss nan, gradient nan; stepped back to the best picture"]
    assert made.isfinite().all() and len(seen) == 19
    assert seen[-1].loss < seen[6].loss, "it went on"


def test_nan_from_the_start_is_refused() -> None:
    model = gatys()
    with pytest.raises(NotFiniteError, match="not finite from the start"):
        model.stylise(picture(2) * float("nan"))


def test_it_translates_like_any_model(tmp_path: Path) -> None:
    """Also where gradients are off and half precision is on, as the engine has it."""
    model = gatys(size=32, steps=3)
    image = np.random.default_rng(0).integers(0, 256, (36, 50, 3), dtype=np.uint8)
    assert translate_array(model, image, "a2b").shape == image.shape
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        made = model.translate(picture(2), "a2b")
    assert made.equal(gatys(size=32, steps=3).stylise(picture(2)))
    with pytest.raises(SettingsError, match="does not translate b2a"):
        model.translate(picture(2), "b2a")
    (tmp_path / "in").mkdir()
    from reskin.images import write_image

    write_image(tmp_path / "in" / "x.png", image)
    assert translate_folder(model, tmp_path / "in", tmp_path / "out", "a2b").translated == 1
    assert translate_folder(model, tmp_path / "in", tmp_path / "out", "a2b").skipped == 1
    other = gatys([picture(9)], size=32, steps=3)
    assert translate_folder(other, tmp_path / "in", tmp_path / "out", "a2b").translated == 1


def test_a_weight_of_zero_leaves_its_term_out() -> None:
    content = picture(2)
    assert gatys(style_weight=0).stylise(content).equal(content)
    assert gatys(content_weight=0)._loss(content, [content])(content).item() == 0
    with pytest.raises(SettingsError, match="both 0"):
        parse(GatysConfig, {"content_weight": 0, "style_weight": 0})


def test_mistakes_are_one_line() -> None:
    config = parse(GatysConfig, SHALLOW)
    features = read_features(drawn_vgg("vgg19"), config)
    with pytest.raises(SettingsError, match="no style picture was given"):
        Gatys(config, features, [])
    with pytest.raises(SettingsError, match="2 style shares for 1 style pictures"):
        gatys(style_shares=(1, 2))
    with pytest.raises(SettingsError, match="not all 0"):
        gatys(style_shares=(0,))
    with pytest.raises(ShapeError, match="at least 32 px"):
        gatys([torch.zeros(1, 3, 31, 64)])
    with pytest.raises(SettingsError, match="features have no relu3_1"):
        Gatys(parse(GatysConfig, SHALLOW | {"content_layers": ("relu3_1",)}), features, [picture(1)])
    with pytest.raises(SettingsError, match="'style_weight' in settings"):
        parse(GatysConfig, {"style_weight": -1})
    with pytest.raises(SettingsError, match="'content_layers' in settings"):
        parse(GatysConfig, {"content_layers": ()})
    with pytest.raises(SettingsError, match="'relu9' is no layer"):
        read_features(drawn_vgg("vgg19"), parse(GatysConfig, SHALLOW | {"content_layers": ("relu9",)}))


def test_weights_that_end_early_name_the_flags_that_suit_them(tmp_path: Path) -> None:
    state = torch.load(drawn_vgg("vgg19"), weights_only=True)
    short = {key: value for key, value in state.items() if int(key.split(".")[1]) <= 10}
    torch.save(short, tmp_path / "short.pth")
    with pytest.raises(WeightsError) as caught:
        read_features(tmp_path / "short.pth", GatysConfig())
    assert str(caught.value).startswith(
        f"{tmp_path / 'short.pth'} ends at relu3_1 and has no relu4_2, relu4_1"
    )
    assert "Add --content-layers relu3_1 --style-layers relu1_1 relu2_1 relu3_1, or get https" in str(
        caught.value
    )


def test_it_is_listed_but_not_trained(capsys: pytest.CaptureFixture[str]) -> None:
    assert find("gatys") is Gatys
    with pytest.raises(SettingsError, match="gatys needs no training"):
        find_trained("gatys")
    assert main(["methods", "gatys"]) == 0
    said = capsys.readouterr().out
    assert "--style-weight" in said and "no training" in said and "https://" in said
    assert "reskin stylize photo.jpg --style" in said  # it has no command of its name
    for key, field in GatysConfig.model_fields.items():
        assert field.description and field.description.endswith("."), key
    parse(GatysConfig, GatysConfig().to_dict())


@pytest.mark.slow
def test_real_features_bring_a_real_style_nearer(real_data: Path) -> None:
    """At 64 px with the real first layers: half the way or more in Gram matrices, and things in place."""
    layers = {"content_layers": ("relu3_1",), "style_layers": ("relu1_1", "relu2_1", "relu3_1")}
    config = parse(GatysConfig, {**layers, "size": 64, "steps": 60})
    features = read_features(real_data / "weights" / "vgg19_normalised_relu3_1.pth", config)
    folder = real_data / "unpaired" / "summer2winter_yosemite"
    content, style = (
        to_tensor(read_image(sorted((folder / side).iterdir())[2])) for side in ("testA", "testB")
    )
    content, style = (F.interpolate(images, (64, 64), mode="area") for images in (content, style))
    made = Gatys(config, features, [style]).stylise(content)
    before, after, wanted = (features(images) for images in (content, made, style))
    for layer in config.style_layers:
        far = (gram(before[layer]) - gram(wanted[layer])).norm()
        assert (gram(after[layer]) - gram(wanted[layer])).norm() < far / 2, layer
    moved = (after["relu3_1"] - before["relu3_1"]).norm()
    assert moved < 0.8 * (after["relu3_1"] - wanted["relu3_1"]).norm()
