"""Scores of models whose scores are known: one that is right, one that does nothing, one that hides."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from reskin.errors import DataError, SettingsError, ShapeError, WeightsError
from reskin.evaluation.evaluate import evaluate
from reskin.evaluation.scores import Score, record_scores
from reskin.images import write_image
from reskin.methods.translator import Translator
from reskin.networks.squeezenet import SqueezeNet
from reskin.storage import read_lines
from reskin.types import Direction


class Negative(Translator):
    """Side B is the photographic negative of side A, so the way there and the way back are the same."""

    size_multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.sign = torch.nn.Parameter(torch.tensor(-1.0))
        self.shapes: set[tuple[int, ...]] = set()

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        assert not torch.is_grad_enabled() and not self.training
        assert images.shape[-2] % 8 == 0 and images.shape[-1] % 8 == 0
        self.shapes.add(tuple(images.shape))
        return images * self.sign


class OneWay(Negative):
    directions = ("a2b",)


class Same(Negative):
    """Gives back what it gets."""

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return images


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Side A (two sizes), side B of other scenes, and the truth of A."""
    draw = np.random.default_rng(0)
    for index in range(6):
        width = 36 if index < 3 else 33
        image = draw.integers(0, 90, (30, width, 3), dtype=np.uint8)
        image[5:20, 3 + index : 12 + index] = (200, 60, 20)
        write_image(tmp_path / "a" / "test" / f"f{index}.png", image)
        write_image(tmp_path / "truth" / f"f{index}.png", 255 - image)
        other = draw.integers(0, 90, (30, 36, 3), dtype=np.uint8)
        other[8:25, 10 + index : 20 + index] = (210, 60, 20)
        write_image(tmp_path / "b" / f"g{index}.png", 255 - other)
    write_image(tmp_path / "a" / "train" / "never.png", np.zeros((12, 12, 3), np.uint8))
    return tmp_path / "a", tmp_path / "b", tmp_path / "truth"


@pytest.mark.sweep
def test_the_right_model_gets_the_best_scores(sides: tuple[Path, Path, Path]) -> None:
    a, b, truth = sides
    model = Negative().train()
    scores = evaluate(model, a=a, b=b, truth_a2b=truth)
    assert model.training
    assert scores["psnr_a2b"].value > 50 and scores["psnr_a2b"].count == 6  # bfloat16 or not, 8 bits agree
    assert scores["ssim_a2b"].value > 0.99
    assert scores["psnr_input_a2b"].value < scores["psnr_reinhard_a2b"].value < scores["psnr_a2b"].value
    assert scores["swd_a2b"].value < scores["swd_reinhard_a2b"].value < scores["swd_input_a2b"].value
    assert scores["cycle_l1_a"].value < 0.01 and scores["cycle_l1_8bit_b"].value < 0.02
    assert {"swd_real_a", "swd_real_b", "swd_b2a"} <= set(scores)
    assert "psnr_b2a" not in scores
    assert [scores[name].better for name in ("psnr_a2b", "swd_a2b", "cycle_l1_a")] == [
        "higher",
        "lower",
        "lower",
    ]
    assert model.shapes == {
        (3, 3, 32, 64),
        (6, 3, 32, 64),
    }  # padded as for translation; neighbours of one size go together


@pytest.mark.sweep
def test_doing_nothing_scores_like_the_input(sides: tuple[Path, Path, Path]) -> None:
    a, b, truth = sides
    scores = evaluate(Same(), a=a, b=b, truth_a2b=truth)
    for name in ("psnr", "ssim", "swd"):
        assert scores[f"{name}_a2b"].value == pytest.approx(scores[f"{name}_input_a2b"].value, rel=1e-5)


def test_psnr_of_the_input_by_hand(sides: tuple[Path, Path, Path], tmp_path: Path) -> None:
    for folder, level in (("x", 100), ("y", 151)):
        write_image(tmp_path / folder / "p.png", np.full((16, 16, 3), level, np.uint8))
    scores = evaluate(Same(), a=tmp_path / "x", b=tmp_path / "y", truth_a2b=tmp_path / "y", metrics=["psnr"])
    assert scores["psnr_input_a2b"].value == pytest.approx(20 * math.log10(255 / 51), abs=1e-4)
    assert math.isinf(scores["psnr_reinhard_a2b"].value)
    assert set(scores) == {"psnr_a2b", "psnr_input_a2b", "psnr_reinhard_a2b"}


@pytest.mark.sweep
def test_one_way_model_has_no_cycle(sides: tuple[Path, Path, Path]) -> None:
    scores = evaluate(OneWay(), a=sides[0], b=sides[1])
    assert set(scores) == {"swd_a2b", "swd_input_a2b", "swd_reinhard_a2b", "swd_real_b"}


def test_size_and_number_of_pictures(sides: tuple[Path, Path, Path]) -> None:
    model = Negative()
    scores = evaluate(model, a=sides[0], b=sides[1], metrics=["cycle_l1"], size=16, max_images=2)
    assert scores["cycle_l1_a"].count == scores["cycle_l1_b"].count == 2
    assert {shape[-2:] for shape in model.shapes} == {
        (32, 32)
    }  # 16x19, and small pictures are padded to 32 px


def test_unreadable_pictures_are_left_out(
    sides: tuple[Path, Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    (sides[0] / "test" / "broken.png").write_bytes(b"\x89PNG no more")
    scores = evaluate(Same(), a=sides[0], b=sides[1], metrics=["cycle_l1"])
    assert scores["cycle_l1_a"].count == 6 and "broken.png" in caplog.text
    assert [path.name for path, _ in scores.left_out] == ["broken.png"]


def test_missing_truth_is_counted(sides: tuple[Path, Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    (sides[2] / "f1.png").unlink()
    scores = evaluate(Same(), a=sides[0], b=sides[1], truth_a2b=sides[2], metrics=["psnr"])
    assert scores["psnr_a2b"].count == 5 and "1 of 6" in caplog.text


def test_what_cannot_be_measured_is_said(sides: tuple[Path, Path, Path], tmp_path: Path) -> None:
    a, b, truth = sides
    with pytest.raises(SettingsError, match="'swd'"):
        evaluate(Same(), a=a, b=b, metrics=["swf"])
    with pytest.raises(SettingsError, match="truth"):
        evaluate(Same(), a=a, b=b, metrics=["psnr"])
    with pytest.raises(SettingsError, match="size"):
        evaluate(Same(), a=a, b=b, size=0)
    with pytest.raises(DataError, match="called like"):
        evaluate(Same(), a=a, b=b, truth_a2b=b)
    with pytest.raises(ShapeError, match="11 px"):
        evaluate(Same(), a=a, b=b, truth_a2b=truth, metrics=["ssim"], size=9)
    write_image(truth / "f0.png", np.zeros((30, 20, 3), np.uint8))
    with pytest.raises(DataError, match="20x30"):
        evaluate(Same(), a=a, b=b, truth_a2b=truth)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="domain B"):
        evaluate(Same(), a=a, b=tmp_path / "empty")


def test_scores_become_one_line_of_json(tmp_path: Path) -> None:
    scores = {"psnr_a2b": Score(float("inf"), "higher", 3, "dB"), "swd_a2b": Score(1.5, "lower", 4)}
    record_scores(tmp_path, 500, scores, {"a": "data/a"})
    record_scores(tmp_path, 600, {})
    first, second = read_lines(tmp_path / "scores.jsonl")
    assert first["step"] == 500 and first["settings"] == {"a": "data/a"} and second["step"] == 600
    row = first["scores"]["psnr_a2b"]
    assert (row["value"], row["better"], row["count"]) == (None, "higher", 3)
    assert row["note"] == "dB; the value is inf"
    assert first["scores"]["swd_a2b"]["value"] == 1.5
    json.loads((tmp_path / "scores.jsonl").read_text().splitlines()[0], parse_constant=pytest.fail)


@pytest.mark.sweep
def test_every_picture_keeps_its_value(sides: tuple[Path, Path, Path]) -> None:
    a, b, truth = sides
    scores = evaluate(Negative(), a=a, b=b, truth_a2b=truth)
    psnr, cycle, distance = scores["psnr_input_a2b"], scores["cycle_l1_8bit_b"], scores["swd_real_b"]
    assert [name for name, _ in psnr.pictures] == [f"test/f{index}.png" for index in range(6)]
    assert sum(value for _, value in psnr.pictures) / 6 == pytest.approx(psnr.value)
    assert [name for name, _ in cycle.pictures] == [f"g{index}.png" for index in range(6)]
    assert (psnr.metric, psnr.direction, psnr.subject, psnr.against) == ("psnr", "a2b", "input", "truth")
    assert (cycle.metric, cycle.direction, cycle.against) == ("cycle_l1_8bit", "b2a", "source")
    assert (distance.metric, distance.direction, distance.subject) == ("swd", "a2b", "real")
    assert distance.against == "real" and distance.pictures == () and psnr.unit == "dB"
    row = json.loads(json.dumps(psnr.to_dict()))
    assert row["pictures"][0] == ["test/f0.png", psnr.pictures[0][1]]


@pytest.mark.sweep
def test_features_of_a_network_in_a_file(
    sides: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, truth = sides
    torch.save(SqueezeNet().state_dict(), tmp_path / "squeezenet1_1-drawn.pth")
    monkeypatch.setenv("RESKIN_WEIGHTS", str(tmp_path))
    scores = evaluate(Negative(), a=a, b=b, truth_a2b=truth, metrics=["lpips", "kid"], size=32)
    assert scores["lpips_a2b"].value < scores["lpips_input_a2b"].value
    assert len(scores["lpips_a2b"].pictures) == 6
    assert {"kid_a2b", "kid_input_a2b", "kid_reinhard_a2b", "kid_real_b", "kid_b2a"} <= set(scores)
    assert scores["kid_a2b"].count == 6 and "SqueezeNet" in scores["kid_a2b"].note
    assert "kid_a2b" not in evaluate(Negative(), a=a, b=b)
    for folder in ("", str(a)):
        monkeypatch.setenv("RESKIN_WEIGHTS", folder)
        with pytest.raises(WeightsError, match="RESKIN_WEIGHTS"):
            evaluate(Negative(), a=a, b=b, metrics=["kid"])


def test_the_same_pictures_for_both_domains_are_refused(sides: tuple[Path, Path, Path]) -> None:
    a, _, _ = sides
    with pytest.raises(DataError, match="A and B come down to the same"):
        evaluate(Negative(), a=a, b=a)
    (a.parent / "link").symlink_to(a, target_is_directory=True)
    with pytest.raises(DataError, match="A and B come down to the same"):
        evaluate(Negative(), a=a, b=a.parent / "link")
