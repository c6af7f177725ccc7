"""Files that the user names are plain and bounded: no pipe is waited for, no device read without end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from reskin import images, threads
from reskin.cli.main import main
from reskin.curation.balance import attributes
from reskin.images import write_image
from reskin.runs.imports import generators
from reskin.threads import Budget

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")


def commands(folder: Path, name: str) -> dict[str, list[str]]:
    """Every command that reads a file which the user names, to be given `name`."""
    write_image(folder / "a" / "0.png", np.zeros((32, 32, 3), np.uint8))
    a = str(folder / "a")
    return {
        "train": ["train", "cyclegan", "--a", a, "--b", a, "--out", str(folder / "run"), "--config", name],
        "balance": ["balance", a, "--by", "people", "--csv", name],
        "import": ["import", name, "--out", str(folder / "model")],
        "stylize": ["stylize", name, "--style", name, "--out", str(folder / "out.png")],
        "translate": ["translate", name, name, str(folder / "out.png")],
    }


@pytest.mark.parametrize("command", ["train", "balance", "import", "stylize", "translate"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link to a pipe", "nothing"])
@pytest.mark.thinned(5, first=2)
def test_what_is_no_plain_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, kind: str
) -> None:
    name = tmp_path / "given.pth"
    if "pipe" in kind:
        os.mkfifo(tmp_path / "pipe")
        name.symlink_to(tmp_path / "pipe")
    names = {"pipe": tmp_path / "pipe", "device": Path("/dev/zero"), "folder": tmp_path}
    assert main(commands(tmp_path, str(names.get(kind, name)))[command]) == 2
    said = capsys.readouterr().err
    assert said.startswith("reskin: ") and said.count("\n") == 1
    assert not (tmp_path / "run").exists() and not (tmp_path / "model").exists()


def test_a_table_or_model_without_end_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attributes, "_MOST_TABLE_BYTES", 100)
    monkeypatch.setattr(generators, "MOST_BYTES", 100)
    (tmp_path / "large").write_bytes(b"file,people\n" + b"0.png,1\n" * 50)
    for command in ("balance", "import"):
        assert main(commands(tmp_path, str(tmp_path / "large"))[command]) == 2
        assert "is larger than" in capsys.readouterr().err


class Counted(Budget):
    """A budget that remembers the most that was held, and how often something was taken."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.most, self.times = 0, 0

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        with super().take(amount):
            self.most, self.times = max(self.most, self.used), self.times + 1
            yield


@pytest.mark.parametrize("command", ["images", "screen", "balance", "inspect", "train"])
def test_commands_hold_a_bounded_number_of_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Files of a few kB can hold large pictures: threads share what may be decoded at once, counted in px."""
    for number in range(8):
        write_image(tmp_path / "a" / f"{number}.png", np.full((32, 40, 3), 30 * number, np.uint8))
        write_image(tmp_path / "b" / f"{number}.png", np.full((32, 40, 3), 20 * number, np.uint8))
    a, out = str(tmp_path / "a"), str(tmp_path / "out")
    size = ["--load-size", "32", "--crop-size", "28", "--steps", "1", "--device", "cpu"]
    words = {
        "images": ["prepare", "images", a, "--out", out],
        "screen": ["screen", a],
        "balance": ["balance", a, "--by", "brightness", "--above", "0.5", "--ratio", "1:1"],
        "inspect": ["inspect", a, "--out", f"{out}.html"],
        "train": ["train", "grade", "--a", a, "--b", str(tmp_path / "b"), "--out", out, *size],
    }
    budget = Counted(2 * 32 * 40)
    monkeypatch.setattr(images, "DECODING", budget)
    monkeypatch.setattr(threads, "num_cores", lambda: 8)
    assert main(words[command]) == 0
    assert budget.times >= 8 and budget.most <= budget.total and budget.used == 0
