"""Paths and folders of thousands of levels or characters: one line, and nothing is made."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reskin.cli.main import main
from reskin.images import write_image
from reskin.paths import MOST_DEEP, make_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")

FOLDERS = "/".join(["d"] * 1500)
PATHS = {
    "folders": FOLDERS,
    "name": "n" * 300,
    "characters": "/".join(["abcdefg"] * 900),
}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(3):
        write_image(tmp_path / "pictures" / f"{number}.png", np.full((32, 32, 3), 40 * number, np.uint8))
    return tmp_path / "pictures"


def writing(pictures: Path, name: str) -> dict[str, list[str]]:
    """Commands that are to write to `name`."""
    return {
        "images": ["prepare", "images", str(pictures), "--out", name],
        "train": ["train", "grade", "--a", str(pictures), "--b", str(pictures / "0.png"), "--out", name],
        "inspect": ["inspect", str(pictures), "--out", f"{name}.html"],
        "demo": ["demo", "--out", name],
    }


def reading(folder: str, out: Path) -> dict[str, list[str]]:
    """Commands that read a folder."""
    return {
        "images": ["prepare", "images", folder, "--out", str(out)],
        "frames": ["prepare", "frames", folder, "--out", str(out)],
        "train": ["train", "grade", "--a", folder, "--b", folder, "--out", str(out)],
        "split": ["split", folder],
        "screen": ["screen", folder],
        "balance": ["balance", folder, "--by", "brightness", "--ratio", "1:1"],
        "inspect": ["inspect", folder, "--out", f"{out}.html"],
        "report": ["report", folder],
        "runs": ["runs", folder],
        "import": ["import", folder, "--out", str(out)],
        "study": ["study", "results", folder],
        "make": ["make", folder, "--like", __file__, "--out", str(out)],
    }


def one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2, words
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("reskin: ")]
    assert len(lines) == 1 and len(lines[0]) < 2000, lines
    return lines[0]


@pytest.mark.parametrize("kind", list(PATHS))
@pytest.mark.parametrize("command", ["images", "train", "inspect", "demo"])
@pytest.mark.thinned(3)
def test_where_nothing_can_be_written(
    pictures: Path, kind: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one_line(writing(pictures, str(pictures.parent / PATHS[kind]))[command], capsys)
    assert os.listdir(pictures.parent) == ["pictures"]


@pytest.mark.parametrize("kind", list(PATHS))
@pytest.mark.parametrize("command", list(reading("", Path())))
@pytest.mark.thinned(3)
def test_where_nothing_is(
    tmp_path: Path, kind: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one_line(reading(str(tmp_path / PATHS[kind]), tmp_path / "out")[command], capsys)
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A picture below more folders than the interpreter calls functions."""
    root, home, levels = tmp_path_factory.mktemp("deep"), os.getcwd(), 1200
    picture = np.zeros((32, 32, 3), np.uint8)
    write_image(root / "pictures" / "0.png", picture)
    os.chdir(root / "pictures")
    for _ in range(levels):
        os.mkdir("d")
        os.chdir("d")
    write_image(Path("deep.png"), picture)
    os.chdir(home)
    yield root / "pictures"
    os.chdir(root / "pictures")
    for _ in range(levels):
        os.chdir("d")
    os.unlink("deep.png")
    for _ in range(levels):
        os.chdir("..")
        os.rmdir("d")
    os.chdir(home)


@pytest.mark.parametrize("command", ["images", "train", "split", "screen", "balance", "inspect", "make"])
@pytest.mark.thinned(7, first=5)
def test_folders_of_thousands_of_levels(deep: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = one_line(reading(str(deep), deep.parent / "out")[command], capsys)
    assert f"more than {MOST_DEEP} folders" in said
    assert not (deep.parent / "out").exists()


def test_a_folder_is_made_up_to_a_depth(tmp_path: Path) -> None:
    left = MOST_DEEP - len(tmp_path.parts)
    make_folder(tmp_path.joinpath(*["d"] * left))
    with pytest.raises(OSError, match="more than"):
        make_folder(tmp_path.joinpath(*["e"] * (left + 1)))
    assert not (tmp_path / "e").exists()


def test_an_error_shows_the_ends_of_a_long_path(capsys: pytest.CaptureFixture[str]) -> None:
    said = one_line(["runs", f"{'x/' * 1500}here"], capsys)
    assert (
        said.startswith("reskin: no folder x/x/") and "..." in said and "/here." in said and len(said) < 900
    )
    almost = "y/" * 440 + "y"
    assert almost in one_line(["runs", almost], capsys)


def test_what_is_nested_too_deeply_for_the_interpreter_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sinks(words: list[str]) -> int:
        return sinks(words)

    monkeypatch.setattr("reskin.cli.main._command", lambda name: sinks)
    assert "nested too deeply" in one_line(["runs"], capsys)
