"""Style networks in the layouts of others, imported and compared with their own arithmetic."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.cli.main import main
from reskin.errors import CheckpointError
from reskin.images import read_image, to_image, to_tensor, write_image
from reskin.networks.fast_style import fast_style_network
from reskin.runs.imports.fast_style import is_style_network, read_style_network
from reskin.runs.load import load

State = dict[str, Tensor]


def tensorflow_file(width: int = 4, blocks: int = 2) -> State:
    """A drawn network under the names of TensorFlow's variables."""
    w = width
    shapes = {"down.0": (w, 3, 9), "down.1": (2 * w, w, 3), "down.2": (4 * w, 2 * w, 3)}
    shapes |= {f"res.{i}.{half}": (4 * w, 4 * w, 3) for i in range(blocks) for half in "ab"}
    shapes |= {"up.0": (4 * w, 2 * w, 3), "up.1": (2 * w, w, 3), "out": (3, w, 9)}  # up: in before out
    state = {}
    for name, (first, second, side) in shapes.items():
        channels = second if name.startswith("up") else first
        state[f"{name}.conv.weight"] = (0.2 * torch.randn(first, second, side, side)).half()
        state[f"{name}.scale"], state[f"{name}.shift"] = 1 + 0.3 * torch.randn(2, channels)
    return state


def same(sides: tuple[int, int], kernel: int, stride: int) -> list[int]:
    """Zeros that TensorFlow's padding "SAME" adds, in the order of torch's pad: left, right, top, bottom."""
    padding = []
    for side in reversed(sides):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        padding += [total // 2, total - total // 2]
    return padding


def as_tensorflow(state: State, levels: Tensor) -> Tensor:
    """What TensorFlow computes from levels of 0 to 255, written out by its definitions."""
    weights = {key: value.float() for key, value in state.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        scale, shift = (weights[f"{name}.{kind}"].view(1, -1, 1, 1) for kind in ("scale", "shift"))
        return scale * (x - mean) / (variance + 1e-3).sqrt() + shift

    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.conv.weight"]
        padded = F.pad(x, same((x.shape[2], x.shape[3]), weight.shape[-1], stride))
        return norm(F.conv2d(padded, weight, stride=stride), name)

    def enlarged(x: Tensor, name: str) -> Tensor:
        # A transposed convolution is the gradient of the convolution that halves the larger picture.
        larger = torch.zeros(len(x), weights[f"{name}.conv.weight"].shape[1], 2 * x.shape[2], 2 * x.shape[3])
        larger.requires_grad_()
        padded = F.pad(larger, same((larger.shape[2], larger.shape[3]), 3, 2))
        halved = F.conv2d(padded, weights[f"{name}.conv.weight"], stride=2)
        (made,) = torch.autograd.grad(halved, larger, x)
        return norm(made, name)

    x = layer(layer(layer(levels, "down.0").relu(), "down.1", 2).relu(), "down.2", 2).relu()
    for block in range(len({key.split(".")[1] for key in state if key.startswith("res")})):
        x = x + layer(layer(x, f"res.{block}.a").relu(), f"res.{block}.b")
    x = enlarged(enlarged(x, "up.0").relu(), "up.1").relu()
    return 150 * torch.tanh(layer(x, "out")) + 127.5


class Example(nn.Module):
    """The form and the names of PyTorch's example, put together from torch's own layers."""

    def __init__(self, width: int = 4, blocks: int = 2) -> None:
        super().__init__()
        self.steps: list[tuple[str, str | None, int, int]] = []
        w = width
        chain = (("conv1", 3, w, 9, 1, 1), ("conv2", w, 2 * w, 3, 2, 1), ("conv3", 2 * w, 4 * w, 3, 2, 1))
        ups = (("deconv1", 4 * w, 2 * w, 3, 1, 2), ("deconv2", 2 * w, w, 3, 1, 2), ("deconv3", w, 3, 9, 1, 1))
        for place, (name, few, many, side, stride, grow) in enumerate((*chain, *ups), start=1):
            self.add_module(name, self._convolution(few, many, side, stride))
            if place < 6:
                self.add_module(f"in{place}", nn.InstanceNorm2d(many, affine=True))
            self.steps.append((name, f"in{place}" if place < 6 else None, grow, side))
        self.blocks = blocks
        for block in range(1, blocks + 1):
            inside = nn.Module()
            for half in (1, 2):
                inside.add_module(f"conv{half}", self._convolution(4 * w, 4 * w, 3, 1))
                inside.add_module(f"in{half}", nn.InstanceNorm2d(4 * w, affine=True))
            self.add_module(f"res{block}", inside)
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.1, 0.3)

    @staticmethod
    def _convolution(few: int, many: int, side: int, stride: int) -> nn.Module:
        mirrored = nn.Sequential(
            OrderedDict(pad=nn.ReflectionPad2d(side // 2), conv2d=nn.Conv2d(few, many, side, stride))
        )
        return mirrored

    def forward(self, x: Tensor) -> Tensor:
        for place, (name, norm, grow, _) in enumerate(self.steps):
            if place == 3:
                for block in range(1, self.blocks + 1):
                    part = self.get_submodule(f"res{block}")
                    x = x + part.in2(part.conv2(part.in1(part.conv1(x)).relu()))
            x = self.get_submodule(name)(F.interpolate(x, scale_factor=grow) if grow > 1 else x)
            x = self.get_submodule(norm)(x).relu() if norm else x
        return x


def saved(state: State, path: Path) -> Path:
    torch.save(state, path)
    return path


def built(path: Path) -> nn.Module:
    found = read_style_network(path)
    network = fast_style_network(**found.settings)
    network.load_state_dict(found.state)
    return network.eval()


def test_a_tensorflow_network_computes_what_tensorflow_does(tmp_path: Path) -> None:
    state = tensorflow_file()
    levels = torch.rand(2, 3, 20, 32) * 255
    path = saved(state, tmp_path / "wave.pth")
    found = read_style_network(path)
    expected = {"layout": "tensorflow", "width": 4, "blocks": 2, "upsample": "transposed", "output": "tanh"}
    assert found.settings == expected
    with torch.no_grad():
        painted = built(path)(levels)
    torch.testing.assert_close(painted, as_tensorflow(state, levels), rtol=0, atol=2e-2)  # of 300 levels


def test_a_network_of_the_pytorch_example_computes_what_it_did(tmp_path: Path) -> None:
    example = Example().eval()
    state = example.state_dict()
    for i in range(1, 6):  # as files from before torch 0.4 have them
        state[f"in{i}.running_mean"] = torch.zeros(1)
    levels = torch.rand(2, 3, 20, 32) * 255
    network = built(saved(dict(state), tmp_path / "candy.pth"))
    with torch.no_grad():
        expected = example(levels)
        torch.testing.assert_close(network(levels), expected, rtol=0, atol=1e-4 * expected.abs().max().item())


@pytest.mark.sweep
def test_the_wave_paints_what_tensorflow_would(real_data: Path) -> None:
    path = real_data / "weights" / "fast_style_wave_fp16.pth"
    network = built(path)
    assert sum(p.numel() for p in network.parameters()) == 1_677_638
    picture = read_image(sorted((real_data / "unpaired/summer2winter_yosemite/testA").iterdir())[0])
    levels = torch.from_numpy(picture[:96, :128].copy()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        painted = network(levels)
    expected = as_tensorflow(torch.load(path, weights_only=True), levels)
    assert (painted - expected).abs().max() < 0.5  # rounding, grown in 16 norms
    assert (painted - expected).abs().mean() < 0.01


def test_an_imported_style_translates_pictures_of_any_size(tmp_path: Path) -> None:
    state = tensorflow_file()
    file = saved(state, tmp_path / "wave.pth")
    model = str(tmp_path / "model")
    assert main(["import", str(file), "--out", model]) == 0
    for height, width in ((32, 48), (33, 47), (5, 70)):
        picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        source, out = tmp_path / "in.png", tmp_path / f"{height}x{width}.png"
        write_image(source, picture)
        assert (
            main(["translate", model, str(source), str(out), "--device", "cpu", "--precision", "fp32"]) == 0
        )
        assert read_image(out).shape == picture.shape
        if height == 32:
            expected = to_image(as_tensorflow(state, (to_tensor(picture) + 1) * 127.5) / 127.5 - 1)[0]
            assert np.abs(read_image(out).astype(int) - expected.astype(int)).max() <= 1


def test_a_style_has_no_way_back_and_a_model_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = str(saved(tensorflow_file(), tmp_path / "wave.pth")), tmp_path / "model"
    assert main(["import", file, "--out", str(out), "--direction", "b2a"]) == 2
    assert "no way back" in capsys.readouterr().err and not out.exists()
    assert main(["import", file, "--out", str(out)]) == 0
    assert load(out, device="cpu").directions == ("a2b",)
    assert main(["import", file, "--out", str(out)]) == 0  # the same command finds its work done
    other = str(saved(tensorflow_file(), tmp_path / "other.pth"))
    (tmp_path / "other.pth").write_bytes((tmp_path / "other.pth").read_bytes() + b"0")
    assert main(["import", other, "--out", str(out)]) == 2
    assert "holds a model already" in capsys.readouterr().err


def without(state: State, key: str) -> State:
    return {name: value for name, value in state.items() if name != key}


def damaged() -> dict[str, tuple[State, str]]:
    state: Any = tensorflow_file()
    empty = {key: value[:0] if key.startswith("down.0") else value for key, value in state.items()}
    return {
        "missing": (without(state, "up.1.shift"), "'up.1.shift' is missing"),
        "more": (state | {"extra.weight": torch.zeros(1)}, "'extra.weight'"),
        "shape": (
            state | {"up.0.conv.weight": torch.zeros(8, 16, 3, 3)},
            "is (8, 16, 3, 3), not (16, 8, 3, 3)",
        ),
        "nan": (state | {"out.scale": torch.full((3,), torch.nan)}, "NaN or infinity"),
        "integers": (state | {"out.scale": torch.ones(3, dtype=torch.int64)}, "not a float"),
        "no channels": (empty, "without channels"),
        "no blocks": ({k: v for k, v in state.items() if "res" not in k}, "without channels or blocks"),
    }


@pytest.mark.parametrize("case", ["missing", "more", "shape", "nan", "integers", "no channels", "no blocks"])
@pytest.mark.thinned(3, first=2)
def test_a_damaged_file_is_refused_in_one_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, expected = damaged()[case]
    file = saved(state, tmp_path / "wave.pth")
    with pytest.raises(CheckpointError) as error:
        read_style_network(file)
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert main(["import", str(file), "--out", str(tmp_path / "model")]) == 2
    assert not (tmp_path / "model").exists()


def test_other_files_are_no_style(tmp_path: Path) -> None:
    other = saved({"model.1.weight": torch.zeros(4, 3, 7, 7)}, tmp_path / "other.pth")
    assert not is_style_network(other) and not is_style_network(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="no network of fast style transfer"):
        read_style_network(other)
