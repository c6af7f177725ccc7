"""`reskin inspect` from words to files and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reskin.cli import inspect
from reskin.errors import DataError, SettingsError
from reskin.exits import PartialError
from reskin.images import write_image


def fill(root: Path, start: int, count: int = 10) -> None:
    for i in range(count):
        rough = np.random.default_rng(start + i).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(rough).resize((40, 40), Image.Resampling.BICUBIC))
        write_image(root / ("test" if i % 4 == 0 else "train") / f"{i}.png", image)


def test_two_plain_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "a", 0)
    fill(tmp_path / "b", 100)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    out = tmp_path / "out" / "inspect.html"
    assert inspect.run([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "a: 10 pictures in use (7 train, 3 test)" in said.out and "Number of pictures" in said.out
    assert "next: reskin train cyclegan" in said.out and "done:" in said.err
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "inspect-a.png",
        "inspect-b.png",
        "inspect.html",
    ]
    assert (tmp_path / "a" / "dataset_card.json").exists() and (tmp_path / "b" / "dataset_card.md").exists()
    assert {path: path.read_bytes() for path in before} == before
    assert inspect.run([str(tmp_path / "a"), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gap"] is None and found["cards"][0]["counts"]["used"] == 10


def test_both_sides_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, start in (("A", 0), ("B", 50)):
        fill(tmp_path / "x", start)
        (tmp_path / "x" / "train").rename(tmp_path / "x" / f"train{side}")
        (tmp_path / "x" / "test").rename(tmp_path / "x" / f"test{side}")
    assert inspect.run([str(tmp_path / "x"), "--out", str(tmp_path / "o.html"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gap"]["domains"] == ["x A", "x B"]
    assert (tmp_path / "x" / "dataset_card_a.json").exists() and (tmp_path / "o-x-A.png").exists()


def test_unreadable_pictures_are_named_and_the_code_is_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "a", 0)
    (tmp_path / "a" / "train" / "bad.png").write_bytes(b"nothing")
    with pytest.raises(PartialError, match=r"1 pictures cannot be read, first .*bad\.png") as caught:
        inspect.run([str(tmp_path / "a"), "--out", str(tmp_path / "o.html")])
    assert caught.value.exit_code == 3 and "bad.png" in capsys.readouterr().err
    assert (tmp_path / "o.html").exists()


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    fill(tmp_path / "a", 0, 3)
    with pytest.raises(SettingsError, match="lies inside the set"):
        inspect.run([str(tmp_path / "a"), "--out", str(tmp_path / "a" / "o.html")])
    with pytest.raises(SettingsError, match="must end in"):
        inspect.run([str(tmp_path / "a"), "--out", str(tmp_path / "o.png")])
    with pytest.raises(DataError, match="does not exist"):
        inspect.run([str(tmp_path / "none")])
    with pytest.raises(SettingsError, match=r"3 folders|one set"):
        inspect.run([str(tmp_path / "a")] * 3)
    assert not list(tmp_path.rglob("dataset_card*"))
