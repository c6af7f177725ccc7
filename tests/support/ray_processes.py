"""A Ray cluster for tests, and the processes that it starts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "200",
    "RAY_process_startup_timeout_s": "200",
    "RAY_worker_register_timeout_seconds": "200",
    "RAY_enable_metrics_collection": "0",
}
"""On a busy machine Ray's own processes need longer to start than it waits for them."""


@pytest.fixture
def on_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root / "src"), os.environ.get("PYTHONPATH", "")]))
    for name, value in RAY.items():
        monkeypatch.setenv(name, value)


def processes() -> dict[int, tuple[int, bytes]]:
    """Every process of this machine: its parent, and its words."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(path.name)] = parent, (path / "cmdline").read_bytes()
    return found


def below(root: int) -> list[int]:
    """The processes that a process started, and those that these started."""
    found, all_of_them = [root], processes()
    for one in found:
        found += [process for process, (parent, _) in all_of_them.items() if parent == one]
    return found[1:]


def workers(task: str, root: int | None = None) -> list[int]:
    """Processes of Ray that are busy with a task of this name, below a process, by default this one."""
    all_of_them = processes()
    ours = below(os.getpid() if root is None else root)
    return [one for one in ours if all_of_them.get(one, (0, b""))[1].startswith(f"ray::{task}".encode())]


@contextmanager
def killing(task: str, *, times: int, pause: float) -> Iterator[list[int]]:
    """Meanwhile processes busy with a task of this name are killed now and then; gives those that were."""
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        while len(killed) < times and not stop.wait(pause):
            for one in [one for one in workers(task) if one not in killed][:1]:
                killed.append(one)
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()
