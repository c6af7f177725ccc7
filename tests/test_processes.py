"""Several processes of one training: how they start, and what one of them says when another is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tests.support.toys import environment

from reskin.errors import RunError
from reskin.images import write_image
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


def launched(words: list[str], nodes: int, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """`reskin WORDS` in two processes, by one torchrun or by one on each of two nodes of this machine."""
    done = []
    for process in started(words, nodes, folder):
        out, said = process.communicate(timeout=300)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, out, said))
    return done


def started(words: list[str], nodes: int, folder: Path) -> list[subprocess.Popen[str]]:
    """The torchruns of `launched`, not waited for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for node in range(nodes):
        line = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={2 // nodes}"]
        line += [
            f"--nnodes={nodes}",
            f"--node-rank={node}",
            "--master-addr=127.0.0.1",
            f"--master-port={port}",
        ]
        processes.append(
            subprocess.Popen(
                [*line, "-m", "reskin", *words],
                env=environment(),
                cwd=folder,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    return processes


def training(folder: Path, *, steps: int) -> list[str]:
    """The words of a tiny training, which two processes share, on pictures that are drawn into `folder`."""
    rng = np.random.default_rng(0)
    for name in "ab":
        for number in range(4):
            image = rng.integers(0, 256, (36, 36, 3), dtype=np.uint8)
            write_image(folder / name / f"{number}.png", image)
    words = [
        "train",
        "grade",
        "--a",
        "a",
        "--b",
        "b",
        "--steps",
        str(steps),
        "--load-size",
        "32",
        "--crop-size",
        "28",
    ]
    return [*words, "--device", "cpu", "--batch", "2", "--save-every", "1"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torchrun over Gloo is used on Linux")
@pytest.mark.parametrize("nodes", [1, 2])
def test_torchrun_starts_and_its_report_ends_with_our_line(tmp_path: Path, nodes: int) -> None:
    words = training(tmp_path, steps=2)
    done = launched([*words, "--out", "run"], nodes, tmp_path)
    assert [one.returncode for one in done] == [0] * nodes, done[0].stderr[-2000:]
    assert (tmp_path / "run" / "checkpoints" / "00000002.safetensors").is_file()
    for one in launched([*words, "--out", "other", "--a", "nowhere"], nodes, tmp_path):
        assert one.returncode
        lines = one.stderr.splitlines()
        ours = [number for number, line in enumerate(lines) if "reskin: " in line and "nowhere" in line]
        report = max(number for number, line in enumerate(lines) if "Root Cause" in line)
        assert ours[0] < report < ours[-1]


def rank_process(launcher: int, rank: int) -> int:
    """The process of a rank below a torchrun."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    for process in (one for one, parent in parents.items() if parent == launcher):
        if f"RANK={rank}".encode() in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
            return process
    raise AssertionError(f"no process of rank {rank} below {launcher}")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torchrun over Gloo is used on Linux")
@pytest.mark.parametrize(("nodes", "killed"), [(1, 1), (2, 1)])
def test_a_training_whose_rank_was_killed_goes_on_and_ends_in_the_same_bits(
    tmp_path: Path, nodes: int, killed: int
) -> None:
    words, last = training(tmp_path, steps=20), "00000020.safetensors"
    launchers = started([*words, "--out", "stopped"], nodes, tmp_path)
    checkpoints = tmp_path / "stopped" / "checkpoints"
    while not list(checkpoints.glob("*[1-9]*.safetensors")):
        assert all(one.poll() is None for one in launchers), "it ended before it could be killed"
        time.sleep(0.02)
    os.kill(rank_process(launchers[killed if nodes == 2 else 0].pid, killed), signal.SIGKILL)
    for one in launchers:
        one.communicate(timeout=300)
        assert one.returncode
    assert not (checkpoints / last).exists(), "it was killed before its end"
    for name in ("stopped", "whole"):
        for done in launched([*words, "--out", name], nodes, tmp_path):
            assert done.returncode == 0, done.stderr[-2000:]
    one, other = (load_file(tmp_path / name / "checkpoints" / last) for name in ("stopped", "whole"))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
