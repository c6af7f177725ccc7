"""`reskin screen` and `reskin balance`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reskin.cli import balance, screen
from reskin.data.folders import split_images
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.images import write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of noise, one of them twice, and a black one."""
    rng = np.random.default_rng(0)
    for number in range(4):
        image = np.kron(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
        write_image(tmp_path / f"p{number}.png", image // (1 + number % 2 * 4))
        if number == 2:
            write_image(tmp_path / "twin.png", image)
    write_image(tmp_path / "black.png", np.zeros((64, 64, 3), np.uint8))
    return tmp_path


def test_a_look_tells_reasons_with_counts_and_examples(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert screen.run([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "6 pictures, 2 to leave out, 4 stay" in said
    assert "dark" in said and "1 (16.7%)" in said and "black.png (0)" in said
    assert "twin.png = p2.png" in said
    assert "run the same with --apply" in said
    assert len(split_images(folder, "a", "train")) == 6


def test_apply_then_undo(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert screen.run([str(folder), "--apply", "--drop", "p0.png", "p9.png", "--off", "dark", "uniform"]) == 0
    said = capsys.readouterr()
    assert "left out" in said.out and "dropped, e.g. p0.png" in said.out
    assert "fits no picture: p9.png" in said.err
    assert [path.name for path in split_images(folder, "a", "train")] == [
        "black.png",
        "p1.png",
        "p2.png",
        "p3.png",
    ]
    assert screen.run([str(folder), "--undo"]) == 0
    assert len(split_images(folder, "a", "train")) == 6


def used(folder: Path) -> list[str]:
    return [path.name for path in split_images(folder, "a", "train")]


def test_verdicts_take_the_place_of_what_was_said_before_so_that_an_undo_can_be_undone(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path_factory.mktemp("lists") / "verdicts.csv"
    off = ["--off", "dark", "uniform", "duplicate", "--apply"]
    everything = used(folder)

    def said(text: str) -> list[str]:
        table.write_text(f"file,verdict\n{text}", encoding="utf-8")
        assert screen.run([str(folder), "--by-hand", str(table), *off]) == 0
        return used(folder)

    assert screen.run([str(folder), "--drop", "p*", *off]) == 0
    assert used(folder) == ["black.png", "twin.png"]
    assert said("p1.png,drop\n") == [name for name in everything if name != "p1.png"]
    assert said("") == everything  # undone
    assert said("p1.png,drop\nq[0].png,drop\n") == [name for name in everything if name != "p1.png"]  # redone
    assert "fits no picture: q[0].png" in capsys.readouterr().err
    # It stays in runs without a table, and a newer word counts more.
    assert screen.run([str(folder), *off]) == 0
    assert "p1.png" not in used(folder)
    assert screen.run([str(folder), "--keep", "p1.png", *off]) == 0
    assert used(folder) == everything
    assert said(f"{folder}/p2.png,drop\n") == [name for name in everything if name != "p2.png"]


def test_a_verdict_keeps_what_a_rule_would_leave_out(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = tmp_path_factory.mktemp("lists") / "verdicts.csv"
    table.write_text("file,verdict\nblack.png,keep\n", encoding="utf-8")
    assert screen.run([str(folder), "--by-hand", str(table), "--apply"]) == 0
    assert "black.png" in used(folder) and "twin.png" not in used(folder)


@pytest.mark.parametrize("words", [[], ["--apply"], ["--json"]])
def test_pictures_that_cannot_be_read_are_exit_code_three(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "x.png").write_bytes(b"no picture")
    with pytest.raises(PartialError, match=r"1 picture cannot be read, the first is .*x\.png") as error:
        screen.run([str(folder), *words])
    assert error.value.exit_code == 3
    assert "dark" in capsys.readouterr().out


def test_json_names_every_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert screen.run([str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["applied"] is False
    side = found["domains"][0]
    assert side["reasons"]["dark"]["pictures"] == [{"file": "black.png", "score": 0.0}]
    assert side["duplicate_of"] == {"twin.png": "p2.png"}


@pytest.mark.parametrize(
    "words",
    [["--blur", "2"], ["--off", "blurr"], ["--apply", "--undo"], ["--duplicate", "40"], ["--blurr", "1"]],
)
def test_wrong_words_of_screen_are_one_line(folder: Path, words: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        screen.run([str(folder), *words])
    assert "\n" not in str(error.value)
    assert not (folder / "manifest.json").exists()


def test_balance_tells_then_applies_then_undoes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(folder), "--by", "brightness", "--above", "0.2"]
    assert balance.run(words) == 0
    said = capsys.readouterr().out
    assert "3 : 3" in said and "Nothing is left out" in said
    assert balance.run([*words, "--ratio", "3:1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["after"] == {"train": [3, 1]}
    assert len(split_images(folder, "a", "train")) == 4
    assert balance.run([str(folder), "--undo"]) == 0
    assert "2 pictures used again" in capsys.readouterr().err


def test_balance_with_a_damaged_picture_is_partly_done(folder: Path) -> None:
    (folder / "x.png").write_bytes(b"no picture")
    with pytest.raises(PartialError, match=r"1 pictures? cannot be read"):
        balance.run([str(folder), "--by", "brightness", "--above", "0.2", "--ratio", "1:1"])


def test_wrong_words_of_balance_are_one_line(folder: Path) -> None:
    for words in (["--ratio", "4"], ["--by", "people"], ["--undo", "--ratio", "4:1"]):
        with pytest.raises(SettingsError) as error:
            balance.run([str(folder), *words])
        assert "\n" not in str(error.value)
