"""A journal or manifest of somebody else moves, takes and plants nothing outside of its folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reskin.curation.moves import JOURNAL, finish_moves
from reskin.curation.split.resplit import SplitConfig, resplit
from reskin.data.manifest import MANIFEST_NAME, read_manifest
from reskin.errors import DataError, ReskinError

MOVES: dict[str, dict[Any, Any]] = {
    "onto a file outside": {"train/a.png": "../home/precious.png"},
    "onto a file outside, absolute": {"train/a.png": "{home}/precious.png"},
    "a file outside in": {"../home/precious.png": "test/a.png"},
    "through a link": {"train/a.png": "test/linked/precious.png"},
    "from behind a link": {"train/linked/precious.png": "test/precious.png"},
    "onto another picture": {"train/a.png": "test/b.png"},
    "no picture": {"train/payload": "test/payload"},
    "onto the manifest": {"train/a.png": "manifest.json"},
    "into a hidden folder": {"train/a.png": "test/.git/a.png"},
    "out of the splits": {"train/a.png": "a.png"},
    "two onto one": {"train/a.png": "test/x.png", "train/c.png": "test/x.png"},
    "a number": {"train/a.png": 5},
    "a list": {"train/a.png": ["test/a.png"]},
    "NUL": {"train/a.png": "test/a\0.png"},
    "backslashes": {"train/a.png": "test/..\\..\\home\\precious.png"},
    "a drive": {"train/a.png": "C:/a.png"},
    "empty": {"train/a.png": ""},
    "the folder itself": {"": "test/a.png"},
}


def manifest_of(files: list[Any], **more: Any) -> dict[str, Any]:
    rows = [{"file": file} for file in files]
    return {"reskin": "0", "settings": {"adopted": True}, "sources": [], "damaged": [], "frames": rows} | more


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A dataset beside somebody's home; test/linked and train/linked lead there."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precious.png").write_text("precious")
    root = tmp_path / "evil"
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        (root / split / "linked").symlink_to(tmp_path / "home")
    for name in ("train/a.png", "train/c.png", "test/b.png", "train/payload"):
        (root / name).write_text(name)
    return root


def state(folder: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes()
    return found


@pytest.mark.parametrize("name", list(MOVES))
@pytest.mark.thinned(5, first=4)
def test_a_journal_that_no_split_wrote_moves_nothing(evil: Path, name: str) -> None:
    moves = {
        old: new.replace("{home}", str(evil.parent / "home")) if isinstance(new, str) else new
        for old, new in MOVES[name].items()
    }
    listed = [new for new in dict.fromkeys(map(str, moves.values()))]
    journal = {"moves": moves, "manifest": manifest_of(listed)}
    (evil / JOURNAL).write_text(json.dumps(journal))
    before = state(evil.parent)
    with pytest.raises(ReskinError) as error:
        finish_moves(evil)
    assert "\n" not in str(error.value) and state(evil.parent) == before
    with pytest.raises(ReskinError):
        resplit(evil, SplitConfig(by="random"))
    assert {k: v for k, v in state(evil.parent).items() if not k.endswith(".lock")} == before


@pytest.mark.parametrize("text", ["", "[]", "5", "{", '{"moves": []}', "[" * 10_000, '{"moves": {"a": "b"}}'])
def test_a_damaged_journal_is_one_line(evil: Path, text: str) -> None:
    (evil / JOURNAL).write_text(text)
    before = state(evil.parent)
    with pytest.raises(DataError) as error:
        finish_moves(evil)
    assert "\n" not in str(error.value) and state(evil.parent) == before


@pytest.mark.parametrize("name", [JOURNAL, MANIFEST_NAME, "train", "val", "test", ".prepare"])
def test_a_link_in_place_of_what_is_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="link"):
        finish_moves(tmp_path / "root")
    assert not (tmp_path / "elsewhere").exists()


ROWS: dict[str, Any] = {
    "climbs": "../home/precious.png",
    "climbs later": "train/../../home/precious.png",
    "absolute": "/etc/hostname",
    "behind a link": "train/linked/precious.png",
    "a link": "train/link.png",
    "a pipe": "train/pipe.png",
    "a folder": "train/folder.png",
    "empty": "",
    "NUL": "a\0.png",
    "dots": ".",
    "a backslash": "..\\home\\precious.png",
    "a drive": "C:\\a.png",
    "a number": 5,
    "nothing": None,
    "a list": ["train/a.png"],
}


@pytest.mark.parametrize("name", list(ROWS))
def test_a_row_that_leads_out_is_refused_on_reading(evil: Path, name: str) -> None:
    (evil / "train" / "link.png").symlink_to(evil.parent / "home" / "precious.png")
    os.mkfifo(evil / "train" / "pipe.png")
    (evil / "train" / "folder.png").mkdir()
    (evil / MANIFEST_NAME).write_text(json.dumps(manifest_of(["train/a.png", ROWS[name]])))
    with pytest.raises(DataError, match=MANIFEST_NAME) as error:
        read_manifest(evil)
    assert "\n" not in str(error.value)


FIELDS: list[dict[str, Any]] = [
    {"index": -1},
    {"index": 1e400},
    {"index": 10**30},
    {"source": -1},
    {"clip": "x"},
    {"seconds": float("nan")},
    {"seconds": float("inf")},
    {"scores": {"blur": "x"}},
    {"time": "1/0"},
    {"time": "nan"},
    {"split": "training"},
    {"left_out": "blur"},
]


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_numbers_that_are_none_are_refused_on_reading(tmp_path: Path, field: dict[str, Any]) -> None:
    values = manifest_of([])
    values["frames"] = [{"file": "a.png", **field}]
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(values))
    with pytest.raises(DataError, match=MANIFEST_NAME) as error:
        read_manifest(tmp_path)
    assert "\n" not in str(error.value)


def test_scores_that_are_no_numbers_count_as_not_measured(tmp_path: Path) -> None:
    values = manifest_of([])
    values["frames"] = [{"file": "a.png", "scores": {"blur": float("nan"), "dark": 1.0, "light": 1e400}}]
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(values))
    manifest = read_manifest(tmp_path)
    assert manifest is not None and manifest.frames[0].scores == {"dark": 1.0}


def test_a_row_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(manifest_of(["a.png", "a.png"])))
    with pytest.raises(DataError, match="twice"):
        read_manifest(tmp_path)


def test_a_manifest_that_is_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text(json.dumps(manifest_of(["a.png"])))
    (tmp_path / MANIFEST_NAME).symlink_to("real.json")
    with pytest.raises(DataError, match="link"):
        read_manifest(tmp_path)
    (tmp_path / MANIFEST_NAME).unlink()
    os.mkfifo(tmp_path / MANIFEST_NAME)
    with pytest.raises(DataError, match="no plain file"):
        read_manifest(tmp_path)


def test_names_that_are_no_utf_8_are_split_and_read(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"caf\udce9{number}.png").write_text("x")
    made = resplit(tmp_path, SplitConfig(by="random"))
    assert read_manifest(tmp_path) == made
    assert all((tmp_path / frame.file).is_file() for frame in made.frames)
