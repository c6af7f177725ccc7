"""Scores during training: on the validation split alone, the best kept, nothing of what is learnt changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reskin.cli.main import main
from reskin.errors import SettingsError
from reskin.images import write_image
from reskin.inference.engine import Engine
from reskin.runs import checkpoint
from reskin.runs.folder import RunFolder, list_checkpoints
from reskin.storage import append_line
from reskin.training.start import train_run
from reskin.training.validation import Validation


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two domains with a training and a validation split."""
    draw = np.random.default_rng(0)
    for domain in "AB":
        for split, count in (("train", 4), ("val", 3)):
            for index in range(count):
                image = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                write_image(tmp_path / "data" / f"{split}{domain}" / f"{index}.png", image)
    return tmp_path / "data"


def settings(data: Path, **more: Any) -> dict[str, Any]:
    chosen = {"a": data, "b": data, "crop_size": 16, "load_size": 16, "batch": 1, "device": "cpu"}
    return chosen | {"precision": "fp32", "steps": 8, "keep": 1, "save_every": 100} | more


@pytest.mark.sweep
def test_nothing_that_is_learnt_depends_on_being_scored(data: Path, tmp_path: Path) -> None:
    plain = train_run("toy", out=tmp_path / "plain", **settings(data))
    scored = train_run("toy", out=tmp_path / "scored", **settings(data, eval_every=2, eval_share=1.0))
    waiting = train_run("toy", out=tmp_path / "waiting", **settings(data, eval_every=2, eval_share=1e-6))
    one, *others = (checkpoint.load(list_checkpoints(run)[-1])[0] for run in (plain, scored, waiting))
    for other in others:
        assert one.keys() == other.keys() and all(bool((one[key] == other[key]).all()) for key in one)
    assert [row["step"] for row in RunFolder(waiting).validation_rows()] == [8]
    assert not RunFolder(plain).validation.exists()
    rows = RunFolder(scored).validation_rows()
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert all(set(row["scores"]) == {"swd_a2b", "swd_b2a"} and row["seconds"] >= 0 for row in rows)
    assert "scores on validation images took" in RunFolder(scored).log.read_text()


def test_the_best_checkpoint_is_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([5.0, 3.0, 4.0, 6.0])
    monkeypatch.setattr(Validation, "_score", lambda self, direction: self.known)
    known = Validation.__call__

    def call(self: Validation, step: int, ema: Any) -> bool:
        if step % 2 == 0:
            self.known = next(values)
        return known(self, step, ema)

    monkeypatch.setattr(Validation, "__call__", call)
    run = train_run("toy", out=tmp_path / "run", **settings(data, eval_every=2, eval_share=1.0))
    assert RunFolder(run).best_step == 4
    assert [int(path.stem) for path in list_checkpoints(run)] == [4, 8]
    words = ["evaluate", str(run), "--a", str(data), "--b", str(data), "--metrics", "cycle_l1", "--best"]
    assert main(words) == 0
    assert RunFolder(run).score_rows()[-1]["step"] == 4
    assert main([*words, "--step", "8"]) == 2


@pytest.mark.sweep
def test_scores_later_than_the_checkpoint_are_forgotten(data: Path, tmp_path: Path) -> None:
    chosen = settings(data, eval_every=4, eval_share=1.0)
    run = train_run("toy", out=tmp_path / "run", **chosen)
    files = RunFolder(run)
    first = files.validation_rows()
    append_line(files.validation, {"step": 99, "scores": {}, "mean": 0.0})
    train_run("toy", out=run, **chosen)
    assert files.validation_rows() == first
    append_line(files.validation, {"step": 4, "scores": {}, "mean": None})  # NaN and infinity are no scores
    assert files.validation_rows() == first


@pytest.mark.sweep
@pytest.mark.parametrize(("step_seconds", "images_seconds"), [(1.0, 0.1), (1.0, 1.0), (1.0, 10.0)])
def test_scores_stay_within_their_share(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_seconds: float, images_seconds: float
) -> None:
    """Two directions; where the last score alone is more than the share, it is the only one."""
    now = [0.0]
    monkeypatch.setattr("reskin.training.validation.time", SimpleNamespace(monotonic=lambda: now[0]))
    run_images, call = Engine.run, Validation.__call__

    def slow_images(self: Engine, *given: Any, **named: Any) -> Any:
        now[0] += images_seconds
        return run_images(self, *given, **named)

    def slow_step(self: Validation, step: int, ema: Any) -> bool:
        now[0] += step_seconds
        return call(self, step, ema)

    monkeypatch.setattr(Engine, "run", slow_images)
    monkeypatch.setattr(Validation, "__call__", slow_step)
    run = train_run("toy", out=tmp_path / "run", **settings(data, eval_every=1, eval_share=0.2, steps=60))
    rows = RunFolder(run).validation_rows()
    spent, share = 2 * images_seconds * (1 + len(rows)), 0.2 * now[0]
    assert rows[-1]["step"] == 60
    if images_seconds == 10.0:
        assert [row["step"] for row in rows] == [60]
    else:
        assert len(rows) > 2 and spent <= share
        # An estimate, itself and the last one have to fit in before the first: with dear images it waits.
        assert rows[0]["step"] >= (20 if images_seconds == 1.0 else 3)


def test_no_validation_split_is_one_line(data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "valB")
    with pytest.raises(SettingsError, match=r"no validation split.*reskin split"):
        train_run("toy", out=tmp_path / "run", **settings(data, eval_every=2))
    run = train_run("toy", out=tmp_path / "other", **settings(data))
    words = ["evaluate", str(run), "--a", str(data), "--b", str(data), "--best"]
    assert main(words) == 2
