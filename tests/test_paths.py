"""Nothing that a handed-over folder says leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reskin.errors import DataError
from reskin.paths import FOLLOW_VARIABLE, check_own, inside, open_plain, read_plain, relative_fault

OUT = [
    "",
    ".",
    "..",
    "../a.png",
    "train/../../a.png",
    "train/..",
    "/etc/passwd",
    "//host/share/a.png",
    "\\\\host\\share\\a.png",
    "..\\a.png",
    "train\\..\\..\\a.png",
    "C:/a.png",
    "c:\\a.png",
    "\\a.png",
    "a\0.png",
    "train//a.png",
    "train/./a.png",
    "train/",
    "n" * 256,
    "ü" * 128,
]


@pytest.mark.parametrize("text", OUT, ids=ascii)
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, text: str) -> None:
    assert relative_fault(text)
    for writes in (False, True):
        with pytest.raises(DataError) as error:
            inside(tmp_path, text, writes=writes)
        assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


@pytest.mark.parametrize("text", ["a.png", "train/a b.png", "...", "..a/b..", "a\nb.png", "caf\udce9.png"])
def test_odd_names_below_are_names(tmp_path: Path, text: str) -> None:
    assert inside(tmp_path, text, writes=True) == tmp_path / text


def test_a_link_on_the_way_is_refused(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "train").mkdir(parents=True)
    (outside / "a.png").touch()
    (root / "val").mkdir(parents=True)
    (root / "val" / "a.png").touch()
    for name, leads_to in {
        "train": outside / "train",
        "a.png": outside / "a.png",
        "nowhere.png": "gone",
        "loop.png": "loop.png",
        "test": "val",
    }.items():
        (root / name).symlink_to(leads_to)
    for text in ("train/x.png", "a.png", "nowhere.png", "loop.png"):
        for writes in (False, True):
            with pytest.raises(DataError, match="link"):
                inside(root, text, writes=writes)
    assert inside(root, "test/a.png") == root / "test" / "a.png"  # stays inside
    with pytest.raises(DataError, match="link"):
        inside(root, "test/a.png", writes=True)


def test_links_are_followed_where_the_user_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "a.png").touch()
    (tmp_path / "root" / "a.png").symlink_to(tmp_path / "a.png")
    monkeypatch.setenv(FOLLOW_VARIABLE, "1")
    assert inside(tmp_path / "root", "a.png")
    with pytest.raises(DataError):
        inside(tmp_path / "root", "a.png", writes=True)


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "train").mkdir(parents=True)
    (tmp_path / "set").symlink_to("disk")
    assert inside(tmp_path / "set", "train/a.png", writes=True)


def test_each_name_has_to_be_of_its_kind(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("file", "folder"), ("folder", "file"), ("pipe", "file"), ("pipe", "folder")):
        with pytest.raises(DataError, match="no plain"):
            check_own(tmp_path, {name: kind})  # type: ignore[dict-item]
    with pytest.raises(DataError, match="no plain"):
        inside(tmp_path, "file/below.png")
    check_own(tmp_path, {"file": "file", "folder": "folder", "missing": "file"})


def test_pipes_devices_and_links_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("text")
    (tmp_path / "link").symlink_to("text")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "link", tmp_path / "missing"):
        for flags in (os.O_RDONLY, os.O_RDWR):
            with pytest.raises(OSError):
                open_plain(path, flags)
    assert read_plain(tmp_path / "link", follow=True) == read_plain(tmp_path / "text") == b"text"
    with pytest.raises(OSError, match="larger"):
        read_plain(tmp_path / "text", most_bytes=3)
