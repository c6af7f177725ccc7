"""A run folder that goes away, or that another kind of machine began, while a training writes to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reskin.errors import CheckpointError, RunError
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.progress import VARIABLE
from reskin.runs.ema import Ema
from reskin.runs.findings import Finding
from reskin.runs.folder import RunFolder
from reskin.runs.run import Run, check_unchanged, has_other_paths
from reskin.runs.settings import sort_settings
from reskin.storage import write_json

SMALL = {"width": 4, "blocks": 1, "disc_layers": 1, "pool_size": 0}


def begun(folder: Path) -> tuple[Run, CycleGAN, Ema]:
    """A run of ten steps that has written its config.json."""
    settings = sort_settings("cyclegan", {"a": "a", "b": "b", **SMALL})
    run = Run(folder, settings, {"steps": 10, "epoch_steps": 5, "precision": "fp32", "processes": 1})
    run.describe({})
    method = CycleGAN(parse(CycleGANConfig, SMALL))
    return run, method, Ema(method, 0.0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.rename(folder.with_name("moved")),
        shutil.rmtree,
        lambda folder: (shutil.rmtree(folder), folder.mkdir()),
        lambda folder: (folder / "config.json").unlink(),
    ],
    ids=["moved", "removed", "another", "emptied"],
)
def test_a_folder_that_has_gone_ends_the_training(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    run, method, ema = begun(tmp_path / "run")
    run.write_losses(1, {"cycle": 1.0})
    run.save(5, method, ema)
    spoil(run.folder)
    for write in (
        lambda: run.write_losses(2, {"cycle": 1.0}),
        lambda: run.write_samples(2, {"A": torch.zeros(1, 3, 4, 4)}),
        lambda: run.log("text"),
        lambda: run.save(10, method, ema),
    ):
        with pytest.raises(RunError, match="moved, removed or emptied"):
            write()
    assert not run.files.checkpoint(10).exists()


def test_a_folder_that_goes_while_a_checkpoint_is_written_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, method, ema = begun(tmp_path / "run")

    def go(*_: object) -> dict[str, torch.Tensor]:
        run.folder.rename(tmp_path / "moved")
        return {"method.w": torch.ones(1)}

    monkeypatch.setattr("reskin.runs.checkpoint.state_of", go)
    with pytest.raises(RunError, match="moved, removed or emptied"):
        run.save(10, method, ema)


def test_a_checkpoint_without_a_step_is_passed_over(tmp_path: Path) -> None:
    from reskin.runs import checkpoint

    run, method, ema = begun(tmp_path)
    run.save(5, method, ema)
    checkpoint.save(run.files.checkpoint(6), checkpoint.state_of(method, ema), {"step": "6"})
    assert run.load(method, ema) == 5
    run.files.checkpoint(5).unlink()
    with pytest.raises(CheckpointError, match="is sound"):
        run.load(method, ema)


def test_programs_that_watch_are_told_of_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "events"))
    run, *_ = begun(tmp_path / "run")
    finding = Finding(
        5, "copy", False, {"distance": 0.01}, "The output copies the input", "lower cycle_weight"
    )
    run.warn(finding)
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [(event["kind"], event["level"], event["text"]) for event in events] == [
        ("note", "warning", finding.line)
    ]
    assert finding.line in run.files.log.read_text()
    assert json.loads(run.files.health.read_text())["kind"] == "copy"


def test_losses_that_are_no_numbers_do_not_reach_the_monitor(tmp_path: Path) -> None:
    run, *_ = begun(tmp_path)
    run.write_losses(1, {"cycle": 1.0})
    with run.files.losses.open("a") as file:
        file.write(json.dumps({"step": 2, "losses": {"cycle": "x"}, "held_out": [1]}) + "\n")
    assert run.logged("losses") == [{"step": 1, "losses": {"cycle": 1.0}}, {"step": 2, "losses": {}}]


def test_threads_and_cpu_are_recorded_but_may_change(tmp_path: Path) -> None:
    run, method, ema = begun(tmp_path)
    run.resolved |= {"threads": 2, "cpu": "AVX512"}
    run.describe({})
    run.save(5, method, ema)
    here = run.resolved | {"threads": 1, "cpu": "AVX2"}
    check_unchanged(tmp_path, run.settings, here, allow_change=False)
    with pytest.raises(RunError, match="processes"):
        check_unchanged(tmp_path, run.settings, here | {"processes": 2}, allow_change=False)


@pytest.mark.parametrize("config", [{"settings": 5, "resolved": [1]}, {"settings": {"train": 3}}, {}])
def test_a_config_of_wrong_types_is_no_crash(tmp_path: Path, config: dict[str, object]) -> None:
    run, method, ema = begun(tmp_path)
    run.save(5, method, ema)
    RunFolder(tmp_path).write_config(config)
    with pytest.raises(RunError, match="holds a run of None"):
        check_unchanged(tmp_path, run.settings, run.resolved, allow_change=False)
    RunFolder(tmp_path).write_config(config | {"method": "cyclegan"})
    check_unchanged(tmp_path, run.settings, run.resolved, allow_change=False)


def test_what_a_run_was_begun_with_may_lie_elsewhere_now(tmp_path: Path) -> None:
    groups = {"data": {"a": "one", "b": "two"}, "method": {"feature_weights": "vgg.pth"}, "train": {}}
    write_json(tmp_path / "config.json", {"method": "feature_gan", "settings": groups})
    assert not has_other_paths(tmp_path, {"a": "else"})  # nothing is learnt yet
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "00000001.safetensors").touch()
    assert not has_other_paths(tmp_path, {"a": "one", "b": Path("two"), "feature_weights": Path("vgg.pth")})
    assert has_other_paths(tmp_path, {"a": "one", "b": "else"})
    assert has_other_paths(tmp_path, {"feature_weights": Path("else") / "vgg.pth"})
    assert not has_other_paths(tmp_path, {"mask_a": "masks"})  # earlier versions had no such setting
