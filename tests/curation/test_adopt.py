"""Folders of pictures as datasets: the splits of every layout, and what is known of them kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reskin.curation.adopt import adopt_folder, domains_in, open_set
from reskin.data.folders import split_images
from reskin.data.manifest import Manifest, write_manifest
from reskin.errors import DataError
from reskin.images import write_image


def put(root: Path, *files: str) -> None:
    for file in files:
        write_image(root / file, np.zeros((2, 2, 3), np.uint8))


def splits(manifest: Manifest) -> list[tuple[str, str]]:
    return [(frame.file, frame.split) for frame in manifest.frames]


def test_our_own_layout_keeps_its_splits(tmp_path: Path) -> None:
    put(tmp_path, "train/2.png", "train/10.png", "val/1.png", "test/1.png", "other/1.png")
    found = [
        ("train/2.png", "train"),
        ("train/10.png", "train"),
        ("val/1.png", "val"),
        ("test/1.png", "test"),
    ]
    assert splits(adopt_folder(tmp_path)) == found
    assert splits(adopt_folder(tmp_path, None)) == found


def test_of_two_halves_one_or_both_are_taken(tmp_path: Path) -> None:
    put(tmp_path, "trainA/1.png", "trainB/1.png", "testA/1.png", "testB/2.png")
    assert splits(adopt_folder(tmp_path)) == [("trainA/1.png", "train"), ("testA/1.png", "test")]
    assert splits(adopt_folder(tmp_path, "b")) == [("trainB/1.png", "train"), ("testB/2.png", "test")]
    both = adopt_folder(tmp_path, None)
    assert domains_in(both) == ["a", "b", "a", "b"]


@pytest.mark.parametrize("beside", ["test", "testA"])
def test_a_plain_folder_is_training_but_for_a_test_folder_beside(tmp_path: Path, beside: str) -> None:
    put(tmp_path, "b.png", "deep/a.png", f"{beside}/c.png")
    manifest = adopt_folder(tmp_path)
    assert splits(manifest) == [("b.png", "train"), ("deep/a.png", "train"), (f"{beside}/c.png", "test")]
    for split in ("train", "test"):
        mine = [tmp_path / frame.file for frame in manifest.frames if frame.split == split]
        assert mine == split_images(tmp_path, "a", split)


def test_the_other_halfs_test_folder_beside_a_plain_folder_is_not_taken(tmp_path: Path) -> None:
    put(tmp_path, "b.png", "testB/c.png")
    assert splits(adopt_folder(tmp_path)) == [("b.png", "train")]


def test_nothing_is_written(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    adopt_folder(tmp_path)
    open_set(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_an_adopted_manifest_follows_its_folder_and_keeps_what_it_knows(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    manifest = open_set(tmp_path)
    known = manifest.frames[1].model_copy(update={"left_out": ("blur",)})
    write_manifest(tmp_path, manifest.model_copy(update={"frames": [manifest.frames[0], known]}))
    put(tmp_path, "c.png")
    (tmp_path / "a.png").unlink()
    found = open_set(tmp_path)
    assert [(frame.file, frame.left_out) for frame in found.frames] == [("b.png", ("blur",)), ("c.png", None)]


def test_a_manifest_of_prepared_pictures_is_taken_as_it_is(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    first = adopt_folder(tmp_path).frames[:1]
    made = Manifest(reskin="1", settings={"every": 2}, sources=[], frames=first, damaged=[])
    write_manifest(tmp_path, made)
    assert open_set(tmp_path) == made


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_set(tmp_path / "no")
    with pytest.raises(DataError, match="no pictures"):
        open_set(tmp_path)
    put(tmp_path, "a.png")
    with pytest.raises(DataError, match="is a file"):
        open_set(tmp_path / "a.png")
