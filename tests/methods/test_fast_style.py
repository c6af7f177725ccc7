"""Fast style transfer: the losses by hand, what learns and what does not, and that it paints."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.support import small
from tests.support.drawn_vgg import CONVOLUTIONS, drawn_vgg
from tests.support.small import count, drawn
from torch import Tensor, nn

from reskin.cli.main import main
from reskin.errors import SettingsError, WeightsError
from reskin.images import read_image, to_tensor, write_image
from reskin.methods.fast_style import FastStyle, FastStyleConfig
from reskin.networks.fast_style import fast_style_network
from reskin.parsing import parse
from reskin.runs.imports.fast_style import read_style_network
from reskin.runs.settings import sort_settings
from reskin.training.loop import seed_step
from reskin.types import Batch, Step

tiny = partial(small.tiny, FastStyle)


def test_network_and_settings_are_those_of_the_pytorch_example() -> None:
    with torch.device("meta"):
        method = FastStyle(FastStyleConfig())
    assert count(method) == count(method.gen_a2b) == 1_679_235
    config = method.config
    assert (config.content_weight, config.style_weight, config.tv_weight) == (1e5, 1e10, 0.0)
    assert config.content_layer == "relu2_2"
    assert config.style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    assert (config.learning_rate, config.beta1, config.beta2) == (1e-3, 0.9, 0.999)
    train = sort_settings("fast_style", {"a": "a", "b": "b"})
    assert (train.train.batch, train.train.epochs, train.data.crop_size) == (4, 2, 256)
    assert train.train.multiplier(step=100, steps=100) == 1.0
    assert FastStyle.directions == ("a2b",) and FastStyle.size_multiple == 4


def test_the_original_is_a_preset() -> None:
    settings = FastStyle.presets["original"].settings
    config = sort_settings("fast_style", {"a": "a", "b": "b", **settings})
    assert config.method.to_dict().items() >= {
        "content_layer": "relu3_3", "content_weight": 1.0, "style_weight": 5.0, "output": "tanh",
        "feature_convention": "caffe",
    }.items()  # fmt: skip
    # 1e-6 of the sum over 3 x 256 x 256 values is 0.2 of the mean.
    assert settings["tv_weight"] == pytest.approx(3 * 256 * 256 * 1e-6, rel=0.02)
    assert config.train.steps == 40_000


def features(images: Tensor) -> dict[str, Tensor]:
    """relu1_2, relu2_2, relu3_3 and relu4_3 of the drawn VGG-16, written out."""
    state = torch.load(drawn_vgg(), weights_only=True)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    x, found = ((images + 1) / 2 - mean) / deviation, {}
    wanted = {2: "relu1_2", 7: "relu2_2", 14: "relu3_3", 21: "relu4_3"}
    for index in CONVOLUTIONS["vgg16"][:10]:
        if index in (5, 10, 17):
            x = F.max_pool2d(x, 2)
        x = F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1).relu()
        if index in wanted:
            found[wanted[index]] = x
    return found


def grams(x: Tensor) -> Tensor:
    channels, height, width = x.shape[1:]
    return torch.einsum("nchw,ndhw->ncd", x, x) / (channels * height * width)


def test_the_losses_are_those_of_the_sheet() -> None:
    method, batch = tiny(tv_weight=1.0), drawn()
    with torch.no_grad():
        painted = method.gen_a2b((batch.a + 1) * 127.5) / 127.5 - 1
    seen, photograph, look = features(painted), features(batch.a), features(batch.b)
    content = (seen["relu2_2"] - photograph["relu2_2"]).square().mean()
    style = torch.zeros(())
    for layer in seen:
        mean_look = (grams(look[layer])[0] + grams(look[layer])[1]) / 2
        style = style + (grams(seen[layer]) - mean_look).square().mean()
    levels = painted * 127.5
    across, down = levels[..., 1:] - levels[..., :-1], levels[..., 1:, :] - levels[..., :-1, :]
    given: dict[str, Tensor] = {}
    update = method.update
    method.update = lambda name, **terms: (given.update(terms), update(name, **terms))  # type: ignore
    losses = method.training_step(batch, Step(1, 1))
    assert losses["content"].item() == pytest.approx(content.item(), rel=1e-4)
    assert losses["style"].item() == pytest.approx(style.item(), rel=1e-4)
    smooth = across.square().mean() + down.square().mean()
    assert losses["tv"].item() == pytest.approx(smooth.item(), rel=1e-4)
    for name, weight in (("content", 1e5), ("style", 1e10), ("tv", 1.0)):
        assert given[name].item() == pytest.approx(weight * losses[name].item(), rel=1e-5)


def test_a_network_that_paints_the_style_itself_loses_nothing() -> None:
    method, batch = tiny(), drawn()
    method.gen_a2b = nn.Identity()
    update = method.update
    method.update = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    losses = method.training_step(Batch(batch.a, batch.a[:1].expand(2, -1, -1, -1)), Step(1, 1))
    assert losses["content"] < 1e-9 and losses["style"] > 1e-6
    losses = method.training_step(Batch(batch.a[:1], batch.a[:1]), Step(1, 1))
    assert losses["content"] < 1e-9 and losses["style"] < 1e-9
    method.update = update  # type: ignore[method-assign]


def test_the_look_of_several_pictures_is_their_mean_and_not_one_of_them() -> None:
    method, batch = tiny(), drawn(3)
    look = method._style_of(batch.b)["relu2_2"]
    expected = grams(features(batch.b)["relu2_2"]).mean(0, keepdim=True)
    torch.testing.assert_close(look, expected, rtol=1e-4, atol=1e-6)
    assert look.shape == (1, 4, 4) and not look.requires_grad
    # The gradient of a squared distance to the mean is the mean of the gradients to each.
    made = torch.randn(1, 4, 4, requires_grad=True)
    (to_mean,) = torch.autograd.grad((made - expected).square().mean(), made)
    each = [(made - one).square().mean() for one in grams(features(batch.b)["relu2_2"])]
    (mean_of,) = torch.autograd.grad(torch.stack(each).mean(), made)
    torch.testing.assert_close(to_mean, mean_of)


def test_the_vgg_never_learns_and_is_no_part_of_the_model() -> None:
    bare, method = tiny(ready=False), tiny()
    assert bare.state_dict().keys() == method.state_dict().keys()
    kept = [value.clone() for vgg in method.vggs.values() for value in vgg.state_dict().values()]
    before = [p.detach().clone() for p in method.parameters()]
    method.training_step(drawn(), Step(1, 1))
    now = [value for vgg in method.vggs.values() for value in vgg.state_dict().values()]
    assert all(value.equal(old) for value, old in zip(now, kept, strict=True))
    assert not any(p.requires_grad for vgg in method.vggs.values() for p in vgg.parameters())
    assert all(not p.equal(q) for p, q in zip(before, method.parameters(), strict=True) if p.dim() > 1)


def test_the_photograph_is_seen_no_deeper_than_its_layer() -> None:
    method = tiny()
    assert method.vggs["content"].layers == ("relu2_2",)
    assert count(method.vggs["content"]) < count(method.vggs["painted"]) / 2
    assert method.vggs["painted"].layers == ("relu2_2", "relu1_2", "relu3_3", "relu4_3")


@pytest.mark.parametrize(
    "settings", [{}, {"output": "tanh"}, {"layout": "tensorflow", "upsample": "transposed"}], ids=str
)
def test_a_translation_keeps_the_size_and_is_limited(settings: dict[str, str]) -> None:
    method = tiny(ready=False, **settings).eval()
    for parameter in method.gen_a2b.get_submodule("head").parameters():
        nn.init.normal_(parameter, 0, 300)
    for size in ((32, 36), (8, 64)):
        with torch.no_grad():
            painted = method.translate(torch.rand(1, 3, *size) * 2 - 1, "a2b")
        assert painted.shape == (1, 3, *size)
        assert painted.min() == -1 and painted.max() == 1


def test_black_and_white_are_0_and_255_inside() -> None:
    method, seen = tiny(ready=False), []
    method.gen_a2b = nn.Identity()
    method.gen_a2b.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    images = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    assert method.translate(images, "a2b").equal(images)
    assert seen[0].unique().tolist() == [0, 127.5, 255]


def test_a_step_in_bf16_is_close_to_one_in_fp32() -> None:
    exact, rough = tiny(), tiny()
    expected = exact.training_step(drawn(), Step(1, 1))
    with torch.autocast("cpu", torch.bfloat16):
        losses = rough.training_step(drawn(), Step(1, 1))
    for name, loss in losses.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected[name].item(), rel=0.05) and loss != expected[name]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"content_weight": 0, "style_weight": 0}, "nothing would be learnt"),
        ({"style_layers": []}, "names no layer"),
        ({"layout": "caffe"}, "layout"),
        ({"width": 0}, "width"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        parse(FastStyleConfig, settings)
    assert "\n" not in str(error.value)


def test_layers_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'relu6_1' is no layer"):
        tiny(style_layers=["relu6_1"])
    state = torch.load(drawn_vgg(), weights_only=True)
    torch.save({key: state[key] for key in list(state)[:8]}, tmp_path / "short.pth")
    with pytest.raises(WeightsError, match="has no relu3_3"):
        tiny(feature_weights=str(tmp_path / "short.pth"))
    tiny(feature_weights=str(tmp_path / "short.pth"), style_layers=["relu1_1", "relu2_1"])


def test_weights_of_another_convention_are_refused() -> None:
    with pytest.raises(
        WeightsError, match=r"torchvision convention.*for caffe.*--feature-convention torchvision"
    ):
        tiny(feature_convention="caffe")


def command(folder: Path, b: Path, *more: str) -> list[str]:
    """`reskin train fast_style` on one drawn photograph and the side `b`."""
    (folder / "a").mkdir(exist_ok=True)
    write_image(folder / "a" / "photo.png", np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8))
    words = ["train", "fast_style", "--a", str(folder / "a"), "--b", str(b), "--out", str(folder / "run")]
    words += ["--steps", "2", "--batch", "2", "--load-size", "32", "--crop-size", "32", "--device", "cpu"]
    return [*words, "--width", "4", "--blocks", "1", "--feature-weights", str(drawn_vgg()), *more]


@pytest.mark.sweep
def test_one_picture_is_a_whole_side(tmp_path: Path) -> None:
    wave = tmp_path / "wave.png"
    write_image(wave, np.random.default_rng(1).integers(0, 255, (50, 40, 3), np.uint8))
    assert main(command(tmp_path, wave)) == 0
    source, out = tmp_path / "a" / "photo.png", tmp_path / "painted.png"
    assert main(["translate", str(tmp_path / "run"), str(source), str(out), "--device", "cpu"]) == 0
    assert read_image(out).shape == (40, 48, 3)


def test_a_side_that_is_no_picture_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "wave.txt"
    text.write_text("a wave")
    for side, expected in ((text, "is a file, not a folder"), (tmp_path / "none.png", "does not exist")):
        assert main(command(tmp_path, side)) == 2
        assert expected in capsys.readouterr().err.strip().splitlines()[-1]
    (tmp_path / "wave.png").write_bytes(b"a wave")
    assert main(command(tmp_path, tmp_path / "wave.png")) == 2
    assert str(tmp_path / "wave.png") in capsys.readouterr().err


def test_missing_weights_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(name: str) -> Path:
        raise WeightsError(f"{name} cannot be fetched", "Get it elsewhere.")

    style = tmp_path / "style.png"
    write_image(style, np.random.default_rng(1).integers(0, 255, (50, 40, 3), np.uint8))
    monkeypatch.setattr("reskin.training.pretrained.find_weights", unreachable)
    words = [word for word in command(tmp_path, style) if word not in ("--feature-weights", str(drawn_vgg()))]
    assert main(words) == 2
    assert "vgg16 cannot be fetched" in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.slow
def test_it_fits_one_picture() -> None:
    """With the photograph as its own style there is one right answer: the picture itself."""
    method = tiny(width=8, content_weight=1.0, style_weight=1.0, learning_rate=5e-3)
    picture = drawn(1).a
    picture = F.interpolate(F.avg_pool2d(picture, 8), scale_factor=8.0, mode="bilinear")
    losses = []
    for step in range(1, 151):
        seed_step(0, step, 0)
        losses.append(sum(method.training_step(Batch(picture, picture), Step(1, 1)).values()).item())
    assert min(losses[-10:]) < 0.05 * losses[0]


def wave_painting(real_data: Path, photograph: Path) -> Tensor:
    """A photograph as the imported "wave" paints it, (1, 3, 128, 128): the style to learn."""
    found = read_style_network(real_data / "weights" / "fast_style_wave_fp16.pth")
    network = fast_style_network(**found.settings)
    network.load_state_dict(found.state)
    with torch.no_grad():
        levels = network((to_tensor(read_image(photograph)) + 1) * 127.5)
    return F.interpolate((levels / 127.5 - 1).clamp(-1, 1), size=(128, 128), mode="area")


@pytest.mark.slow
def test_a_style_is_learnt_and_the_photograph_stays(real_data: Path) -> None:
    photos = sorted((real_data / "unpaired/summer2winter_yosemite/trainA").iterdir())[:24]
    contents = torch.cat(
        [F.interpolate(to_tensor(read_image(path)), size=(96, 96), mode="area") for path in photos]
    )
    style, source = wave_painting(real_data, photos[0]), torch.Generator().manual_seed(0)
    layers = ["relu1_1", "relu2_1", "relu3_1"]
    method = tiny(
        width=8,
        blocks=2,
        learning_rate=1e-2,
        feature_weights=str(real_data / "weights" / "vgg19_normalised_relu3_1.pth"),
        feature_convention="normalised",
        content_layer="relu3_1",
        content_weight=1.0,
        style_layers=layers,
        style_weight=3e3,
    )

    def crop(images: Tensor) -> Tensor:
        which = int(torch.randint(len(images), (), generator=source))
        top, left = torch.randint(0, images.shape[-1] - 63, (2,), generator=source).tolist()
        return images[which : which + 1, :, top : top + 64, left : left + 64]

    losses = []
    for step in range(1, 151):
        seed_step(0, step, 0)
        made = method.training_step(Batch(crop(contents), crop(style)), Step(1, 1))
        losses.append(made["style"].item())
    assert np.mean(losses[-20:]) < 0.2 * losses[0]  # 0.11 seen

    with torch.no_grad():
        painted = method.eval().translate(contents[:8], "a2b")
    wanted = style.mean((0, 2, 3))
    far = [(images.mean((0, 2, 3)) - wanted).norm().item() for images in (contents[:8], painted)]
    assert far[1] < 0.6 * far[0]  # its colours are the style's; 0.43 seen
    greys = [F.avg_pool2d(images.mean(1), 4).flatten(1) for images in (contents[:8], painted)]
    alike = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*greys, strict=True)])
    assert alike.mean() > 0.65  # light and dark are where they were; 0.80 seen
