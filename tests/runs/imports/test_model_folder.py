"""`reskin import`: a generator in the CycleGAN repository's layout becomes a model folder that translates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.runs.imports.test_generators import BlurredResnet, Resnet, Unet, trained
from torch import Tensor, nn

from reskin.cli.main import main
from reskin.images import read_image, to_image, to_tensor, write_image
from reskin.runs.load import load


def repository_generator(width: int = 8, blocks: int = 2) -> nn.Sequential:
    """A ResNet generator with that repository's order of layers, built without our code."""

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            again = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            self.conv_block = nn.Sequential(*half, nn.ReLU(), *again)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.conv_block(x)

    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, width, 7),
        nn.InstanceNorm2d(width),
        nn.ReLU(),
    ]
    for c in (width, 2 * width):
        layers += [nn.Conv2d(c, 2 * c, 3, 2, 1), nn.InstanceNorm2d(2 * c), nn.ReLU()]
    layers += [Block(4 * width) for _ in range(blocks)]
    for c in (4 * width, 2 * width):
        layers += [nn.ConvTranspose2d(c, c // 2, 3, 2, 1, 1), nn.InstanceNorm2d(c // 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


@pytest.fixture
def network() -> nn.Sequential:
    return repository_generator().eval()


def save(network: nn.Module, path: Path) -> Path:
    """The network's weights under the repository's key names."""
    torch.save({f"model.{key}": value for key, value in network.state_dict().items()}, path)
    return path


def test_an_imported_generator_translates_as_its_own_network_does(
    network: nn.Sequential, tmp_path: Path
) -> None:
    file = save(network, tmp_path / "latest_net_G_A.pth")
    picture = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    write_image(tmp_path / "in.png", picture)
    assert main(["import", str(file), "--out", str(tmp_path / "model")]) == 0
    words = ["translate", str(tmp_path / "model"), str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    assert main([*words, "--precision", "fp32", "--device", "cpu"]) == 0
    with torch.no_grad():
        expected = to_image(network(to_tensor(picture)))[0]
    # Rounding to bytes may fall either way where the two agree to 1e-5.
    assert np.abs(read_image(tmp_path / "out.png").astype(int) - expected.astype(int)).max() <= 1


def translated(network: nn.Module, file: Path, side: int) -> int:
    """Import `file`, translate a picture with it and with the network itself; the largest difference."""
    model, folder = file.with_suffix(""), file.parent
    picture = np.random.default_rng(0).integers(0, 255, (side, side + side // 2, 3), dtype=np.uint8)
    write_image(folder / "in.png", picture[:, :side] if isinstance(network, Unet) else picture)
    assert main(["import", str(file), "--out", str(model)]) == 0
    words = ["translate", str(model), str(folder / "in.png"), str(folder / "out.png")]
    assert main([*words, "--precision", "fp32", "--device", "cpu"]) == 0
    with torch.no_grad():
        expected = to_image(network(to_tensor(read_image(folder / "in.png"))))[0]
    return int(np.abs(read_image(folder / "out.png").astype(int) - expected.astype(int)).max())


def test_a_generator_of_cut_becomes_a_model_of_cut_that_goes_one_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = trained(BlurredResnet(8, 2), 32)
    torch.save(network.state_dict(), file := tmp_path / "latest_net_G.pth")
    assert translated(network, file, 32) <= 1
    model = load(tmp_path / "latest_net_G", device="cpu")
    assert type(model).__name__ == "CUT" and model.directions == ("a2b",)

    capsys.readouterr()
    assert main(["import", str(file), "--out", str(tmp_path / "back"), "--direction", "b2a"]) == 2
    assert "no way back" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("antialias", ["down", "up", "none"])
@pytest.mark.thinned(3)
@pytest.mark.sweep
def test_generators_of_cut_with_fewer_blurs(tmp_path: Path, antialias: str) -> None:
    network = trained(BlurredResnet(4, 2, blurs=antialias), 32)
    torch.save(network.state_dict(), file := tmp_path / "latest_net_G.pth")
    assert translated(network, file, 32) <= 1
    model = load(tmp_path / "latest_net_G", device="cpu")
    assert type(model).__name__ == ("CycleGAN" if antialias == "none" else "CUT")


def test_a_generator_of_cut_with_batch_norm_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(BlurredResnet(4, 1, "batch").state_dict(), tmp_path / "g.pth")
    assert main(["import", str(tmp_path / "g.pth"), "--out", str(tmp_path / "model")]) == 2
    assert "CUT with batch norm" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


@pytest.mark.sweep
def test_a_unet_of_pix2pix_with_batch_norm_and_dropout_translates(tmp_path: Path) -> None:
    network = trained(Unet(4, 7, "batch", has_dropout=True), 128)
    torch.save(network.state_dict(), file := tmp_path / "latest_net_G.pth")
    assert translated(network, file, 128) <= 1
    assert load(tmp_path / "latest_net_G", device="cpu").size_multiple == 128


def test_a_unet_with_batch_norm_translates_as_its_repository_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = trained(Unet(4, 5, "batch", has_dropout=True), 32)  # so few levels have no dropout
    torch.save(network.state_dict(), file := tmp_path / "latest_net_G.pth")
    out = str(tmp_path / "model")
    assert main(["import", str(file), "--out", out, "--has-test-noise"]) == 0
    model = load(out, device="cpu")
    assert type(model).__name__ == "Pix2Pix" and model.config.has_dropout
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    own = torch.cat([network.train()(image[None]) for image in images])
    with torch.no_grad():
        assert (model.translate(images, "a2b") - own).abs().max() < 1e-4
    capsys.readouterr()
    other = save(repository_generator(), tmp_path / "resnet.pth")
    for source, words in ((other, []), (file, ["--direction", "b2a"])):
        made = str(tmp_path / "other")
        assert main(["import", str(source), "--out", made, "--has-test-noise", *words]) == 2
        assert "noise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("norm", "has_dropout"), [("batch", False), ("batch", True), ("instance", True)], ids=str
)
@pytest.mark.thinned(3)
@pytest.mark.sweep
def test_a_resnet_with_batch_norm_or_dropout_as_its_repository_tests_it(
    norm: str, has_dropout: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """test.py leaves networks in training unless --eval is given: CycleGAN's of `--norm batch` too."""
    network = trained(Resnet(4, 2, norm, has_dropout), 32)
    torch.save(network.state_dict(), file := tmp_path / "net.pth")
    plain, noisy = str(tmp_path / "plain"), str(tmp_path / "noisy")
    assert main(["import", str(file), "--out", plain]) == 0
    assert "--has-test-noise" in capsys.readouterr().err
    assert main(["import", str(file), "--out", noisy, "--has-test-noise"]) == 0
    assert "--has-test-noise" not in capsys.readouterr().err
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    model = load(noisy, device="cpu")
    with torch.no_grad():
        torch.manual_seed(5)
        ours = model.translate(images, "a2b")
        torch.manual_seed(5)
        theirs = torch.cat([network.train()(image[None]) for image in images])
        assert (ours - theirs).abs().max() < 1e-4
        assert (load(plain, device="cpu").translate(images, "a2b") - theirs).abs().max() > 0.01
        torch.manual_seed(5)  # and the statistics of training stay as they are
        assert torch.equal(model.translate(images, "a2b"), ours)


@pytest.mark.parametrize("channels", [(1, 3), (3, 1), (1, 1), (4, 4)], ids=str)
@pytest.mark.thinned(3, first=1)
def test_a_generator_of_other_channels_is_refused(
    channels: tuple[int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of grey or transparent pictures: it could be loaded, but never be given a picture."""
    torch.save(Unet(2, 5, "batch", channels=channels).state_dict(), file := tmp_path / "latest_net_G.pth")
    assert main(["import", str(file), "--out", str(tmp_path / "model")]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"turns {channels[0]} channels into {channels[1]}" in said and "Only colour pictures" in said
    assert not (tmp_path / "model").exists()


def test_the_direction_follows_the_name_and_the_other_one_is_refused(
    network: nn.Sequential, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save(network, tmp_path / "latest_net_G_B.pth")
    assert main(["import", str(file), "--out", str(tmp_path / "model")]) == 0
    assert load(tmp_path / "model", device="cpu").directions == ("b2a",)
    write_image(tmp_path / "in.png", np.zeros((8, 8, 3), np.uint8))
    capsys.readouterr()
    words = ["translate", str(tmp_path / "model"), str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    assert main([*words, "--direction", "a2b"]) == 2
    assert "does not translate a2b" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_model_is_not_overwritten(
    network: nn.Sequential, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save(network, tmp_path / "latest_net_G_A.pth")
    words = ["import", str(file), "--out", str(tmp_path / "model")]
    assert main(words) == 0
    assert main([*words, "--direction", "b2a"]) == 2
    assert "holds a model already" in capsys.readouterr().err
    with torch.no_grad():
        next(network.parameters()).add_(1.0)
    save(network, file)
    assert main(words) == 2
    assert "holds a model already" in capsys.readouterr().err


def test_the_same_import_finds_its_finished_folder(network: nn.Sequential, tmp_path: Path) -> None:
    """A kill between the last rename and the last word must not make the same command fail."""
    file = save(network, tmp_path / "latest_net_G_A.pth")
    words = ["import", str(file), "--out", str(tmp_path / "model")]
    assert main(words) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert main(words) == 0
    assert before == {path: path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file()}
