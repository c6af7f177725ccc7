"""A study whose process is killed (SIGKILL) at any moment goes on to the same numbers and repeats little."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.toys import environment
from tests.workflows.study.test_study import data, finished, study

from reskin.workflows.study.compare import compare
from reskin.workflows.study.table import read_table

__all__ = ["data", "finished"]  # the fixtures

INTERVAL = 3
"""Steps between two checkpoints: an epoch of the three training images."""

SCRIPT = """
import os, signal, sys
from pathlib import Path
import reskin.storage
from reskin.runs.run import Run
from reskin.workflows.study.compare import compare
from tests.workflows.study.test_study import study

data, out, trace, left = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])

def event():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

write, replace = Run.write_losses, os.replace

def losses(run, step, values):
    with trace.open("a") as file:
        print(run.folder, step, file=file)
    write(run, step, values)
    event()

def replacing(source, target, **options):
    event()
    replace(source, target, **options)
    event()

Run.write_losses, os.replace = losses, replacing
one = study(data, out)
compare(study(data, out, common=dict(one.common) | {"save_every": 1, "log_every": 1}))
"""


def killed(data: Path, out: Path, trace: Path, after: int) -> int:
    """The exit code of a study that is killed at event number `after`: a step, or a file put in its place."""
    words = [sys.executable, "-c", SCRIPT, str(data), str(out), str(trace), str(after)]
    root = Path(__file__).parents[3]
    return subprocess.run(words, cwd=root, env=environment(), check=False, capture_output=True).returncode


@pytest.mark.parametrize("moments", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.sweep
def test_a_study_that_is_killed_loses_at_most_one_checkpoint_interval(
    data: Path, finished: Path, tmp_path: Path, moments: int
) -> None:
    draw, out, trace = random.Random(moments), tmp_path / "x", tmp_path / "trace"
    trace.touch()
    for _ in range(moments):
        before = trace.read_text(encoding="utf-8").split("\n")[:-1]
        code = killed(data, out, trace, draw.randint(2, 30))
        assert code in (-signal.SIGKILL, 0)  # 0: the study was whole before it came to that event
        after = trace.read_text(encoding="utf-8").split("\n")[len(before) : -1]
        if before and after and before[-1].split()[0] == after[0].split()[0]:
            repeated = int(before[-1].split()[1]) - int(after[0].split()[1]) + 1
            assert repeated <= INTERVAL
    settings = dict(study(data, out).common) | {"save_every": 1, "log_every": 1}
    compare(study(data, out, common=settings))
    one, two = read_table(finished), read_table(out)
    assert not two.missing and (out / "report.html").is_file()
    for label in one.labels:
        for column in one.columns:
            assert one.cells["last"][label][column].seeds == two.cells["last"][label][column].seeds
