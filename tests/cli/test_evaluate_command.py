"""`reskin evaluate`: what it prints, keeps and ends with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tests.runs.test_load import model_folder

from reskin.cli.main import main
from reskin.images import write_image
from reskin.networks.squeezenet import SqueezeNet
from reskin.runs import checkpoint
from reskin.runs.folder import RunFolder


@pytest.mark.sweep
def test_pictures_that_cannot_be_read_end_it_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        write_image(tmp_path / name, draw.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    run = model_folder(tmp_path / "run")
    words = ["evaluate", str(run), "--a", str(tmp_path / "a"), "--b", str(tmp_path / "b"), "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["swd_a2b"]["against"] == "real"
    assert main(words) == 0
    assert len(RunFolder(run).score_rows()) == 1  # the same again is no second line
    (tmp_path / "a" / "3.png").write_bytes(b"\x89PNG no more")
    assert main(words) == 3
    assert "pictures left out: 1, the first " in capsys.readouterr().err


def pictures(folder: Path, count: int, *, size: tuple[int, int] = (32, 32), seed: int = 0) -> Path:
    draw = np.random.default_rng(seed)
    for number in range(count):
        write_image(folder / f"{number}.png", draw.integers(0, 256, (*size, 3), dtype=np.uint8))
    return folder


def truth_of_another_size(folder: Path) -> list[str]:
    pictures(folder / "truth", 3, size=(40, 32))
    return ["--truth-a2b", str(folder / "truth")]


def truth_of_other_names(folder: Path) -> list[str]:
    write_image(folder / "truth" / "other.png", np.zeros((32, 32, 3), np.uint8))
    return ["--truth-a2b", str(folder / "truth")]


def one_picture(folder: Path) -> list[str]:
    for number in (1, 2):
        (folder / "b" / f"{number}.png").unlink()
    network = SqueezeNet(5)
    torch.save(network.state_dict(), folder / "squeezenet1_1_x.pth")
    return ["--metrics", "kid"]


def strange_labels(folder: Path) -> list[str]:
    for number in range(3):
        image = Image.fromarray(np.full((32, 32), 200, np.uint8))
        (folder / "labels").mkdir(exist_ok=True)
        image.save(folder / "labels" / f"{number}.png")
    words = ["--metrics", "fcn", "--palette", "camvid", "--labels", str(folder / "labels")]
    return [*words, "--label-domain", "b"]


def labels_of_the_other_direction(folder: Path) -> list[str]:
    return [word for word in strange_labels(folder) if word not in ("--label-domain", "b")]


def empty_split(folder: Path) -> list[str]:
    for path in (folder / "b").iterdir():
        path.unlink()
    return []


def without_finite_weights(folder: Path) -> list[str]:
    path = RunFolder(folder / "run").checkpoint(3)
    state = load_file(path)
    for tensor in (each for each in state.values() if each.is_floating_point()):
        tensor.fill_(float("nan"))
    checkpoint.save(path, state, {"step": 3})
    return []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (one_picture, "from 2 images on"),
        (truth_of_another_size, "same picture"),
        (truth_of_other_names, "is called like a picture"),
        (lambda folder: ["--metrics", "kid"], "no weights of SqueezeNet"),
        (strange_labels, "200"),
        (labels_of_the_other_direction, "Give --segmenter"),
        (empty_split, "no readable|no picture|no image|holds no"),
        (without_finite_weights, "finite|sound|NaN|number"),
        (lambda folder: ["--metrics", "kidd"], "Did you mean 'kid'"),
        (lambda folder: ["--step", "9"], "9"),
        (lambda folder: ["--metrics", "lpips"], "truth"),
        (lambda folder: ["--max-images", "0"], "max_images"),
    ],
)
@pytest.mark.thinned(4)
def test_what_cannot_be_measured_is_one_line_and_ends_with_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], list[str]],
    says: str,
) -> None:
    monkeypatch.setenv("RESKIN_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    run = model_folder(tmp_path / "run")
    a, b = pictures(tmp_path / "a", 3), pictures(tmp_path / "b", 3, seed=1)
    words = ["evaluate", str(run), "--a", str(a), "--b", str(b), "--device", "cpu", *spoil(tmp_path)]
    capsys.readouterr()
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert re.search(says, lines[-1]), lines
    assert len([line for line in lines if line.startswith("error")]) <= 1 and "Traceback" not in str(lines)
