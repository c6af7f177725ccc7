"""What is easily done wrong: locks taken to look, signals of Windows, databases of killed servers."""

from __future__ import annotations

import ast
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.support.finished_run import make_run
from tests.web.studio_case import Case

import reskin.web
from reskin import storage
from reskin.curation.thumbnails import Thumbnails
from reskin.runs.listing import list_runs
from reskin.web.studio import runner
from reskin.web.studio.curate_store import DROP, Verdicts
from reskin.web.studio.jobs import NewJob

LOOKED_AT = ["/", "/train", "/data", "/compare", "/translate", "/curate", "/jobs", "/doctor", "/api/live"]


@pytest.mark.parametrize("process", ["alive", "killed"])
def test_looking_takes_no_lock(case: Case, monkeypatch: pytest.MonkeyPatch, process: str) -> None:
    """A reader that holds the lock for a moment would have a starting command refused with "in use"."""
    made = make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    number = os.getpid() if process == "alive" else ended.pid
    (made / ".lock").write_text(f"process {number} on {socket.gethostname()}")
    before = (made / ".lock").read_bytes(), (made / ".lock").stat().st_mtime_ns
    run = case.set_id("runs/one")

    def taken(*_: object) -> None:
        raise AssertionError("a lock was taken to look")

    monkeypatch.setattr(storage, "lock_when_let_go", taken)
    addresses = [*LOOKED_AT, f"/runs/{run}", f"/api/live?run={run}", f"/compare?show={run}&show={run}"]
    for address in addresses:
        assert case.client.get(address).status_code in (200, 303), address
    (listed,) = list_runs(case.root)
    (card,) = case.studio.scan.cards()
    assert (listed.state == "running") is (card.holder is not None) is (process == "alive")
    assert ((made / ".lock").read_bytes(), (made / ".lock").stat().st_mtime_ns) == before


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """The signals and process groups of Windows; what is sent is listed and goes nowhere."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR2, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    yield sent


def test_a_job_is_stopped_by_a_break_on_windows(
    case: Case, windows: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There SIGTERM ends a process at once, unsaved; a break reaches only a group of its own."""
    assert runner._group_of_its_own() == {"creationflags": 512}
    job = case.studio.jobs.add(NewJob("screen", "data/film", ("--version",), "light"))
    begun = {"runner": 4711, "runner_is": "x", "child": 4712, "child_is": "y"}
    storage.write_json(case.studio.jobs.folder(job) / "begun.json", begun)
    for alive, wanted in (({4711, 4712}, 4711), ({4712}, 4712)):
        monkeypatch.setattr("reskin.web.studio.jobs.is_same", lambda number, _, alive=alive: number in alive)
        (running,) = case.studio.jobs.all()
        assert running.state in ("running", "stopping")
        case.studio.jobs.stop(running, at_once=True)
        assert windows.pop() == (wanted, 1) and not windows


@pytest.mark.parametrize(
    "name", ["reskin.cli.signals", "reskin.training.signals", "reskin.web.studio.runner"]
)
def test_a_break_ends_every_command_in_good_order(windows: object, name: str) -> None:
    module = fresh(name)
    assert signal.SIGUSR2 in module.SIGNALS  # stands for SIGBREAK, which only Windows has


def fresh(name: str) -> ModuleType:
    """A module as it is when it is loaded now, beside the one that everybody uses."""
    found = importlib.util.find_spec(name)
    assert found is not None and found.loader is not None
    made = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


KILLED = """
import os, signal, sys
from pathlib import Path
from reskin.web.studio.curate_store import DROP, Verdicts
store = Verdicts(Path(sys.argv[1]), "data/film")
store.take_over([f"{number}.png" for number in range(20)], {})
version = store.changes(0).version
for number in range(1, 6):
    store.decide(version, f"nonce-{number:04d}", DROP, [number])
database = store._database
database.execute("BEGIN IMMEDIATE")
database.execute("INSERT INTO verdict VALUES (9, 2)")  # begun, and not acknowledged
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
@pytest.mark.parametrize("is_far", [False, True])
def test_what_a_killed_server_left_beside_its_verdicts_is_theirs(tmp_path: Path, is_far: bool) -> None:
    """The -wal or -journal file holds what was acknowledged last, or takes back what was not."""
    path = tmp_path / "a.sqlite"
    far = "import reskin.databases as one; one.is_on_network = lambda _: True\n" if is_far else ""
    code = subprocess.run([sys.executable, "-c", far + KILLED, str(path)], check=False).returncode
    assert code == -signal.SIGKILL
    left = path.with_name("a.sqlite-wal")
    assert is_far or left.stat().st_size > 0
    store = Verdicts(path, "data/film")
    assert store.changes(0).edits == [(number, DROP) for number in range(1, 6)]
    store.close()


def test_nothing_removes_the_journal_of_verdicts() -> None:
    """Only the cache of thumbnails, which can be made anew, is removed with its -wal."""
    found = {
        file.name: text
        for file in Path(reskin.web.__file__).parent.rglob("*.py")
        if "-wal" in (text := file.read_text(encoding="utf-8"))
    }
    assert set(found) == {"curate_sets.py"}
    (moves,) = [
        one
        for one in ast.walk(ast.parse(found["curate_sets.py"]))
        if isinstance(one, ast.FunctionDef) and one.name == "moved"
    ]
    assert "sqlite-wal" in ast.unparse(moves) and "unlink" not in ast.unparse(moves)


def test_databases_on_a_network_disk_share_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reskin.databases.is_on_network", lambda _: True)
    verdicts, small = Verdicts(tmp_path / "a.sqlite", "data/film"), Thumbnails(tmp_path / "b.sqlite")
    verdicts.take_over(["0.png"], {})
    verdicts.decide(verdicts.changes(0).version, "nonce-0001", DROP, [1])
    small.get(["0.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sqlite", "b.sqlite"]
    verdicts.close()
    small.close()
