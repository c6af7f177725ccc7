"""Several processes of one training: what one of them says when another is gone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from tests.support.toys import environment

from reskin.errors import RunError
from reskin.processes import Processes, join_processes

CPU = torch.device("cpu")


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(dist, "init_process_group", lambda *_: None)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [::1]:5"),
        dist.DistBackendError("NCCL communicator was aborted"),
        dist.DistNetworkError("Connection reset"),
    ],
)
def test_a_process_that_is_gone_is_one_line(joined: None, error: RuntimeError) -> None:
    with pytest.raises(RunError, match="process 1 of 2 stopped") as told, join_processes(CPU):
        raise error
    assert "\n" not in str(told.value) and "goes on from the last checkpoint" in told.value.fix


def test_other_errors_stay_what_they_are(joined: None) -> None:
    with pytest.raises(RuntimeError, match="Sizes of tensors"), join_processes(CPU) as found:
        assert found == Processes(1, 2)
        raise RuntimeError("Sizes of tensors must match")


RANK = """
import os, sys, torch
import torch.distributed as dist
from reskin.errors import RunError
from reskin.processes import join_processes
try:
    with join_processes(torch.device("cpu")):
        dist.barrier()
        if os.environ["RANK"] == "1":
            os._exit(9)
        dist.all_reduce(torch.zeros(1))
except RunError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Gloo there says it in other words")
def test_a_process_that_dies_ends_the_other_in_one_line() -> None:
    facts = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29687"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RANK],
            env=environment() | facts | {"RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [2, 9]
    assert said[0].startswith("process 0 of 2 stopped") and said[0].count("\n") == 1
