"""Folders and files whose names are no UTF-8, as old archives and disks leave them: everything works there.

Several libraries take no such name: safetensors refuses it, torch does where it maps a file, and OpenCV ends
the process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from tests.contract.test_failing_writes import commands
from tests.evaluation.test_classifiers import colour_classifier
from tests.support.drawn_vgg import drawn_vgg
from tests.support.finished_folders import (
    draw_sources,
    make_asked,
    make_datasets,
    make_given,
    make_runs,
    see_drawn_faces,
)

from reskin.cli.main import main
from reskin.evaluation.blind_study.plan import read_plan
from reskin.evaluation.classifiers import find_classifier
from reskin.evaluation.features import FeatureCache
from reskin.evaluation.palettes import PALETTES
from reskin.evaluation.segmenter import Segmenter, load_segmenter, save_segmenter
from reskin.faces.detectors import YuNetDetector
from reskin.metrics.segmentation import SegmentationScores
from reskin.networks.fcn import Fcn
from reskin.networks.state_files import read_tensors
from reskin.networks.vgg import read_vgg
from reskin.paths import in_utf8
from reskin.runs import checkpoint
from reskin.runs.imports import generators

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")

ODD = os.fsdecode(b"caf\xe9 \xff")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / ODD
    folder.mkdir()
    return folder


def tensors_at(path: Path) -> dict[str, torch.Tensor]:
    """A file of tensors of either kind."""
    state = {"features.0.weight": torch.ones(4, 3, 3, 3), "features.0.bias": torch.zeros(4)}
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        path.write_bytes(save(state))
    return state


@pytest.mark.parametrize("end", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "read",
    [lambda path: read_tensors(path, of="it", fix=""), generators.read_tensors],
    ids=["weights", "import"],
)
def test_tensors(odd: Path, end: str, read: Callable[[Path], dict[str, torch.Tensor]]) -> None:
    wanted = tensors_at(odd / f"weights{end}")
    found = read(odd / f"weights{end}")
    assert found.keys() == wanted.keys() and all(found[name].equal(wanted[name]) for name in wanted)


def test_weights_of_vgg(odd: Path) -> None:
    plain = drawn_vgg()
    (odd / "vgg.pth").write_bytes(plain.read_bytes())
    found, wanted = (read_vgg(path, ["relu1_1"]).state_dict() for path in (odd / "vgg.pth", plain))
    assert all(found[name].equal(wanted[name]) for name in wanted) and found.keys() == wanted.keys() != set()


def test_checkpoints(odd: Path) -> None:
    path, state = odd / "one.safetensors", {"method.w": torch.arange(4.0)}
    checkpoint.save(path, state, {"step": 7})
    found, facts = checkpoint.load(path)
    assert facts == {"step": 7} and found["method.w"].equal(state["method.w"])
    assert checkpoint.shapes(path) == {"method.w": (4,)}


def test_classifiers(odd: Path) -> None:
    classifier = find_classifier(colour_classifier(odd / "colours.onnx"), edge_px=8)
    assert classifier.scores([np.full((8, 8, 3), 255, np.uint8)]).shape == (1, 3)


def test_segmenters_and_features(odd: Path) -> None:
    palette, own = PALETTES["street"], SegmentationScores(1.0, 1.0, 1.0, (), 9)
    save_segmenter(odd / "seg", Segmenter(Fcn(len(palette), width=2), palette, 32, own, 1), {})
    assert load_segmenter(odd / "seg").size == 32
    kept = FeatureCache(odd)
    kept.put("a", torch.ones(2))
    kept.save()
    assert "a" in FeatureCache(odd)


def test_detectors(odd: Path, real_data: Path) -> None:
    (odd / "yunet.onnx").write_bytes((real_data / "weights" / "face_yunet_n_640.onnx").read_bytes())
    assert YuNetDetector(odd / "yunet.onnx").detect(np.zeros((64, 64, 3), np.uint8)) == []


def test_a_name_that_is_utf_8_stays(tmp_path: Path, odd: Path) -> None:
    plain, other = tmp_path / "é.txt", odd / "a.txt"
    for path in (plain, other):
        path.write_text("x")
        before = len(os.listdir("/proc/self/fd"))
        with in_utf8(path) as name:
            assert (name == path) == (path == plain) and name.read_text() == "x"
            str(name).encode()
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture(scope="module")
def base(odd: Path) -> Iterator[Path]:
    base = odd / "base"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESKIN_CACHE", str(base / "cache"))
        see_drawn_faces(patch)
        for make in (draw_sources, make_datasets, make_runs, make_given, make_asked):
            make(base)
        for folder in ("pictures", "asked/a", "asked/one", "asked/two", "labelled/photos", "labelled/labels"):
            last = sorted((base / folder).glob("*.png"))[-1]
            last.rename(last.with_name(f"{ODD}.png"))
        yield base


NAMES = [name for name in commands(Path()) if name != "demo"]


@pytest.mark.sweep
@pytest.mark.parametrize("name", NAMES)
def test_commands(base: Path, name: str) -> None:
    assert main(commands(base)[name]) == 0
    for made in list(base.glob("new*")):
        made.rename(base / f"{name}-{made.name}")


@pytest.mark.sweep
def test_a_study_names_inputs_and_conditions_as_they_are_shown(base: Path) -> None:
    (base / "asked" / "one").rename(base / "asked" / ODD)
    (base / "asked" / "a" / f"{ODD}.png").rename(base / "asked" / "a" / f"0{ODD}.png")
    (base / "asked" / ODD / f"{ODD}.png").rename(base / "asked" / ODD / f"0{ODD}.png")
    (base / "asked" / "two" / f"{ODD}.png").rename(base / "asked" / "two" / f"0{ODD}.png")
    words = commands(base)["study-new"]
    assert main([str(base / "asked" / ODD) if word.endswith("/one") else word for word in words]) == 0
    plan = read_plan(base / "new")
    assert plan.conditions == ("caf\\udce9 \\udcff", "two") and "0caf\\udce9 \\udcff.png" in plan.items
