"""Which folder holds which domain and split, whatever its makers called it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from reskin.curation.adopt import adopt_folder, domains_in
from reskin.data.batches import open_batches
from reskin.data.folders import held_out_images, split_images
from reskin.data.layout import Layout
from reskin.data.manifest import FrameRecord, Manifest, write_manifest
from reskin.data.preprocess import DataConfig
from reskin.data.sampling import Pairing, Sampling
from reskin.errors import DataError
from reskin.images import write_image
from reskin.types import Domain, Split

LAYOUTS = {
    "CycleGAN": "train{D}",
    "pix2pixHD": "train_{D}",
    "dash": "train-{D}",
    "space": "train {D}",
    "title": "Train{D}",
    "title, underscore": "Train_{D}",
    "upper": "TRAIN_{D}",
    "lower": "train{d}",
    "training": "training_{D}",
    "turned": "{D}_train",
    "below the domain": "{D}/train",
    "below the domain, lower": "{d}/Train",
    "below the split": "train/{D}",
    "below the split, lower": "Train/{d}",
    "domain": "domain{D}/train",
    "domain below the split": "train/domain_{D}",
}


def put(root: Path, *names: str, size: tuple[int, int] = (8, 8)) -> None:
    for number, name in enumerate(names):
        write_image(root / name, np.full((size[1], size[0], 3), number, np.uint8))


def prepared(*files: str) -> Manifest:
    frames = [FrameRecord(file=file, split="train") for file in files]
    return Manifest(reskin="0", settings={"split": "none"}, sources=[], frames=frames, damaged=[])


def folder(pattern: str, side: str, split: str) -> str:
    made = pattern.format(D=side.upper(), d=side)
    words = {"train": split, "Train": split.title(), "TRAIN": split.upper()}
    for old, new in [("training", {"train": "training", "val": "validation", "test": "testing"}[split])]:
        made = made.replace(old, new) if old in made else made
    for old, new in words.items() if "training" not in pattern else []:
        made = made.replace(old, new)
    return made


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.thinned(5)
def test_each_domain_and_split_is_found(tmp_path: Path, name: str) -> None:
    sides: tuple[Domain, ...] = ("a", "b")
    splits: tuple[Split, ...] = ("train", "val", "test")
    for side in sides:
        for split in splits:
            put(tmp_path, f"{folder(LAYOUTS[name], side, split)}/{side}-{split}.png")
    for side in sides:
        for split in splits:
            assert [path.stem for path in split_images(tmp_path, side, split)] == [f"{side}-{split}"]
    manifest = adopt_folder(tmp_path, None)
    assert sorted(Path(frame.file).stem for frame in manifest.frames) == sorted(
        f"{side}-{split}" for side in sides for split in splits
    )
    for frame, domain in zip(manifest.frames, domains_in(manifest), strict=True):
        assert Path(frame.file).stem == f"{domain}-{frame.split}"


def test_validation_has_three_names(tmp_path: Path) -> None:
    put(tmp_path, "train_A/1.png", "train_B/2.png", "valid_A/3.png", "validation_B/4.png")
    assert [path.stem for path in held_out_images(tmp_path, "a")] == ["3"]
    assert [path.stem for path in held_out_images(tmp_path, "b")] == ["4"]


def test_a_and_b_alone_are_for_training(tmp_path: Path) -> None:
    put(tmp_path, "A/1.png", "B/2.png")
    assert [path.stem for path in split_images(tmp_path, "b", "train")] == ["2"]
    assert split_images(tmp_path, "b", "test") == []


@pytest.mark.parametrize(
    "names",
    [("a/1.png", "c/2.png"), ("a/1.png", "b/2.png", "c/3.png"), ("a/1.png", "b/2.png", "3.png")],
)
def test_folders_that_only_happen_to_be_called_so_are_plain(tmp_path: Path, names: tuple[str, ...]) -> None:
    put(tmp_path, *names)
    assert (
        len(split_images(tmp_path, "a", "train")) == len(split_images(tmp_path, "b", "train")) == len(names)
    )


def test_folders_that_only_begin_so_are_plain() -> None:
    assert not Layout.of(["trains", "attraction", "trainable", "test1", "A1"]).parts


WORDS = [
    ("training", "testing"),
    ("trn", "tst"),
    ("Train", "Val"),
    ("trainset", "testset"),
    ("train", "dev"),
    ("train", "eval"),
    ("train", "holdout"),
]


@pytest.mark.parametrize(("training", "other"), WORDS)
def test_one_domain_is_parted_by_any_word_for_a_split(tmp_path: Path, training: str, other: str) -> None:
    put(tmp_path, f"{training}/1.png", f"{other}/2.png")
    assert [path.stem for path in split_images(tmp_path, "a", "train")] == ["1"]
    assert [path.stem for path in held_out_images(tmp_path, "a")] == ["2"]


UNKNOWN = [
    ("train_photo", "test_photo"),
    ("photo_train", "photo_test"),
    ("trainPhotos", "testPhotos"),
    ("TrainImages", "TestImages"),
    ("train images", "test images"),
    ("train1", "test1"),
    ("photos/train", "photos/test"),
    ("set/photos/train_1", "set/photos/validation_1"),
    ("train-horse", "held-out-horse"),
    ("photos", "testphotos"),
    ("photos", "valset_photos"),
    ("TRAINPHOTO", "TESTPHOTO"),
    ("train", "test_photo"),
    ("A/train_x", "A/test_x"),
]


@pytest.mark.parametrize(("training", "other"), UNKNOWN)
def test_pictures_that_are_held_out_by_the_name_of_their_folder_are_never_trained_on(
    tmp_path: Path, training: str, other: str
) -> None:
    put(tmp_path, f"{training}/1.png", f"{other}/2.png")
    if training.startswith("A/"):
        put(tmp_path, "B/3.png")
    for read in (
        lambda: split_images(tmp_path, "a", "train"),
        lambda: held_out_images(tmp_path, "a"),
        lambda: adopt_folder(tmp_path, None),
    ):
        with pytest.raises(DataError, match=re.escape(other)) as error:
            read()
        assert "Call its folders train and test" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["latest", "contest", "protest_march", "valley", "trains", "greatest hits", "testament", "Devon"]
)
def test_names_that_only_hold_such_letters_are_no_splits(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"{name}/1.png", "other/2.png")
    assert len(split_images(tmp_path, "a", "train")) == 2


def test_names_inside_of_training_pictures_and_of_prepared_ones_say_nothing(tmp_path: Path) -> None:
    put(tmp_path / "known", "train/test_drive/1.png", "test/2.png")
    assert len(split_images(tmp_path / "known", "a", "train")) == 1
    put(tmp_path / "film", "screen_test/1.png")
    write_manifest(tmp_path / "film", prepared("screen_test/1.png"))
    assert len(split_images(tmp_path / "film", "a", "train")) == 1


def test_empty_folders_say_nothing(tmp_path: Path) -> None:
    put(tmp_path, "photos/1.png")
    (tmp_path / "test_photo").mkdir()
    assert len(split_images(tmp_path, "a", "train")) == 1


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "trainA/1.png", "train_A/2.png", "trainB/3.png")
    with pytest.raises(DataError, match="both trainA and train_A"):
        split_images(tmp_path, "a", "train")


@pytest.mark.parametrize(
    ("file", "split", "wanted"),
    [
        ("trainA/x.png", "test", "testA"),
        ("Train_B/x.png", "val", "Val_B"),
        ("TRAIN-A/x.png", "test", "TEST-A"),
        ("A_train/x.png", "test", "A_test"),
        ("A/train/x.png", "test", "A/test"),
        ("train/B/x.png", "val", "val/B"),
        ("A/x.png", "test", "A/test"),
        ("A/x.png", "train", "A/train"),
        ("loose/x.png", "test", "test"),
        ("train/x.png", "train", "train"),
    ],
)
def test_where_a_picture_of_another_split_goes(file: str, split: Split, wanted: str) -> None:
    top = file.rpartition("/")[0]
    swapped = (
        top.replace("A", "#").replace("B", "A").replace("#", "B") if top not in ("loose", "train") else top
    )
    if top.startswith("TRAIN"):
        swapped = "TRAIN-B"
    layout = Layout.of([top, swapped])
    assert layout.folder_for(file, split) == wanted


@pytest.mark.parametrize("names", [("one/1.png", "two/2.png"), ("1.png",), ("source/1.png", "target/1.png")])
@pytest.mark.parametrize("pairing", ["paired", "unpaired"])
def test_the_same_pictures_for_both_domains_are_refused(
    tmp_path: Path, names: tuple[str, ...], pairing: Pairing
) -> None:
    put(tmp_path / "set", *names)
    config = DataConfig(a=tmp_path / "set", b=tmp_path / "set", load_size=8, crop_size=8)
    with pytest.raises(DataError, match="A and B") as error:
        open_batches(
            config,
            Sampling(pairing=pairing),
            device=torch.device("cpu"),
            cache_folder=tmp_path / "cache",
        )
    assert "\n" not in str(error.value)


def test_pairs_side_by_side_are_taken(tmp_path: Path) -> None:
    put(tmp_path / "set", "1.png", "2.png", size=(16, 8))
    config = DataConfig(a=tmp_path / "set", b=tmp_path / "set", load_size=8, crop_size=8)
    made = open_batches(
        config, Sampling(pairing="paired"), device=torch.device("cpu"), cache_folder=tmp_path / "c"
    )
    assert made.length == 2


def test_a_split_that_is_a_link_out_of_the_dataset_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "private", "1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train").symlink_to(tmp_path / "private")
    with pytest.raises(DataError, match="link that leads out"):
        split_images(tmp_path / "set", "a", "train")
    monkeypatch.setenv("RESKIN_FOLLOW_LINKS", "1")
    assert len(split_images(tmp_path / "set", "a", "train")) == 1


def test_links_to_pictures_elsewhere_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "disk", "1.png", "2.png")
    (tmp_path / "set").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "disk" / name)
    assert split_images(tmp_path / "set", "a", "train") == []
    assert "1 more links lead out" in caplog.text and "RESKIN_FOLLOW_LINKS=1" in caplog.text
    monkeypatch.setenv("RESKIN_FOLLOW_LINKS", "1")
    assert len(split_images(tmp_path / "set", "a", "train")) == 2
    (tmp_path / "linked").symlink_to(tmp_path / "disk")
    monkeypatch.delenv("RESKIN_FOLLOW_LINKS")
    assert len(split_images(tmp_path / "linked", "a", "train")) == 2
