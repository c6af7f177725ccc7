"""Palettes there and back, and a segmenter that learns what it can be measured on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reskin.cli.main import main
from reskin.errors import CheckpointError, DataError, ReskinError, SettingsError
from reskin.evaluation.label_pairs import LabelFiles, find_label_pairs, part_pairs
from reskin.evaluation.palettes import PALETTES, find_palette, read_labels, resize_labels
from reskin.evaluation.segmenter import (
    Pair,
    Segmenter,
    load_segmenter,
    save_segmenter,
    train_segmenter,
)
from reskin.evaluation.segmenter_config import SegmenterConfig
from reskin.images import read_image, write_image
from reskin.metrics.segmentation import IGNORED, ConfusionMatrix, SegmentationScores
from reskin.networks.fcn import Fcn
from reskin.worlds.materials import CLASSES


@pytest.mark.parametrize("name", PALETTES)
def test_palettes_decode_what_they_encode(name: str) -> None:
    palette = find_palette(name)
    labels = np.random.default_rng(0).integers(0, len(palette), (20, 30), dtype=np.uint8)
    image = palette.encode(labels)
    matrix = ConfusionMatrix(len(palette))
    matrix.update(palette.decode(image), labels)
    scores = matrix.compute()
    assert scores.pixel_accuracy == scores.class_accuracy == scores.iou == 1
    assert len(set(palette.colours)) == len(palette)
    # Noise smaller than half of the smallest distance of two colours changes no class.
    known = np.array([*palette.colours, *palette.void], float)
    away = np.linalg.norm(known[:, None] - known, axis=2) + np.eye(len(known)) * 1e9
    noise = int(away.min() / 2 / np.sqrt(3) - 0.5)
    shift = np.random.default_rng(1).integers(-noise, noise + 1, image.shape)
    noisy = (image.astype(int) + shift).clip(0, 255).astype(np.uint8)
    assert np.array_equal(palette.decode(noisy), labels)


def test_palettes_have_the_published_numbers_of_classes() -> None:
    numbers = {name: len(palette) for name, palette in PALETTES.items()}
    assert numbers == {"cityscapes": 19, "camvid": 11, "facades": 12, "street": len(CLASSES)}
    assert PALETTES["cityscapes"].classes[13] == "car" and PALETTES["cityscapes"].colours[13] == (0, 0, 142)


def test_void_colours_compete_by_choice() -> None:
    palette = PALETTES["cityscapes"]
    dark = np.array([[[2, 3, 1]]], np.uint8)
    assert palette.decode(dark)[0, 0] == IGNORED
    assert palette.classes[palette.decode(dark, with_void=False)[0, 0]] in ("truck", "car", "bus")


def test_labels_of_ids_and_of_colours_read_alike(tmp_path: Path) -> None:
    palette = PALETTES["camvid"]
    labels = np.array([[0, 5, 10], [3, 3, 11]], np.uint8)  # 11 is CamVid's "unlabelled"
    wanted = np.where(labels == 11, IGNORED, labels)
    drawn = Image.fromarray(labels, "L").convert("P")
    drawn.putdata(labels.ravel().tolist())
    drawn.putpalette([value for colour in palette.colours for value in colour] + [0, 0, 0])
    drawn.save(tmp_path / "palette.png")
    Image.fromarray(labels).save(tmp_path / "grey.png")
    write_image(tmp_path / "colour.png", palette.encode(wanted))
    for name in ("palette", "grey", "colour"):
        assert np.array_equal(read_labels(tmp_path / f"{name}.png", palette), wanted)


def test_labels_of_another_dataset_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 15, np.uint8)).save(tmp_path / "ids.png")
    with pytest.raises(DataError, match=r"hold the id 15.*0 to 10"):
        read_labels(tmp_path / "ids.png", PALETTES["camvid"])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(DataError, match="cannot be read as labels"):
        read_labels(tmp_path / "broken.png", PALETTES["camvid"])
    with pytest.raises(SettingsError, match="Did you mean 'camvid'"):
        find_palette("camvit")


def test_resized_labels_have_no_new_class() -> None:
    labels = np.array([[0, 8], [8, 0]], np.uint8)
    assert set(np.unique(resize_labels(labels, 7, 5))) == {0, 8}


def write_squares(folder: Path, count: int, seed: int) -> list[Pair]:
    """Photos of the drawn streets' sky (blue) and a wall (red) somewhere, with noise."""
    draw = np.random.default_rng(seed)
    for index in range(count):
        labels = np.zeros((40, 48), np.uint8)
        top, left = draw.integers(0, 20), draw.integers(0, 24)
        labels[top : top + 20, left : left + 24] = 6
        photo = np.where(labels[..., None] == 6, (200, 60, 50), (60, 90, 210)) + draw.normal(
            0, 20, (40, 48, 3)
        )
        write_image(folder / "photos" / f"{index:02d}.png", photo.clip(0, 255).astype(np.uint8))
        (folder / "labels").mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(folder / "labels" / f"{index:02d}.png")
    return find_label_pairs(folder / "photos", folder / "labels")


@pytest.mark.sweep
def test_segmenter_learns_and_comes_back_from_its_folder(tmp_path: Path) -> None:
    pairs = write_squares(tmp_path / "data", 10, 0)
    config = SegmenterConfig(size=40, crop=32, steps=30, batch=4, width=4, learning_rate=0.02)
    trained = train_segmenter(pairs[:8], pairs[8:], PALETTES["street"], config)
    assert trained.own.pixel_accuracy > 0.9 and trained.held_out == 2
    save_segmenter(tmp_path / "seg", trained, {"trained_on": 8})
    loaded = load_segmenter(tmp_path / "seg")
    photo = read_image(pairs[0].photo)
    assert np.array_equal(loaded.predict([photo])[0], trained.predict([photo])[0])
    assert loaded.own.pixel_accuracy == trained.own.pixel_accuracy and loaded.digest == trained.digest != ""
    assert f"{trained.own.pixel_accuracy:.3f}" in loaded.describe()
    again = train_segmenter(pairs[:8], pairs[8:], PALETTES["street"], config)
    assert again.own.iou == trained.own.iou  # the same settings, the same network
    (tmp_path / "seg" / "segmenter.safetensors").write_bytes(b"no more")
    with pytest.raises(CheckpointError, match="segmenter train"):
        load_segmenter(tmp_path / "seg")


HOSTILE = [
    ("width", 10**9),
    ("width", 100_000),
    ("width", -1),
    ("width", "x"),
    ("size", 10**9),
    ("size", -5),
    ("size", None),
    ("own", None),
    ("own", {"pixel_accuracy": None, "class_accuracy": 1, "iou": 1, "pixels": 1}),
    ("held_out", []),
    ("palette", [1]),
]


@pytest.mark.thinned(4)
@pytest.mark.parametrize(("name", "value"), HOSTILE, ids=str)
def test_a_folder_that_asks_for_another_network_is_one_line(tmp_path: Path, name: str, value: object) -> None:
    own = SegmentationScores(1.0, 1.0, 1.0, (), 9)
    palette = PALETTES["street"]
    save_segmenter(tmp_path, Segmenter(Fcn(len(palette), width=2), palette, 32, own, 1), {})
    assert load_segmenter(tmp_path).size == 32
    facts = json.loads((tmp_path / "segmenter.json").read_text())
    (tmp_path / "segmenter.json").write_text(json.dumps(facts | {name: value}))
    with pytest.raises(ReskinError) as caught:
        load_segmenter(tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_weights_that_are_none_are_one_line_though_their_digest_fits(tmp_path: Path) -> None:
    own = SegmentationScores(1.0, 1.0, 1.0, (), 9)
    palette = PALETTES["street"]
    save_segmenter(tmp_path, Segmenter(Fcn(len(palette), width=2), palette, 32, own, 1), {})
    facts = json.loads((tmp_path / "segmenter.json").read_text())
    (tmp_path / "segmenter.safetensors").write_bytes(b"no more")
    digest = hashlib.sha256(b"no more").hexdigest()
    (tmp_path / "segmenter.json").write_text(json.dumps(facts | {"weights_sha256": digest}))
    with pytest.raises(CheckpointError, match="holds no sound segmenter"):
        load_segmenter(tmp_path)


def test_segmenter_train_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_squares(tmp_path / "data", 6, 1)
    words = ["segmenter", "train", "--photos", str(tmp_path / "data/photos"), "--palette", "street"]
    words += ["--labels", str(tmp_path / "data/labels"), "--out", str(tmp_path / "seg"), "--steps", "2"]
    words += ["--size", "40", "--crop", "32", "--width", "2"]
    assert main(words) == 0
    assert "on 1 held-out photos: pixel accuracy" in capsys.readouterr().out
    assert load_segmenter(tmp_path / "seg").held_out == 1
    assert main([*words, "--test-photos", str(tmp_path)]) == 2
    assert main([*words[:-2], "--test-photos", words[3], "--test-labels", words[7]]) == 2
    assert "to be learnt from and measured with" in capsys.readouterr().err
    assert main(["segmenter"]) == 2


def test_too_few_pairs(tmp_path: Path) -> None:
    pairs = write_squares(tmp_path, 3, 0)
    with pytest.raises(DataError, match="3 labelled photos"):
        train_segmenter(pairs, pairs[:1], PALETTES["street"], SegmenterConfig())
    write_image(tmp_path / "empty" / "other.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match="0 photos"):
        find_label_pairs(tmp_path / "photos", tmp_path / "empty")


def test_photos_of_a_held_out_split_are_not_learnt_from(tmp_path: Path) -> None:
    """Photos and labels in folders of splits, where the same names come again."""
    for number, split in enumerate(("train", "val", "test")):
        write_squares(tmp_path / split, 5, number)
        for kind in ("photos", "labels"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / split / kind).rename(tmp_path / kind / split)
    pairs = find_label_pairs(tmp_path / "photos", tmp_path / "labels")
    assert len(pairs) == 15
    assert all(
        pair.labels == tmp_path / "labels" / pair.photo.relative_to(tmp_path / "photos") for pair in pairs
    )
    training, held_out = part_pairs(pairs)
    assert {pair.photo.parent.name for pair in training} == {"train"} and len(training) == 5
    assert {pair.photo.parent.name for pair in held_out} == {"test"} and len(held_out) == 5
    (tmp_path / "photos" / "test").rename(tmp_path / "aside")
    held_out = part_pairs(find_label_pairs(tmp_path / "photos", tmp_path / "labels"))[1]
    assert {pair.photo.parent.name for pair in held_out} == {"val"}
    for split in ("train", "val"):
        (tmp_path / "photos" / split).rename(tmp_path / "photos" / f"{split}Photos")
    with pytest.raises(DataError, match="by its name is held out"):
        find_label_pairs(tmp_path / "photos", tmp_path / "labels")
    with pytest.raises(DataError, match="several labels called 00"):
        find_label_pairs(tmp_path / "aside", tmp_path / "labels")
    with pytest.raises(DataError, match="are held out"):
        part_pairs([pair for pair in pairs if pair.split != "train"])


def test_labels_beside_and_below_their_photos(tmp_path: Path) -> None:
    write_squares(tmp_path, 5, 0)
    (tmp_path / "labels").rename(tmp_path / "photos" / "labels")
    pairs = find_label_pairs(tmp_path / "photos", tmp_path / "photos" / "labels")
    assert [pair.photo.parent.name for pair in pairs] == ["photos"] * 5
    assert part_pairs(pairs)[1] == [pairs[4]]
    files = LabelFiles(tmp_path / "photos" / "labels")
    assert files.find(Path("anywhere/03.jpg")) == tmp_path / "photos/labels/03.png" and len(files) == 5
    assert files.find(Path("anywhere/99.jpg")) is None
