"""Generators built here in the layout of the CycleGAN and pix2pix repository and of CUT's, then imported."""

from __future__ import annotations

import hashlib
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from reskin.errors import CheckpointError
from reskin.runs.imports.generators import build_generator, read_generator


class Block(nn.Module):
    """One residual block; dropout moves the second convolution by one place."""

    def __init__(self, channels: int, norm, has_bias: bool, has_dropout: bool) -> None:
        super().__init__()
        drop = [nn.Dropout(0.5)] if has_dropout else []
        first = [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=has_bias),
            norm(channels),
            nn.ReLU(),
        ]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=has_bias), norm(channels)]
        self.conv_block = nn.Sequential(*first, *drop, *second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Resnet(nn.Module):
    """The repository's ResNet generator: one chain named `model`."""

    def __init__(self, width=8, blocks=9, norm="instance", has_dropout=False, channels=(3, 3)) -> None:
        super().__init__()
        make, bias = (nn.BatchNorm2d, False) if norm == "batch" else (nn.InstanceNorm2d, True)
        w = width
        chain = [nn.ReflectionPad2d(3), nn.Conv2d(channels[0], w, 7, bias=bias), make(w), nn.ReLU()]
        for few in (w, 2 * w):
            chain += [nn.Conv2d(few, 2 * few, 3, 2, 1, bias=bias), make(2 * few), nn.ReLU()]
        chain += [Block(4 * w, make, bias, has_dropout) for _ in range(blocks)]
        for many in (4 * w, 2 * w):
            up = nn.ConvTranspose2d(many, many // 2, 3, 2, 1, 1, bias=bias)
            chain += [up, make(many // 2), nn.ReLU()]
        chain += [nn.ReflectionPad2d(3), nn.Conv2d(w, channels[1], 7), nn.Tanh()]
        self.model = nn.Sequential(*chain)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Blur(nn.Module):
    """A change of size by a fixed kernel, saved as `filt`: [1, 2, 1] to halve, [1, 3, 3, 1] to double."""

    def __init__(self, channels: int, row: list[float]) -> None:
        super().__init__()
        kernel = torch.outer(torch.tensor(row), torch.tensor(row)) / 16
        self.register_buffer("filt", kernel.repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        if self.filt.shape[-1] == 3:
            padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
            return nn.functional.conv2d(padded, self.filt, stride=2, groups=x.shape[1])
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        large = nn.functional.conv_transpose2d(padded, self.filt, stride=2, groups=x.shape[1])
        return large[:, :, 3:-3, 3:-3]


class BlurredResnet(nn.Module):
    """CUT's generator: convolutions that keep the size, beside blurs that change it; all, some or none."""

    def __init__(
        self, width=4, blocks=9, norm="instance", has_dropout=False, channels=(3, 3), blurs="both"
    ) -> None:
        super().__init__()
        make, bias = (nn.BatchNorm2d, False) if norm == "batch" else (nn.InstanceNorm2d, True)
        w, down, up = width, [1.0, 2.0, 1.0], [1.0, 3.0, 3.0, 1.0]
        chain = [nn.ReflectionPad2d(3), nn.Conv2d(channels[0], w, 7, bias=bias), make(w), nn.ReLU()]
        for few in (w, 2 * w):
            is_blurred = blurs in ("both", "down")
            conv = nn.Conv2d(few, 2 * few, 3, stride=1 if is_blurred else 2, padding=1, bias=bias)
            chain += [conv, make(2 * few), nn.ReLU(), *([Blur(2 * few, down)] if is_blurred else [])]
        chain += [Block(4 * w, make, bias, has_dropout) for _ in range(blocks)]
        for many in (4 * w, 2 * w):
            conv = nn.Conv2d(many, many // 2, 3, padding=1, bias=bias)
            wide = nn.ConvTranspose2d(many, many // 2, 3, 2, 1, output_padding=1, bias=bias)
            layers = [Blur(many, up), conv] if blurs in ("both", "up") else [wide]
            chain += [*layers, make(many // 2), nn.ReLU()]
        chain += [nn.ReflectionPad2d(3), nn.Conv2d(w, channels[1], 7), nn.Tanh()]
        self.model = nn.Sequential(*chain)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Level(nn.Module):
    """One level of the repository's U-Net: everything deeper lies inside it."""

    def __init__(
        self, outer, inner, deeper, norm, is_outermost=False, inputs=None, has_dropout=False
    ) -> None:
        super().__init__()
        make, bias = (nn.BatchNorm2d, False) if norm == "batch" else (nn.InstanceNorm2d, True)
        self.is_outermost = is_outermost
        down = nn.Conv2d(inputs or outer, inner, 4, 2, 1, bias=bias)
        if is_outermost:
            chain = [down, deeper, nn.ReLU(), nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1), nn.Tanh()]
        elif deeper is None:
            up = nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=bias)
            chain = [nn.LeakyReLU(0.2, True), down, nn.ReLU(True), up, make(outer)]
        else:
            up = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=bias)
            chain = [nn.LeakyReLU(0.2, True), down, make(inner), deeper, nn.ReLU(True), up, make(outer)]
            chain += [nn.Dropout(0.5)] if has_dropout else []
        self.model = nn.Sequential(*chain)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.is_outermost else torch.cat([x, self.model(x)], 1)


class Unet(nn.Module):
    """The repository's U-Net generator, built from the inside out."""

    def __init__(self, width=2, halvings=8, norm="batch", has_dropout=False, channels=(3, 3)) -> None:
        super().__init__()
        w = width
        level = Level(8 * w, 8 * w, None, norm)
        for _ in range(halvings - 5):
            level = Level(8 * w, 8 * w, level, norm, has_dropout=has_dropout)
        for outer in (4 * w, 2 * w, w):
            level = Level(outer, 2 * outer, level, norm)
        self.model = Level(channels[1], w, level, norm, is_outermost=True, inputs=channels[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def trained(network: nn.Module, side: int, channels: int = 3) -> nn.Module:
    """Every weight away from where it starts, and statistics of a few batches."""
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.uniform_(parameter, 0.3, 0.8)
    for _ in range(2):
        network(torch.randn(2, channels, side, side))
    return network.eval()


def check_equal(theirs: nn.Module, path: Path, side: int, channels: int = 3) -> dict:
    """Import and compare what both make of the same pictures; the settings found."""
    imported = read_generator(path)
    ours = build_generator(imported.settings)
    ours.load_state_dict(imported.state)
    x = torch.rand(2, channels, side, side) * 2 - 1
    with torch.no_grad():
        expected, made = theirs(x), ours.eval()(x)
    assert expected.std((2, 3)).min() > 0.003  # a picture, not a flat colour
    assert expected.abs().mean() < 0.95
    assert (expected - made).abs().max() < 1e-5
    assert imported.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert all(value.is_contiguous() for value in imported.state.values())
    return imported.settings


@pytest.mark.parametrize("blocks", [6, 9])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("has_dropout", [False, True])
@pytest.mark.thinned(8)
def test_resnet_gives_the_same_pictures(tmp_path: Path, blocks: int, norm: str, has_dropout: bool) -> None:
    theirs = trained(Resnet(8, blocks, norm, has_dropout), 32)
    torch.save(theirs.state_dict(), path := tmp_path / "latest_net_G_A.pth")
    assert check_equal(theirs, path, 32) == {
        "generator": "resnet",
        "blocks": blocks,
        "width": 8,
        "norm": norm,
        "has_dropout": has_dropout,
        "in_channels": 3,
        "out_channels": 3,
    }


@pytest.mark.parametrize("blurs", ["down", "up"])
@pytest.mark.parametrize("blocks", [1, 2, 9])
@pytest.mark.thinned(2)
def test_a_generator_of_cut_with_half_its_blurs(tmp_path: Path, blocks: int, blurs: str) -> None:
    theirs = trained(BlurredResnet(4, blocks, blurs=blurs), 32)
    torch.save(theirs.state_dict(), path := tmp_path / "latest_net_G.pth")
    assert check_equal(theirs, path, 36)["antialias"] == blurs


@pytest.mark.parametrize("blocks", [2, 6, 9])
@pytest.mark.parametrize(
    ("norm", "has_dropout"), [("instance", False), ("instance", True), ("batch", False)], ids=str
)
@pytest.mark.thinned(3)
def test_a_generator_of_cut_gives_the_same_pictures(
    tmp_path: Path, blocks: int, norm: str, has_dropout: bool
) -> None:
    theirs = trained(BlurredResnet(4, blocks, norm, has_dropout), 32)
    torch.save(theirs.state_dict(), path := tmp_path / "latest_net_G.pth")
    assert check_equal(theirs, path, 36) == {
        "generator": "resnet",
        "blocks": blocks,
        "width": 4,
        "norm": norm,
        "has_dropout": has_dropout,
        "in_channels": 3,
        "out_channels": 3,
        "antialias": "both",
    }


def test_the_key_table_of_cut() -> None:
    """As listed for the repository's nine blocks; so the network above has its layers at the right places."""
    keys = BlurredResnet(4).state_dict().keys()
    assert {key for key in keys if key.endswith(".filt")} == {f"model.{i}.filt" for i in (7, 11, 21, 25)}
    numbers = {int(key.split(".")[1]) for key in keys if not key.endswith(".filt")}
    assert numbers == {1, 4, 8, *range(12, 21), 22, 26, 30}


@pytest.mark.parametrize("layer", [7, 11, 14, 18])
@pytest.mark.thinned(3)
def test_another_blur_or_none_is_refused(tmp_path: Path, layer: int) -> None:
    state, path, key = BlurredResnet(4, 2).state_dict(), tmp_path / "g.pth", f"model.{layer}.filt"
    side = state[key].shape[-1]
    for other in (
        torch.full_like(state[key], 1 / side**2),
        state[key] * 4,
        state[key][0],
        torch.zeros(4, 1, 5, 5),
    ):
        torch.save(state | {key: other}, path)
        assert f"'{key}'" in refused(path) and "another blur" in refused(path)
    torch.save({name: value for name, value in state.items() if name != key}, path)
    assert f"'{key}' is missing" in refused(path)
    torch.save(state | {"model.4.filt": state["model.7.filt"]}, path)
    assert "model.4.filt" in refused(path)


def test_blurs_in_half_precision_are_known(tmp_path: Path) -> None:
    theirs = trained(BlurredResnet(4, 1), 32).half()
    torch.save(theirs.state_dict(), path := tmp_path / "g.pth")
    check_equal(theirs.float(), path, 32)


@pytest.mark.parametrize("halvings", [7, 8])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("has_dropout", [False, True])
@pytest.mark.thinned(8)
def test_unet_gives_the_same_pictures(tmp_path: Path, halvings: int, norm: str, has_dropout: bool) -> None:
    theirs = trained(Unet(2, halvings, norm, has_dropout), 2**halvings)
    torch.save(theirs.state_dict(), path := tmp_path / "latest_net_G.pth")
    assert check_equal(theirs, path, 2**halvings) == {
        "generator": "unet",
        "downsamplings": halvings,
        "width": 2,
        "norm": norm,
        "has_dropout": False,
        "in_channels": 3,
        "out_channels": 3,
    }


@pytest.mark.parametrize("make", [partial(Resnet, 4, 1), partial(Unet, 3, 5)])
def test_other_channels(tmp_path: Path, make) -> None:
    theirs = trained(make(channels=(1, 4)), 32, channels=1)
    torch.save(theirs.state_dict(), path := tmp_path / "g.pth")
    settings = check_equal(theirs, path, 32, channels=1)
    assert (settings["in_channels"], settings["out_channels"]) == (1, 4)


@pytest.mark.parametrize("make", [partial(Resnet, 4, 2), partial(Unet, 2, 6, "instance")])
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
@pytest.mark.thinned(2)
def test_old_statistics_and_wrappers_are_dropped(tmp_path: Path, make, prefix: str) -> None:
    """Before torch 0.4, instance norm saved statistics that the repository never used."""
    theirs = trained(make(), 64)
    state = dict(theirs.state_dict())
    for name, module in theirs.named_modules():
        if isinstance(module, nn.InstanceNorm2d):
            state[f"{name}.running_mean"] = torch.randn(module.num_features)
            state[f"{name}.running_var"] = torch.rand(module.num_features)
            state[f"{name}.num_batches_tracked"] = torch.tensor(3)
    torch.save({prefix + key: value for key, value in state.items()}, path := tmp_path / "g.pth")
    check_equal(theirs, path, 64)


def test_old_batch_norm_without_its_counter(tmp_path: Path) -> None:
    theirs = trained(Resnet(4, 1, "batch"), 32)
    state = {k: v for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(state, path := tmp_path / "g.pth")
    check_equal(theirs, path, 32)


def test_old_file_form_wrapped_table_and_safetensors(tmp_path: Path) -> None:
    """Told apart by content: the suffix is wrong on purpose."""
    theirs = trained(Resnet(4, 1), 32)
    path = tmp_path / "g.pth"
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=False)
    check_equal(theirs, path, 32)
    torch.save({"epoch": 3, "state_dict": theirs.state_dict()}, path)
    check_equal(theirs, path, 32)
    save_file(theirs.state_dict(), path)
    check_equal(theirs, path, 32)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    theirs = trained(Resnet(4, 1), 32).half()
    torch.save(theirs.state_dict(), path := tmp_path / "g.pth")
    check_equal(theirs.float(), path, 32)


class Code:
    """A pickle that would make a file when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def refused(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError) as caught:
            read_generator(path)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.fix
    assert path.name in message
    return message


def test_files_with_code_are_not_opened(tmp_path: Path) -> None:
    mark = tmp_path / "opened"
    path = tmp_path / "g.pth"
    torch.save({"model.1.weight": Code(mark)}, path)
    assert "code" in refused(path)
    path.write_bytes(pickle.dumps(Code(mark)))
    refused(path)
    torch.save(Resnet(4, 1), path)  # a whole module instead of its weights
    assert "state_dict" in refused(path)
    assert not mark.exists()


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "g.pth"
    assert "no file" in refused(path)
    assert "folder" in refused(tmp_path)
    for content in (
        b"",
        b"\x00",
        b"hello, world",
        os.urandom(5000),
        b"\x10" + bytes(7) + b"{not json at all",
    ):
        path.write_bytes(content)
        refused(path)
    for content in (torch.zeros(3), {}, [1], {"a": 1}, {1: torch.zeros(1)}, {"state_dict": {}}):
        torch.save(content, path)
        refused(path)


def test_zip_archives(tmp_path: Path) -> None:
    inner, path = tmp_path / "inner.pth", tmp_path / "g.pth"
    torch.save(Resnet(4, 1).state_dict(), inner)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "inner.pth")
    assert "Unpack" in refused(path)
    with zipfile.ZipFile(inner) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert "packed again" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}.")
        archive.writestr("x/constants.pkl", b"\x80\x02).")
    assert "TorchScript" in refused(path)


def test_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "g.pth"
    torch.save(Resnet(4, 1).state_dict(), path)
    content = path.read_bytes()
    for length in (10, 1000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        refused(path)


def test_other_networks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "g.pth"
    weight = torch.zeros(8, 3, 4, 4)
    torch.save({"model.0.weight": weight, "model.2.weight": torch.zeros(16, 8, 4, 4)}, path)
    assert "discriminator" in refused(path)
    torch.save({"net.0.weight": torch.zeros(8, 3, 1, 1)}, path)
    assert "discriminator" in refused(path)
    torch.save({"model.0.weight": weight, "model.2.filt": torch.zeros(8, 1, 3, 3)}, path)
    assert "discriminator" in refused(path)
    torch.save({"mlp_0.0.weight": torch.zeros(8, 3), "mlp_0.0.bias": torch.zeros(8)}, path)
    assert "comparing patches" in refused(path)
    torch.save({"features.0.weight": weight, "features.0.bias": torch.zeros(8)}, path)
    assert "no known kind" in refused(path)


@pytest.mark.parametrize(
    "make", [partial(Resnet, 4, 2, "batch"), partial(Unet, 2, 6), partial(BlurredResnet, 4, 1)]
)
@pytest.mark.parametrize("step", [1, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.sweep
def test_damaged_tables_are_refused(tmp_path: Path, make, step: int) -> None:
    """One weight after the other: missing, of another shape, not finite; each in `step` of these ways."""
    path = tmp_path / "g.pth"
    whole = make().state_dict()
    weights = [key for key in whole if not key.endswith("num_batches_tracked")]
    for number, key in enumerate(weights[::3]):
        changes = (None, whole[key][:-1], whole[key][None], torch.full_like(whole[key], float("nan")))
        for change in [changes[(number + more) % 4] for more in range(step)]:
            state = {k: v.clone() for k, v in whole.items()}
            state.pop(key)
            if change is not None:
                state[key] = change.clone()
            torch.save(state, path)
            refused(path)
    torch.save({**whole, "model.99.weight": torch.zeros(3)}, path)
    assert "model.99.weight" in refused(path)
    torch.save({key: value.long() for key, value in whole.items()}, path)
    assert "float" in refused(path)
    torch.save(OrderedDict([*whole.items(), (f"module.{weights[0]}", whole[weights[0]])]), path)
    assert "twice" in refused(path)


def test_tensors_that_claim_more_than_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "g.pth"
    torch.save({"model.1.weight": torch.zeros(1).expand(10**6, 10**6, 7, 7)}, path)
    assert "plain" in refused(path)
    torch.save({"model.1.weight": torch.zeros(3, 3).to_sparse()}, path)
    assert "plain" in refused(path)
    torch.save({"model.1.weight": torch.zeros(3, 3, device="meta")}, path)
    assert "plain" in refused(path)


@pytest.mark.slow
def test_random_damage_never_shows_a_trace(tmp_path: Path) -> None:
    """Bytes changed at random: either the one-line error, or weights that fit."""
    path = tmp_path / "g.pth"
    generator = torch.Generator().manual_seed(0)
    for is_new in (True, False):
        torch.save(Resnet(2, 1).state_dict(), path, _use_new_zipfile_serialization=is_new)
        whole = path.read_bytes()
        for _ in range(300):
            content = bytearray(whole)
            for place in torch.randint(len(whole), (8,), generator=generator).tolist():
                content[place] = int(torch.randint(256, (1,), generator=generator))
            path.write_bytes(content)
            try:
                imported = read_generator(path)
            except CheckpointError:
                continue
            build_generator(imported.settings).load_state_dict(imported.state)
