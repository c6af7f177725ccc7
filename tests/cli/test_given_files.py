"""Files that the user names are plain and bounded: no pipe is waited for, no device read without end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from reskin.cli.main import main
from reskin.curation.balance import attributes
from reskin.images import write_image
from reskin.runs.imports import generators

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
