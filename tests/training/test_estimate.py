"""What a run will cost: which steps are timed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.toys import environment

from reskin.methods import find
from reskin.training.estimate import TIMED_STEPS
from reskin.training.start import plan_run
from reskin.types import Step


@pytest.mark.parametrize(("length", "first"), [(1000, 492), (TIMED_STEPS, 1), (3, 1)])
@pytest.mark.thinned(3)
@pytest.mark.sweep
def test_steps_from_the_middle_of_the_run_are_timed(
    length: int, first: int, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method such as SimGAN begins with steps that cost a fraction of the later ones."""
    seen: list[Step] = []
    train = find("toy").training_step

    def spy(self: Any, batch: Any, step: Step) -> Any:
        seen.append(step)
        return train(self, batch, step)

    monkeypatch.setattr(find("toy"), "training_step", spy)
    monkeypatch.setattr("reskin.training.estimate.TIMED_SECONDS", float("inf"))
    plan_run("toy", out=tmp_path / "run", **tiny | {"steps": length})
    assert [step.number for step in seen] == [1 + (first - 1 + i) % length for i in range(TIMED_STEPS + 1)]
    assert {step.total for step in seen} == {length}


MEASURED = """
import re, sys
from pathlib import Path
from reskin.cli.start import main
code = main()
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(code)
"""


def peak_of(words: list[str]) -> tuple[int, str]:
    """Most bytes that a process of `reskin` held, and what it printed.

    As the process says itself: what its parent knows of it (`ru_maxrss`) is never less than the parent held.
    """
    command = [sys.executable, "-c", MEASURED, "train", "cyclegan", *words]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    return int(ended.stderr.splitlines()[-1]) * 1024, ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not say what a process held"
)
@pytest.mark.parametrize(
    "more",
    [
        {"width": 32, "blocks": 2, "crop_size": 96, "load_size": 104, "batch": 2},  # the maps are the most
        {"ema": 0.999, "crop_size": 32, "load_size": 36},  # the weights are, as they are saved
    ],
    ids=["maps", "weights"],
)
def test_the_memory_of_a_dry_run_is_that_of_the_run(
    more: dict[str, Any],
    sides: dict[str, str],
    tmp_path: Path,
    words_of: Callable[[dict[str, Any]], list[str]],
) -> None:
    """With sample grids and checkpoints, within a quarter."""
    settings = sides | {"steps": 4, "sample_every": 2, "device": "cpu", "precision": "fp32"} | more
    words = [*words_of(settings), "--out", str(tmp_path / "run")]
    said = json.loads(peak_of([*words, "--dry-run", "--json"])[1])["memory_bytes"]
    held, _ = peak_of(words)
    assert 0.75 * held < said < 1.25 * held


@pytest.mark.sweep
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the peak of a process back")
def test_what_was_held_before_does_not_count(tiny: dict[str, Any], tmp_path: Path) -> None:
    """A plan that is made in a notebook or a server, which had large pictures open before."""
    wanted = plan_run("toy", out=tmp_path / "run", **tiny).estimate
    large = np.ones(100_000_000)  # 800 MB
    del large
    found = plan_run("toy", out=tmp_path / "run", **tiny).estimate
    assert wanted is not None and found is not None
    assert found.memory_bytes < wanted.memory_bytes + 400e6
