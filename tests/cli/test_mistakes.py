"""Mistakes that newcomers make: one line each, with what to type next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reskin.cli.main import main
from reskin.images import write_image
from reskin.storage import write_json


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for domain in ("A", "B"):
        for number in range(2):
            write_image(tmp_path / domain / f"{number}.png", np.full((8, 8, 3), 90 * number, np.uint8))
    write_json(tmp_path / "run" / "config.json", {"method": "cyclegan"})
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")


TRAIN = ["train", "cyclegan", "--a", "A", "--b", "B", "--steps", "1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*TRAIN, "--out", "A"], "the run A would lie in A, the pictures of domain A. Choose another --out"),
        ([*TRAIN, "--out", "B/runs/x"], "would lie in B, the pictures of domain B. Choose another --out"),
        ([*TRAIN, "--out", "r", "--device", "gpu"], "no device 'gpu'. Leave --device out, or give cpu, cuda"),
        (["translate", "A/0.png", "run", "o.png"], "The run comes first: reskin translate run A/0.png o.png"),
        (["translate", "A/0.png", "A/1.png", "o.png"], "A/0.png is no run folder"),
        ([*TRAIN, "--out", "note.txt"], "note.txt is in the way: it is no folder."),
    ],
)
@pytest.mark.thinned(3, first=1)
def test_a_mistake_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("reskin: ")]
    assert said in line
    assert sorted(path.name for path in Path("A").iterdir()) == ["0.png", "1.png"]


def test_a_tilde_is_the_home_folder_where_the_shell_left_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert main(["report", "~/runs/x"]) == 2
    assert f"no run folder {tmp_path / 'home' / 'runs' / 'x'}" in capsys.readouterr().err
