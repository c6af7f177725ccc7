"""VGG: its layers against a sequence put together here, for every layout of files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.support.drawn_vgg import CONVOLUTIONS, drawn_vgg
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError, WeightsError
from reskin.images import read_image, to_tensor
from reskin.networks.vgg import Pooling, Vgg, layers_in, read_vgg

RELUS = {
    "vgg19": "1_1 1, 1_2 3, 2_1 6, 2_2 8, 3_1 11, 3_2 13, 3_3 15, 3_4 17, 4_1 20, 4_2 22, 4_3 24, 4_4 26, "
    "5_1 29, 5_2 31, 5_3 33, 5_4 35",
    "vgg16": "1_1 1, 1_2 3, 2_1 6, 2_2 8, 3_1 11, 3_2 13, 3_3 15, 4_1 18, 4_2 20, 4_3 22, "
    "5_1 25, 5_2 27, 5_3 29",
}
"""Index of every ReLU in torchvision's `features`."""
POOLS = {"vgg19": (4, 9, 18, 27, 36), "vgg16": (4, 9, 16, 23, 30)}
TABLE = {
    kind: {f"relu{name}": int(index) for name, index in re.findall(r"(\d_\d) (\d+)", text)}
    for kind, text in RELUS.items()
}


def images(side: int = 64, count: int = 2) -> Tensor:
    return torch.rand(count, 3, side, side + 6, generator=torch.Generator().manual_seed(7)) * 2 - 1


def torchvision_sequence(kind: str, *, pool: type[nn.Module] = nn.MaxPool2d) -> nn.Sequential:
    """`features` as torchvision builds it, filled from the drawn file by torch's own loader."""
    state = torch.load(drawn_vgg(kind), weights_only=True)
    layers: list[nn.Module] = []
    channels = 3
    for index in range(POOLS[kind][-1] + 1):
        if index in CONVOLUTIONS[kind]:
            layers.append(nn.Conv2d(channels, 4, 3, padding=1))
            channels = 4
        else:
            layers.append(pool(2) if index in POOLS[kind] else nn.ReLU())
    features = nn.Sequential(*layers)
    features.load_state_dict({key.removeprefix("features."): value for key, value in state.items()})
    return features


def imagenet(pictures: Tensor) -> Tensor:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((pictures + 1) / 2 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)


def caffe(pictures: Tensor) -> Tensor:
    red, green, blue = ((pictures + 1) * 127.5).unbind(1)
    return torch.stack([blue - 103.939, green - 116.779, red - 123.68], 1)


def caffe_file(kind: str, folder: Path) -> Path:
    """The drawn weights under the names of the Caffe files."""
    state, drawn = {}, torch.load(drawn_vgg(kind), weights_only=True)
    for relu, index in TABLE[kind].items():
        for part in ("weight", "bias"):
            state[f"conv{relu[4:]}.{part}"] = drawn[f"features.{index - 1}.{part}"]
    torch.save(state, folder / "caffe.pth")
    return folder / "caffe.pth"


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.thinned(2)
def test_every_layer_equals_that_of_the_index_table(kind: str, pooling: Pooling) -> None:
    sequence = torchvision_sequence(kind, pool=nn.MaxPool2d if pooling == "max" else nn.AvgPool2d)
    names = [name for relu in TABLE[kind] for name in (f"conv{relu[4:]}", relu)]
    found = read_vgg(drawn_vgg(kind), names, pooling=pooling)(images())
    assert list(found) == names
    for relu, index in TABLE[kind].items():
        before = sequence[:index](imagenet(images()))
        torch.testing.assert_close(found[f"conv{relu[4:]}"], before, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[relu], before.relu(), rtol=1e-4, atol=1e-5)
        assert found[f"conv{relu[4:]}"].min() < 0 <= found[relu].min()


def test_relu4_2_of_vgg16_is_index_20_and_28_px_wide_at_224() -> None:
    assert TABLE["vgg16"]["relu4_2"] == 20
    pictures = torch.zeros(1, 3, 224, 224)
    features = read_vgg(drawn_vgg("vgg16"), ["relu4_2"])(pictures)["relu4_2"]
    assert features.shape == (1, 4, 28, 28)
    assert torchvision_sequence("vgg16")[:21](pictures).shape == features.shape


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
def test_caffe_layout_takes_bgr_less_the_mean(kind: str, tmp_path: Path) -> None:
    vgg = read_vgg(caffe_file(kind, tmp_path), list(TABLE[kind]))
    assert vgg.convention == "caffe"
    sequence = torchvision_sequence(kind)
    for name, features in vgg(images()).items():
        torch.testing.assert_close(
            features, sequence[: TABLE[kind][name] + 1](caffe(images())), rtol=1e-4, atol=1e-3
        )


def plain_sequence(width: int = 4) -> nn.Sequential:
    """The start of the style transfer VGG, as shared/data/README.md lists it, with drawn weights."""

    def convolution(inputs: int) -> list[nn.Module]:
        return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, width, 3), nn.ReLU()]

    torch.manual_seed(3)
    sequence = nn.Sequential(
        nn.Conv2d(3, 3, 1), *convolution(3), *convolution(width), nn.MaxPool2d(2),
        *convolution(width), *convolution(width), nn.MaxPool2d(2), *convolution(width),
    )  # fmt: skip
    return sequence.requires_grad_(False)


def test_plain_sequence_with_mirrored_edges(tmp_path: Path) -> None:
    sequence = plain_sequence()
    assert [index for index, layer in enumerate(sequence) if isinstance(layer, nn.Conv2d)] == [
        0,
        2,
        5,
        9,
        12,
        16,
    ]
    torch.save(sequence.state_dict(), tmp_path / "plain.pth")
    indices = {"relu1_1": 3, "relu1_2": 6, "relu2_1": 10, "relu2_2": 13, "relu3_1": 17}
    vgg = read_vgg(tmp_path / "plain.pth", list(indices))
    assert vgg.convention == "normalised"
    for name, features in vgg(images()).items():
        expected = sequence[: indices[name] + 1]((images() + 1) / 2)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_real_weights_give_means_of_one(real_data: Path) -> None:
    """They were rescaled so that a channel is 1 on average over photographs; a wrong channel order shows."""
    names = ["relu1_1", "relu2_1", "relu3_1"]
    vgg = read_vgg(real_data / "weights" / "vgg19_normalised_relu3_1.pth", names)
    photographs = sorted((real_data / "unpaired/horse2zebra/testA").iterdir())[:8]
    pictures = torch.cat([to_tensor(read_image(path)) for path in photographs])
    for name, features in vgg(pictures).items():
        assert 0.7 < features.mean() < 1.4, name


def test_classifier_half_precision_and_safetensors_make_no_difference(tmp_path: Path) -> None:
    state = torch.load(drawn_vgg("vgg19"), weights_only=True)
    wanted = read_vgg(drawn_vgg("vgg19"), ["relu2_1"])(images())["relu2_1"]
    torch.save(state | {"classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "whole.pth")
    save_file(state, tmp_path / "whole.safetensors")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({key: value.half() for key, value in state.items()}, tmp_path / "half.pth")
    for file in ("whole.pth", "whole.safetensors", "old.pth"):
        assert torch.equal(read_vgg(tmp_path / file, ["relu2_1"])(images())["relu2_1"], wanted), file
    found = read_vgg(tmp_path / "half.pth", ["relu2_1"])(images())["relu2_1"]
    torch.testing.assert_close(found, wanted, rtol=0.01, atol=0.01)


def test_is_frozen_but_lets_gradients_through_and_stops_at_the_last_layer() -> None:
    vgg = read_vgg(drawn_vgg("vgg19"), ["relu3_1", "conv1_2"])
    assert not any(parameter.requires_grad for parameter in vgg.parameters())
    assert not vgg.train().training
    assert list(vgg.convolutions) == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    pictures = images().requires_grad_()
    found = vgg(pictures)
    assert list(found) == ["relu3_1", "conv1_2"]
    found["relu3_1"].sum().backward()
    assert pictures.grad is not None and pictures.grad.abs().sum() > 0
    assert list(read_vgg(drawn_vgg("vgg19"), ["conv2_1"]).convolutions)[-1] == "conv2_1"


def test_width_is_read_off_the_file() -> None:
    assert read_vgg(drawn_vgg("vgg16", 6), ["relu1_1"])(images())["relu1_1"].shape[1] == 6


def damaged(state: dict[str, Tensor], what: str) -> object:
    if what == "shape":
        return state | {"features.2.weight": torch.zeros(4, 3, 3, 3)}
    if what == "no bias":
        return {key: value for key, value in state.items() if key != "features.2.bias"}
    if what == "nan":
        return state | {"features.2.weight": state["features.2.weight"] * float("nan")}
    if what == "gap":
        return {key: value for key, value in state.items() if not key.startswith("features.2.")}
    if what == "blocks":  # the third block ends after two convolutions
        return {k: v for k, v in state.items() if int(k.split(".")[1]) <= 12} | {
            f"features.15.{part}": state[f"features.12.{part}"] for part in ("weight", "bias")
        }
    return {"keys": {"a.weight": torch.zeros(1)}, "list": [1, 2]}[what]


@pytest.mark.parametrize("what", ["shape", "no bias", "nan", "gap", "blocks", "keys", "list"])
def test_what_is_no_vgg_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    torch.save(damaged(torch.load(drawn_vgg("vgg16"), weights_only=True), what), tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth is no VGG: .*https://download\.pytorch\.org") as caught:
        read_vgg(tmp_path / "x.pth", ["relu1_1"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_a_file_that_holds_no_tensors(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(WeightsError, match="cannot be read as tensors"):
        read_vgg(tmp_path / name, ["relu1_1"])
    # Two methods look for VGG-16 there and one for VGG-19, so a name alone would mislead.
    both = r"there are no weights at .*vgg16-397923af\.pth or .*vgg19-dcbb9e9d\.pth.* RESKIN_WEIGHTS"
    with pytest.raises(WeightsError, match=both):
        read_vgg(tmp_path / "missing.pth", ["relu1_1"])


def test_the_other_convention_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is a VGG of the torchvision convention, wanted caffe. Give"):
        read_vgg(drawn_vgg(), ["relu1_1"], convention="caffe")
    with pytest.raises(WeightsError, match="of the caffe convention, wanted torchvision"):
        read_vgg(caffe_file("vgg16", tmp_path), ["relu1_1"], convention="torchvision")
    assert isinstance(read_vgg(drawn_vgg(), ["relu1_1"], convention="torchvision"), Vgg)


def test_missing_layers_name_those_that_are_there(tmp_path: Path) -> None:
    torch.save(plain_sequence().state_dict(), tmp_path / "short.pth")
    message = (
        r"short\.pth has no relu4_1, conv5_1, only relu1_1, relu1_2, relu2_1, relu2_2, relu3_1\. "
        r"Ask for .*https://download\.pytorch\.org/models/vgg19.* RESKIN_WEIGHTS"
    )
    with pytest.raises(WeightsError, match=message):
        read_vgg(tmp_path / "short.pth", ["relu1_1", "relu4_1", "conv5_1"])
    assert layers_in(tmp_path / "short.pth") == ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1")
    with pytest.raises(WeightsError, match=r"has no relu3_4, only .*relu5_3"):
        read_vgg(drawn_vgg("vgg16"), ["relu3_4"])


def test_bad_names_and_small_pictures(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'relu6_1' is no layer of a VGG"):
        read_vgg(drawn_vgg(), ["relu1_1", "relu6_1"])
    with pytest.raises(SettingsError, match="no layer of the VGG was asked for"):
        read_vgg(drawn_vgg(), [])
    vgg = read_vgg(drawn_vgg(), ["relu5_1"])
    assert vgg(torch.zeros(1, 3, 16, 16))["relu5_1"].shape == (1, 4, 1, 1)
    with pytest.raises(ShapeError, match="at least 16"):
        vgg(torch.zeros(1, 3, 15, 16))
    torch.save(plain_sequence().state_dict(), tmp_path / "plain.pth")
    vgg = read_vgg(tmp_path / "plain.pth", ["relu3_1"])
    vgg(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ShapeError, match="at least 8"):
        vgg(torch.zeros(1, 3, 7, 8))
