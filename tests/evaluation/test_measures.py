"""Everything that `evaluate` can be asked for, on models whose answers are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from reskin.errors import CheckpointError, DataError, SettingsError, ShapeError, WeightsError
from reskin.evaluation.evaluate import evaluate_request
from reskin.evaluation.features import FeatureCache, squeezenet_features
from reskin.evaluation.labelled import LabelRequest
from reskin.evaluation.outside import evaluate_outside, write_outside
from reskin.evaluation.palettes import PALETTES
from reskin.evaluation.perceptual import find_perceptual
from reskin.evaluation.request import Request
from reskin.evaluation.segmenter import Segmenter, save_segmenter
from reskin.images import write_image
from reskin.methods.translator import Translator
from reskin.metrics.segmentation import SegmentationScores
from reskin.networks.fcn import Fcn
from reskin.networks.init import initialise
from reskin.networks.squeezenet import SqueezeNet
from reskin.types import Direction


class Same(Translator):
    """Gives back what it gets."""

    size_multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return images


class Negative(Same):
    """The photographic negative, from A to B only."""

    directions = ("a2b",)

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return -images


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    """A of six dark and B of six bright images, with training images of both."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 5), ("test", 6)):
        for index in range(count):
            image = draw.integers(0, 100, (36, 40, 3), dtype=np.uint8)
            write_image(tmp_path / "a" / split / f"{index}.png", image)
            other = draw.integers(0, 100, (36, 40, 3), dtype=np.uint8)
            write_image(tmp_path / "b" / split / f"{index}.png", 255 - other)
    return tmp_path


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a SqueezeNet of random weights."""
    network = SqueezeNet()
    initialise(network, "kaiming")
    (tmp_path / "weights").mkdir()
    torch.save(network.state_dict(), tmp_path / "weights" / "squeezenet1_1_random.pth")
    monkeypatch.setenv("RESKIN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "weights"


def request(domains: Path, *metrics: str, **options: object) -> Request:
    return Request(a=domains / "a", b=domains / "b", metrics=metrics, size=32, **options)  # type: ignore[arg-type]


@pytest.mark.sweep
def test_sets_of_features_come_with_all_that_a_number_must_state(
    domains: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reskin.metrics.fid.RESAMPLES", 3)
    asked = request(domains, "frechet", "coverage", "domain", "copies", "classes", classes=("3", "4"))
    scores = evaluate_request(Negative(), asked)
    assert {"kid_a2b", "frechet_squeezenet_a2b", "density_a2b", "coverage_a2b", "domain_share_a2b"} <= set(
        scores
    )
    assert not any(name.startswith("fid") for name in scores)  # SqueezeNet's features make no FID
    for name, score in scores.items():
        assert score.count > 0 and score.note and math.isfinite(score.value)
        if not name.startswith("named"):
            assert "SqueezeNet 1.1 (" in score.note and "224 px" in score.note
    assert "6 images, wanted 2,000" in scores["frechet_squeezenet_a2b"].note
    for name in ("kid_a2b", "frechet_squeezenet_a2b", "coverage_a2b", "domain_share_a2b", "named_share_a2b"):
        spread = scores[name].spread
        assert spread is not None and spread >= 0
    # A classifier of dark and bright takes the negatives for B, the input for A, and real B for B.
    assert scores["domain_share_a2b"].value == 1 and scores["domain_share_real_b"].value == 1
    assert scores["domain_share_input_a2b"].value == 0
    assert 0 <= scores["named_share_real_b"].value <= 1 and scores["named_share_real_b"].count == 6
    assert scores["frechet_squeezenet_a2b"].value < scores["frechet_squeezenet_input_a2b"].value


@pytest.mark.sweep
def test_copies_of_training_images_are_found(domains: Path, weights: Path) -> None:
    for index in range(6):  # the test images of A are what training saw of B
        source = domains / "b" / "train" / f"{index % 5}.png"
        (domains / "a" / "test" / f"{index}.png").write_bytes(source.read_bytes())
    scores = evaluate_request(Same(), request(domains, "copies"))
    assert scores["nearer_than_real_a2b"].value == 1
    assert "5 training images" in scores["nearer_than_real_a2b"].note


@pytest.mark.sweep
def test_each_image_is_computed_once_in_a_study(
    domains: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = SqueezeNet.forward
    monkeypatch.setattr(SqueezeNet, "forward", lambda self, x: seen.append(len(x)) or forward(self, x))
    asked = request(domains, "kid", cache=domains / "features")
    first = evaluate_request(Same(), asked)
    count = sum(seen)
    assert count == 6 * 2 + 6 * 2  # both domains, and both recoloured; outputs are the inputs
    again = evaluate_request(Same(), asked)
    assert sum(seen) == count and again["kid_a2b"] == first["kid_a2b"]
    (domains / "features" / "features.safetensors").write_bytes(b"damaged")
    assert evaluate_request(Same(), asked)["kid_a2b"] == first["kid_a2b"] and sum(seen) == 2 * count


@pytest.mark.sweep
def test_features_do_not_depend_on_the_batch_they_came_in(weights: Path) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8))
    network = squeezenet_features(FeatureCache())
    together = network.vectors(images)
    alone = torch.cat([squeezenet_features().vectors([image]) for image in images])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-5) and network.computed == 3


def test_noise_probe_and_ms_ssim(domains: Path) -> None:
    asked = Request(
        a=domains / "a", b=domains / "b", truth_a2b=domains / "a" / "test", metrics=("ms_ssim", "noise_probe")
    )
    scores = evaluate_request(Same(), asked)
    assert scores["ms_ssim_a2b"].value == pytest.approx(1) and "3 scales" in scores["ms_ssim_a2b"].note
    assert scores["noise_probe_a"].value > 3  # a perfect cycle counts as a tenth of a level
    assert scores["noise_probe_a"].count == 6


def test_lpips_says_what_it_is_made_of(domains: Path, weights: Path) -> None:
    asked = request(domains, "lpips", "diversity", truth_a2b=domains / "a" / "test")
    scores = evaluate_request(Same(), asked)
    assert scores["lpips_a2b"].value == pytest.approx(0, abs=1e-6)
    assert "no published LPIPS" in scores["lpips_a2b"].note and "SqueezeNet" in scores["lpips_a2b"].note
    assert scores["diversity_a2b"].value == 0 and "19 random pairs" in scores["diversity_a2b"].note
    with pytest.raises(WeightsError, match=r"alexnet-owt.*is not here"):
        find_perceptual("alex")
    with pytest.raises(SettingsError, match="Did you mean 'alex'"):
        find_perceptual("alexx")


def labelled(folder: Path) -> Path:
    """A: label images of three classes of the street, B: photos in which a class is one colour."""
    draw = np.random.default_rng(3)
    palette = PALETTES["street"]
    for split in ("train", "test"):
        for index in range(4):
            labels = draw.integers(0, 3, (4, 5), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            write_image(folder / "a" / split / f"{index}.png", palette.encode(labels))
            photo = np.stack([60 + 60 * labels] * 3, axis=2)
            write_image(folder / "b" / split / f"p{index}.png", photo)
            write_image(folder / "truth" / f"p{index}.png", palette.encode(labels))
    return folder


class Painter(Same):
    """The right translation between the two, but for classes that are mixed up on purpose."""

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        palette = PALETTES["street"]
        pictures = ((images.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
        made = []
        for picture in pictures:
            if direction == "a2b":
                labels = palette.decode(picture)
                made.append(np.stack([60 + 60 * labels.clip(0, 2)] * 3, axis=2))
            else:
                labels = ((picture[..., 0].astype(int) - 30) // 60).clip(0, 2).astype(np.uint8)
                labels[labels == 2] = 1  # class 2 is never drawn
                made.append(palette.encode(labels))
        return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).float() / 127.5 - 1


class ByBrightness(Fcn):
    """A segmenter that is right: the class follows from the brightness."""

    def forward(self, images: Tensor) -> Tensor:
        level = ((images[:, 0] + 1) * 127.5 - 60) / 60
        return -(level[:, None] - torch.arange(13.0).view(1, 13, 1, 1)).square()


def test_fcn_scores_of_both_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = labelled(tmp_path)
    own = SegmentationScores(0.9, 0.8, 0.7, (), 100)
    save_segmenter(tmp_path / "seg", Segmenter(Fcn(13, width=2), PALETTES["street"], 32, own, 5), {})
    monkeypatch.setattr("reskin.evaluation.segmenter.Fcn", ByBrightness)
    labels = LabelRequest("street", "a", folder / "truth", tmp_path / "seg")
    asked = Request(a=folder / "a", b=folder / "b", metrics=("fcn",), labels=labels)
    scores = evaluate_request(Painter(), asked)
    assert scores["fcn_pixel_a2b"].value == 1 and scores["fcn_iou_a2b"].value == pytest.approx(3 / 13)
    assert "0.900/0.800/0.700 on 5 held-out" in scores["fcn_iou_a2b"].note
    assert scores["fcn_iou_real_b"].value == 0.7 and scores["fcn_iou_real_b"].count == 5
    assert "fcn_pixel_b2a" not in scores
    share = np.mean([_share_of_class_2(folder / "truth" / f"p{index}.png") for index in range(4)])
    assert scores["label_pixel_b2a"].value == pytest.approx(1 - share)
    assert scores["label_class_b2a"].value == pytest.approx(2 / 13)  # absent classes count 0
    assert scores["label_pixel_b2a"].count == 4 and scores["label_pixel_b2a"].spread is not None


def _share_of_class_2(path: Path) -> float:
    from reskin.evaluation.palettes import read_labels

    return float((read_labels(path, PALETTES["street"]) == 2).mean())


def test_what_cannot_be_measured_is_refused_in_one_line(
    domains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESKIN_WEIGHTS", raising=False)
    monkeypatch.setenv("RESKIN_CACHE", str(domains / "none"))
    with pytest.raises(SettingsError, match="--palette"):
        evaluate_request(Same(), request(domains, "fcn"))
    with pytest.raises(SettingsError, match="--classes"):
        evaluate_request(Same(), request(domains, "classes"))
    with pytest.raises(WeightsError, match="pt_inception"):
        evaluate_request(Same(), request(domains, "fid"))
    with pytest.raises(WeightsError, match="SqueezeNet"):
        evaluate_request(Same(), request(domains, "kid"))
    labels = LabelRequest("camvid", "a", domains / "nothing")
    with pytest.raises(DataError, match="does not exist"):
        evaluate_request(Same(), request(domains, "fcn", labels=labels))
    own = SegmentationScores(0.9, 0.8, 0.7, (), 100)
    save_segmenter(domains / "seg", Segmenter(Fcn(11, width=2), PALETTES["camvid"], 32, own, 5), {})
    labels = LabelRequest("street", "a", None, domains / "seg")
    with pytest.raises(SettingsError, match="Give --palette camvid"):
        evaluate_request(Same(), request(domains, "fcn", labels=labels))
    (domains / "seg" / "segmenter.safetensors").unlink()
    labels = LabelRequest("camvid", "a", None, domains / "seg")
    with pytest.raises((CheckpointError, DataError), match="segmenter"):
        evaluate_request(Same(), request(domains, "fcn", labels=labels))


@pytest.mark.sweep
def test_too_few_images_and_strange_classes(domains: Path, weights: Path) -> None:
    for index in range(1, 6):
        (domains / "b" / "test" / f"{index}.png").unlink()
    with pytest.raises(DataError, match="1 real images"):
        evaluate_request(Same(), request(domains, "kid"))
    with pytest.raises(ShapeError, match="0 to 999"):
        evaluate_request(Same(), request(domains, "classes", classes=("1000",)))
    for index in range(5):
        (domains / "b" / "train" / f"{index}.png").unlink()
    with pytest.raises(DataError, match="no training images of domain B"):
        evaluate_request(Same(), request(domains, "domain", max_images=3))


def test_images_from_outside(domains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reskin.metrics.patch_swd.PATCHES", 1000)
    draw = np.random.default_rng(5)
    for index in range(3):
        image = draw.integers(0, 100, (30, 44 + index, 3), dtype=np.uint8)
        write_image(domains / "other" / f"{index}.png", image)
    (domains / "other" / "broken.png").write_bytes(b"\x89PNG no more")
    found = evaluate_outside(Negative(), domains / "other", request(domains, "swd"))
    near, far = found.scores["outside_input_to_a"], found.scores["outside_input_to_b"]
    assert near.value < far.value / 3 and near.count == 3 and "apart" in near.note
    assert found.scores["outside_a2b_to_b"].value < found.scores["outside_a2b_to_a"].value
    assert list(found.rows) == ["outside", "outside → B"]
    page = write_outside(tmp_path / "outside.html", found).read_text(encoding="utf-8")
    assert "outside → B" in page and "broken.png" in page and "data:image/webp" in page
    with pytest.raises(DataError, match="no readable image"):
        (domains / "empty").mkdir()
        evaluate_outside(Same(), domains / "empty", request(domains, "swd"))
