"""What version 0.1.0 wrote, before checkpoints of format 2: a run, a model folder and two datasets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from reskin.cli.main import main
from reskin.data.manifest import read_manifest
from reskin.errors import CheckpointError
from reskin.images import read_image, write_image
from reskin.runs import checkpoint
from reskin.runs.folder import RunFolder
from reskin.runs.load import load
from reskin.runs.record import read_run
from reskin.training.start import train_run

WRITTEN = Path(__file__).parents[1] / "fixtures" / "v0"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work on, in the current folder, as the paths in its config.json are relative."""
    shutil.copytree(WRITTEN, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


def picture(path: Path) -> Path:
    write_image(path, np.random.default_rng(0).integers(0, 256, (40, 33, 3), dtype=np.uint8))
    return path


def test_the_run_is_read(old: Path) -> None:
    record = read_run(old / "run")
    assert (record.method, record.steps, record.last_step, record.checkpoints) == ("cyclegan", 18, 18, [6])
    assert len(record.losses) == 5 and len(record.losses["cycle"][0]) == 18
    assert [grid.step for grid in record.grids] == [1] and record.grids[0].columns == 4
    assert record.scores[0]["scores"]["swd_a2b"]["better"] == "lower"


def test_the_run_goes_on_and_learns_what_it_learnt_then(old: Path) -> None:
    before = read_run(old / "run")
    settings = json.loads((old / "run" / "config.json").read_text())["settings"]
    train_run("cyclegan", out=old / "run", **settings["method"], **settings["data"], **settings["train"])
    after = read_run(old / "run")
    assert after.checkpoints[-1] == 18
    for name, (steps, values) in before.losses.items():
        assert after.losses[name][0] == steps
        assert after.losses[name][1] == pytest.approx(values, rel=1e-2), (
            name
        )  # another CPU may have made them
    header = checkpoint.load(RunFolder(old / "run").checkpoint(18))
    assert header[1]["step"] == 18


def test_a_wrong_bit_in_an_old_checkpoint_is_found(old: Path) -> None:
    path = RunFolder(old / "run").checkpoint(6)
    content = bytearray(path.read_bytes())
    content[-100] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum differs"):
        load(old / "run", device="cpu")


@pytest.mark.parametrize("model", ["run", "model"])
def test_the_models_translate(old: Path, model: str) -> None:
    source = picture(old / "in.png")
    assert main(["translate", model, str(source), "out.png", "--device", "cpu"]) == 0
    assert read_image(old / "out.png").shape == (40, 33, 3)


@pytest.mark.sweep
def test_the_run_is_evaluated_and_reported(old: Path) -> None:
    assert main(["evaluate", "run", "--a", "data/a", "--b", "data/b", "--device", "cpu"]) == 0
    assert len(RunFolder(old / "run").score_rows()) == 2
    assert main(["report", "run"]) == 0
    page = (old / "run" / "report.html").read_text(encoding="utf-8")
    assert "cycle" in page and "Cycle error" in page


def test_the_datasets_are_screened_and_split(old: Path) -> None:
    before = read_manifest(old / "data" / "a")
    assert main(["screen", "data/a", "--apply"]) in (0, 3)
    assert main(["split", "data/a", "--by", "random", "--ratio", "4:1:1", "--again"]) == 0
    after = read_manifest(old / "data" / "a")
    assert before is not None and after is not None
    assert {Path(frame.file).name for frame in after.frames} == {
        Path(frame.file).name for frame in before.frames
    }
    assert all((old / "data" / "a" / frame.file).is_file() for frame in after.frames)
