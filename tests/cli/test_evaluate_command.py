"""`reskin evaluate`: what it prints, keeps and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.runs.test_load import model_folder

from reskin.cli.main import main
from reskin.images import write_image
from reskin.runs.folder import RunFolder


def test_pictures_that_cannot_be_read_end_it_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        write_image(tmp_path / name, draw.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    run = model_folder(tmp_path / "run")
    words = ["evaluate", str(run), "--a", str(tmp_path / "a"), "--b", str(tmp_path / "b"), "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["swd_a2b"]["against"] == "real"
    assert main(words) == 0
    assert len(RunFolder(run).score_rows()) == 1  # the same again is no second line
    (tmp_path / "a" / "3.png").write_bytes(b"\x89PNG no more")
    assert main(words) == 3
    assert "1 pictures were left out" in capsys.readouterr().err
