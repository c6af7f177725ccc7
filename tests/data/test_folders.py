"""Folders with every trap of a file system."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reskin.data.folders import (
    check_domains_differ,
    held_out_images,
    list_images,
    list_pictures,
    split_images,
    training_images,
    unique_names,
)
from reskin.errors import DataError
from reskin.images import write_image


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def below(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_natural_order_recursion_hidden_and_endings(tmp_path: Path) -> None:
    names = ["f10.png", "f2.PNG", "f1.jpeg", "sub/a.webp", ".hidden.png", ".git/b.png", "notes.txt", "x.eps"]
    touch(*(tmp_path / name for name in names))
    assert below(list_images(tmp_path), tmp_path) == ["f1.jpeg", "f2.PNG", "f10.png", "sub/a.webp"]


def test_equal_stems_and_odd_names_all_come(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "é.png")
    names = ["a/1.jpg", "b/1.png", "1.JPG", "1.png", "A.png", "a.png", composed, " lead.png", "-dash.png"]
    names += [
        unicodedata.normalize("NFD", composed),
        'quo"te.png',
        "new\nline.png",
        "x" * 251 + ".png",
        "CON.png",
    ]
    touch(*(tmp_path / name for name in names))
    found = list_images(tmp_path)
    assert sorted(below(found, tmp_path)) == sorted(names)
    assert found == list_images(tmp_path)


def test_links_out_are_not_followed_and_loops_end(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root / "in" / "a.png", outside / "secret.png")
    (root / "out").symlink_to(outside)
    (root / "secret.png").symlink_to(outside / "secret.png")
    (root / "in" / "loop").symlink_to(root)
    (root / "self.png").symlink_to(root / "self.png")
    (root / "gone.png").symlink_to(root / "nothing.png")
    (root / "again.png").symlink_to(root / "in" / "a.png")
    assert below(list_images(root), root) == ["in/a.png"]


def test_a_folder_reached_by_a_link_is_read(tmp_path: Path) -> None:
    touch(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list_images(tmp_path / "link") == [tmp_path / "link" / "a.png"]


def test_pipes_and_folders_named_like_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    touch(tmp_path / "folder.png" / "a.png")
    assert below(list_images(tmp_path), tmp_path) == ["folder.png/a.png"]


def test_missing_folder_file_and_empty_folder_say_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path / "file")
    with pytest.raises(DataError, match=r"does not exist\. Check"):
        list_images(tmp_path / "none")
    with pytest.raises(DataError, match="is a file"):
        list_images(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert list_images(tmp_path / "empty") == []
    with pytest.raises(DataError, match="reskin prepare frames"):
        training_images(tmp_path / "empty", "a")


def test_the_common_layout(tmp_path: Path) -> None:
    touch(*(tmp_path / name / "p.png" for name in ("trainA", "trainB", "testA", "valB")))
    assert below(split_images(tmp_path, "a", "train"), tmp_path) == ["trainA/p.png"]
    assert below(split_images(tmp_path, "b", "train"), tmp_path) == ["trainB/p.png"]
    assert split_images(tmp_path, "b", "test") == []
    assert below(held_out_images(tmp_path, "a"), tmp_path) == ["testA/p.png"]
    assert below(held_out_images(tmp_path, "b"), tmp_path) == ["valB/p.png"]


def test_our_layout_and_a_plain_folder(tmp_path: Path) -> None:
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    touch(ours / "train" / "p.png", ours / "test" / "q.png", plain / "r.png")
    assert below(split_images(ours, "a", "train"), ours) == ["train/p.png"]
    assert below(held_out_images(ours, "b"), ours) == ["test/q.png"]
    assert below(split_images(plain, "a", "train"), plain) == ["r.png"]
    assert split_images(plain, "a", "test") == [] and below(held_out_images(plain, "a"), plain) == ["r.png"]


def test_a_test_folder_beside_plain_pictures_is_not_for_training(tmp_path: Path) -> None:
    touch(tmp_path / "p.png", tmp_path / "test" / "q.png")
    assert below(split_images(tmp_path, "a", "train"), tmp_path) == ["p.png"]


@pytest.mark.sweep
@given(st.lists(st.text("aA-2é1e\u0301", min_size=1, max_size=5), max_size=12))
def test_unique_names_are_unique_on_any_disk(names: list[str]) -> None:
    unique = unique_names(names)
    folded = {unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()) for name in unique}
    assert len(folded) == len(names)
    assert all(new.startswith(old) for new, old in zip(unique, names, strict=True))


def test_one_picture_is_a_side_of_its_own(tmp_path: Path) -> None:
    touch(tmp_path / "wave.jpg", tmp_path / "wave.txt")
    wave = tmp_path / "wave.jpg"
    assert training_images(wave, "b") == held_out_images(wave, "b") == [wave]
    assert split_images(wave, "b", "test") == []
    with pytest.raises(DataError, match="is a file, not a folder"):
        training_images(tmp_path / "wave.txt", "b")


def test_a_video_in_place_of_a_folder_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    touch(tmp_path / "film.mp4")
    for read in (training_images, held_out_images):
        with pytest.raises(
            DataError, match=r"is a video\. Take pictures from it first: reskin prepare frames"
        ):
            read(tmp_path / "film.mp4", "a")


def test_what_is_left_out_is_counted_and_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(*(tmp_path / name for name in ("a.png", "b.HEIC", "c.heic", "film.mp4", "notes.txt", ".d.heic")))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "photo").write_bytes(b"\xff\xd8\xff\xe0")
    os.mkfifo(tmp_path / "pipe.heic")
    for _ in range(2):
        assert below(list_images(tmp_path), tmp_path) == ["a.png"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{tmp_path}: 4 files are left out: b.HEIC, c.heic (HEIC cannot be read; convert")
    assert "film.mp4 (it is a video" in line and "photo (it is a JPEG picture, but its name" in line
    assert sorted(below(list(list_pictures(tmp_path).left_out), tmp_path)) == [
        *("b.HEIC", "c.heic", "film.mp4", "sub/photo")
    ]


@pytest.mark.parametrize("is_part", [False, True])
def test_copies_of_one_domain_are_no_other_domain(
    tmp_path: Path, is_part: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Under other names too, and where the other domain has pictures besides; one other picture is enough."""
    of_a, of_b = [], []
    for number in range(4):
        of_b.append(tmp_path / "b" / f"{number}.png")
        write_image(of_b[-1], np.full((8, 8, 3), 20 * number, np.uint8))
        if number < (3 if is_part else 4):
            of_a.append(tmp_path / "a" / f"copy-{number}.png")
            of_a[-1].parent.mkdir(exist_ok=True)
            of_a[-1].write_bytes(of_b[-1].read_bytes())
    for one, other in ((of_a, of_b), (of_b, of_a)):
        caplog.clear()
        check_domains_differ(tmp_path / "one", tmp_path / "other", one, other)
        assert "nothing to learn" in caplog.text
    caplog.clear()
    write_image(of_a[0], np.full((8, 8, 3), 200, np.uint8))
    check_domains_differ(tmp_path / "a", tmp_path / "b", of_a, of_b)
    assert not caplog.records
