"""A method that learns from clips, trained as any other: loop, sample grids, checkpoints, command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.methods.clip_gan import ClipGAN

import reskin.methods
from reskin.cli.main import main
from reskin.device import Compute
from reskin.images import read_image, write_image
from reskin.methods.base import MethodConfig
from reskin.runs.folder import list_checkpoints
from reskin.runs.load import load
from reskin.runs.settings import sort_settings
from reskin.training.health import Health
from reskin.training.samples import sample_rows
from reskin.training.start import train_run
from reskin.types import Batch

TOYS = Path(__file__).parents[1] / "support" / "methods"
CPU = Compute(torch.device("cpu"), "fp32")


@pytest.fixture(autouse=True)
def _toys_are_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reskin.methods, "__path__", [*reskin.methods.__path__, str(TOYS)])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of a run of 8 steps from two clips of four frames of each domain."""
    root, source = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    for side in ("a", "b"):
        for clip in range(2):
            for number in range(4):
                blocks = (
                    source.integers(0, 256, (5, 5, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
                )
                write_image(root / side / f"film-{clip}" / f"{number:06d}.png", np.ascontiguousarray(blocks))
    return {
        "a": str(root / "a"),
        "b": str(root / "b"),
        "load_size": 36,
        "crop_size": 32,
        "brightness": 0.3,
        "steps": 8,
        "ema": 0.9,
        "device": "cpu",
        "precision": "fp32",
        "save_every": 1,
        "keep": 9,
        "sample_every": 4,
        "log_every": 1,
    }


METHODS: dict[str, dict[str, Any]] = {
    "clip_gan": {},
    "recycle_gan": {
        "width": 4,
        "blocks": 1,
        "disc_layers": 1,
        "predictor_width": 4,
        "predictor_downsamplings": 5,
        "predictor_share": 0.5,
        "pool_size": 2,
    },
    "vid2vid": {
        "width": 4,
        "blocks": 1,
        "disc_width": 4,
        "disc_layers": 1,
        "scales": 1,
        "frames": 4,
        "first_frames": 3,
        "steps": 4,
    },
}
"""Settings with which each of them is small and everything that it remembers is in use."""


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.thinned(3)
def test_resumed_it_ends_in_the_same_bits(
    name: str, clips: dict[str, Any], tmp_path: Path, differences: Callable[[Path, Path], list[str]]
) -> None:
    settings = clips | METHODS[name]
    whole = train_run(name, out=tmp_path / "whole", **settings)
    part = Path(shutil.copytree(whole, tmp_path / "part"))
    for path in list_checkpoints(part)[1:]:
        path.unlink()
    (first,) = list_checkpoints(part)
    assert int(first.stem) < settings["steps"]
    train_run(name, out=part, **settings)
    assert differences(whole, part) == []


@pytest.mark.sweep
def test_what_only_translates_may_be_changed_in_a_run(clips: dict[str, Any], tmp_path: Path) -> None:
    settings = clips | METHODS["recycle_gan"] | {"steps": 1}
    run = train_run("recycle_gan", out=tmp_path / "run", **settings)
    train_run("recycle_gan", out=run, **settings | {"predictor_share": 0.0})
    assert load(run, device="cpu").config.to_dict()["predictor_share"] == 0


def test_the_sample_grid_shows_the_frames_of_the_clips(clips: dict[str, Any], tmp_path: Path) -> None:
    run = train_run("clip_gan", out=tmp_path / "run", **clips)
    facts = json.loads((run / "samples" / "00000008.json").read_text())
    assert facts["rows"] == ["A", "A → B"] and facts["columns"] == 12  # four clips of three frames
    assert read_image(run / "samples" / "00000008.png").shape == (2 * 32, 12 * 32, 3)


def test_a_sample_grid_plays_each_clip_from_its_first_frame() -> None:
    model = ClipGAN(MethodConfig())
    held_out = Batch(*(torch.rand(2, 2, 3, 3, 32, 32) * 2 - 1))
    rows = sample_rows(model, held_out, CPU)
    assert list(rows) == ["A", "A → B"] and rows["A"].equal(held_out.a.flatten(0, 1))
    with torch.no_grad():
        each = model.translate(held_out.a.flatten(0, 1), "a2b").unflatten(0, (2, 3))
    one, two, three = each.unbind(1)
    wanted = torch.stack([one, (one + two) / 2, ((one + two) / 2 + three) / 2], dim=1)
    torch.testing.assert_close(rows["A → B"], wanted.flatten(0, 1))


def test_the_monitor_judges_clips() -> None:
    watch = Health(sort_settings("clip_gan", {"a": "a", "b": "b"}), 10_000)
    held_out = Batch(*(torch.rand(2, 2, 3, 3, 32, 32) * 2 - 1))
    frames = held_out.a.flatten(0, 1)
    grids = [{"A": frames, "A → B": -frames}] * 6
    found = [watch.pictures(1000 + 100 * n, rows, held_out) for n, rows in enumerate(grids)]
    assert [finding.kind for each in found for finding in each] == ["inverted"]


def test_single_images_where_clips_are_wanted_are_one_line_and_2(
    clips: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x", "y", "z"):
        write_image(tmp_path / "still" / f"{name}.png", np.zeros((40, 40, 3), np.uint8))
    still = str(tmp_path / "still")
    words = ["train", "clip_gan", "--a", still, "--b", clips["b"], "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main([*words, "--device", "cpu", "--steps", "1"]))
    said = capsys.readouterr().err.strip()
    assert end.value.code == 2
    assert said.count("\n") == 0 and "no 3 consecutive frames" in said and "reskin prepare clips" in said
