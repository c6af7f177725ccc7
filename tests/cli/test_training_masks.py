"""Masks given for training: learnt from where the method can, refused where nothing would be learnt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reskin.cli.main import main
from reskin.images import write_image

SMALL = ["--steps", "2", "--crop-size", "32", "--load-size", "32", "--width", "4", "--blocks", "1"]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 256, (32, 32, 3)).astype(np.uint8)
        write_image(tmp_path / "a" / f"{number}.png", picture)
        write_image(tmp_path / "b" / f"{number}.png", 255 - picture)
        write_image(tmp_path / "masks" / f"{number}.png", np.full((32, 32, 3), 255, np.uint8))
    return tmp_path


def words(root: Path, method: str, *more: str) -> list[str]:
    sides = ["--a", str(root / "a"), "--b", str(root / "b"), "--device", "cpu", "--precision", "fp32"]
    return ["train", method, *sides, "--out", str(root / "run"), *SMALL, *more]


@pytest.mark.sweep
def test_attentiongan_learns_from_masks_of_one_domain(folders: Path) -> None:
    masks = ["--mask-a", str(folders / "masks"), "--mask-weight", "1"]
    assert main(words(folders, "attentiongan", *masks)) == 0
    lines = (folders / "run" / "losses.jsonl").read_text(encoding="utf-8").splitlines()
    assert all("mask" in line for line in lines) and json.loads(lines[0])
    out = folders / "out.png"
    assert main(["translate", str(folders / "run"), str(folders / "a" / "0.png"), str(out)]) == 0


@pytest.mark.parametrize(
    ("method", "more", "said"),
    [
        ("attentiongan", ["--mask-a", "masks"], "Add --mask-weight 1"),
        ("attentiongan", ["--mask-weight", "1"], "Add --mask-a FOLDER"),
        ("cyclegan", ["--mask-b", "masks"], "CycleGAN does not learn from masks"),
        ("attentiongan", ["--mask-a", "none", "--mask-weight", "1"], "none does not exist"),
    ],
)
@pytest.mark.thinned(3, first=1)
def test_masks_that_nothing_is_learnt_from(
    folders: Path, capsys: pytest.CaptureFixture[str], method: str, more: list[str], said: str
) -> None:
    given = [str(folders / word) if word in ("masks", "none") else word for word in more]
    assert main(words(folders, method, *given)) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1
    assert not (folders / "run" / "checkpoints").exists()
