"""Trainings larger than the machine: one line, before any memory is taken or as soon as it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reskin.cli.main import main
from reskin.errors import RunError, SettingsError
from reskin.methods import find_trained
from reskin.methods.cyclegan import CycleGAN
from reskin.runs.sizes import check_can_be_built
from reskin.training.loop import PlainStep
from reskin.training.start import plan_run, train_run

Words = Callable[[dict[str, Any]], list[str]]


@pytest.mark.parametrize("setting", ["width", "blocks"])
@pytest.mark.parametrize("size", [10**9, 10**30])
@pytest.mark.thinned(2)
def test_networks_larger_than_the_machine_are_refused(setting: str, size: int) -> None:
    """Neither memory nor time is spent on them."""
    with pytest.raises(SettingsError, match="the networks of these settings") as error:
        check_can_be_built(CycleGAN, CycleGAN.Config.model_validate({"width": 4, "blocks": 1, setting: size}))
    assert "\n" not in str(error.value) and "smaller" in error.value.fix


@pytest.mark.parametrize("name", ["cyclegan", "munit", "vid2vid", "grade", "ganimorph"])
def test_networks_of_the_papers_can_be_built(name: str) -> None:
    """And looking takes no number of the random ones."""
    before = torch.get_rng_state()
    method = find_trained(name)
    check_can_be_built(method, method.Config())
    assert torch.equal(torch.get_rng_state(), before)


def test_the_command_refuses_them_before_a_run_is_begun(
    tiny: dict[str, Any], tmp_path: Path, words_of: Words, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["train", "toy", "--out", str(run), *words_of(tiny | {"steps": 2}), "--pool-size", str(10**14)]
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("reskin: ")]
    assert "does not fit the memory of CPU" in line and "--pool-size" in line
    assert main(words[:-2]) == 0  # in the same folder: nothing was learnt yet


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_step_without_memory_says_what_to_lower(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(PlainStep, "__call__", refuse)
    for begin in (train_run, plan_run):
        with pytest.raises(RunError, match=r"1 picture of each domain at 32 px does not fit.*--batch"):
            begin("toy", out=tmp_path / begin.__name__, **tiny | {"steps": 2})
    other = RuntimeError("of another kind")
    monkeypatch.setattr(PlainStep, "__call__", lambda *_: (_ for _ in ()).throw(other))
    with pytest.raises(RuntimeError, match="another kind"):
        train_run("toy", out=tmp_path / "other", **tiny | {"steps": 2})
