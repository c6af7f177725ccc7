"""The queue: jobs begin once, in their order, and their states are what is so, whoever was killed."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.finished_run import make_run
from tests.web.studio_case import Case

from reskin.errors import RunError
from reskin.storage import write_json
from reskin.web.studio import runner
from reskin.web.studio.jobs import UNDERWAY, Job, Jobs, NewJob
from reskin.web.studio.processes import identity, is_same
from reskin.web.studio.progress_lines import read_progress
from reskin.web.studio.state import StateFolder
from reskin.web.studio.studio import ago

QUICK = ("--version",)
PATIENCE = 120.0

SLEEPER = """
import os, signal, sys, time
from pathlib import Path
def stop(number, frame):
    Path("asked").write_text(Path("asked").read_text() + "x" if Path("asked").exists() else "x")
    if STUBBORN: return
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
Path("ready").write_text(str(os.getpid()))
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    state = StateFolder(tmp_path)
    state.make()
    return Jobs(state)


def new(title: str, lane: str = "device", words: tuple[str, ...] = QUICK) -> NewJob:
    return NewJob("train", title, words, lane)


def until(holds: Callable[[], object], what: str, jobs: Jobs | None = None) -> None:
    """Wait for it; the machine may be busy."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        if jobs is not None:
            jobs.start_next()
        time.sleep(0.05)


def ended(jobs: Jobs) -> bool:
    return all(job.state not in ("waiting", *UNDERWAY) for job in jobs.all())


def state(jobs: Jobs, job: Job) -> str:
    found = jobs.find(job.id)
    assert found is not None
    return found.state


def test_jobs_of_a_lane_run_once_each_in_their_order(jobs: Jobs) -> None:
    first, second, third = (jobs.add(new(title)) for title in "abc")
    jobs.move(third, "first")
    jobs.move(first, "down")
    assert [job.title for job in jobs.all()] == ["c", "b", "a"]
    until(lambda: ended(jobs), "all have ended", jobs)
    began = sorted(jobs.all(), key=lambda job: job.began or 0.0)
    assert [job.title for job in began] == ["c", "b", "a"]
    for early, late in itertools.pairwise(began):
        assert (early.ended or 0.0) <= (late.began or 0.0)
    assert all(job.state == "done" and job.code == 0 for job in began)
    assert "reskin" in (jobs.folder(second) / "out.txt").read_text()


@pytest.mark.sweep
def test_a_job_that_has_begun_is_never_begun_again(jobs: Jobs) -> None:
    job = jobs.add(new("a"))
    until(lambda: ended(jobs), "it has ended", jobs)
    before = (jobs.folder(job) / "begun.json").read_bytes()
    assert runner.main([str(jobs.folder(job))]) == 0
    assert (jobs.folder(job) / "begun.json").read_bytes() == before
    (jobs.folder(job) / "end.json").unlink()  # as if the runner had been killed before it wrote this
    assert runner.main([str(jobs.folder(job))]) == 0
    assert (jobs.folder(job) / "begun.json").read_bytes() == before


def test_paused_and_taken_out_jobs_do_not_start(jobs: Jobs) -> None:
    jobs.pause(True)
    job, stays = jobs.add(new("a")), jobs.add(new("b"))
    jobs.start_next()
    assert Jobs(jobs.state).is_paused and state(jobs, job) == "waiting"
    jobs.stop(job)
    assert jobs.find(job.id) is None and not jobs.folder(job).exists()
    assert [each.id for each in jobs.all()] == [stays.id] == jobs.order()


def test_removing_what_runs_or_waits_is_refused(jobs: Jobs) -> None:
    job = jobs.add(new("a"))
    with pytest.raises(RunError, match="has not ended"):
        jobs.remove(job)
    until(lambda: ended(jobs), "it has ended", jobs)
    found = jobs.find(job.id)
    assert found is not None
    with pytest.raises(RunError, match="does not wait"):
        jobs.move(found, "up")
    assert jobs.again(found).words == QUICK
    jobs.remove(found)
    assert jobs.find(job.id) is None


def test_a_refused_command_says_why(jobs: Jobs) -> None:
    job = jobs.add(new("a", words=("nothing",)))
    until(lambda: ended(jobs), "it has ended", jobs)
    found = jobs.find(job.id)
    assert found is not None and (found.state, found.code) == ("refused", 2)
    assert "nothing" in found.progress.error and "nothing" in (jobs.folder(job) / "log.txt").read_text()


def sleeping(jobs: Jobs, *, stubborn: bool = False) -> tuple[Job, Path, subprocess.Popen[bytes]]:
    """A job whose command sleeps until it is asked to stop; it and its runner are started here."""
    script = jobs.state.root / "sleeper.py"
    script.write_text(SLEEPER.replace("STUBBORN", str(stubborn)))
    job = jobs.add(new("sleeper"))
    code = (
        "import sys; from reskin.web.studio import runner; runner.GRACE_SECONDS = 0.5; "
        f"runner.command = lambda words: [sys.executable, {str(script)!r}]; runner.main([sys.argv[1]])"
    )
    started = subprocess.Popen([sys.executable, "-c", code, str(jobs.folder(job))], start_new_session=True)
    ready = jobs.state.root / "ready"
    until(lambda: ready.exists() and ready.read_text(), "the command runs")
    return job, ready, started


@pytest.mark.sweep
def test_stop_asks_once_and_the_command_ends_in_its_own_time(jobs: Jobs) -> None:
    job, _, process = sleeping(jobs)
    other = jobs.add(new("other"))
    for _ in range(3):  # a double click is one request
        jobs.stop(job)
    process.wait(PATIENCE)
    assert (jobs.state.root / "asked").read_text() == "x"
    found = jobs.find(job.id)
    assert found is not None and (found.state, found.code) == ("stopped", 143)
    assert state(jobs, other) == "waiting"


@pytest.mark.sweep
def test_what_does_not_stop_is_killed_when_asked_again(jobs: Jobs) -> None:
    job, _, process = sleeping(jobs, stubborn=True)
    jobs.stop(job)
    until((jobs.state.root / "asked").exists, "it was asked")
    assert state(jobs, job) == "stopping"
    jobs.stop(job, at_once=True)
    process.wait(PATIENCE)
    assert state(jobs, job) == "died"


def test_a_command_whose_runner_was_killed_still_runs_and_can_be_stopped(jobs: Jobs) -> None:
    job, ready, process = sleeping(jobs)
    process.kill()
    process.wait(PATIENCE)
    again = Jobs(jobs.state)  # a server that comes back
    assert state(again, job) == "running"
    waits = again.add(new("waits"))
    again.start_next()
    assert state(again, waits) == "waiting"
    child = int(ready.read_text())
    (jobs.folder(job) / "progress.jsonl").write_text(
        json.dumps({"kind": "end", "code": 143, "error": None}) + "\n"
    )
    again.stop(job)
    until(lambda: not identity(child), "it has ended")
    assert state(again, job) == "stopped"


def test_what_was_killed_with_its_runner_has_died(jobs: Jobs) -> None:
    job, ready, process = sleeping(jobs)
    child = int(ready.read_text())
    process.kill()
    os.kill(child, signal.SIGKILL)
    process.wait(PATIENCE)
    until(lambda: not identity(child), "it has ended")
    found = Jobs(jobs.state).find(job.id)
    assert found is not None and found.state == "died" and found.code is None


def test_stopped_before_its_command_was_started(jobs: Jobs) -> None:
    job = jobs.add(new("a"))
    write_json(jobs.folder(job) / "stop.json", {"at": 0.0})
    handlers = {number: signal.getsignal(number) for number in runner.SIGNALS}
    try:
        runner.main([str(jobs.folder(job))])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert state(jobs, job) == "stopped" and not (jobs.folder(job) / "log.txt").exists()


@pytest.mark.sweep
def test_a_lane_that_is_held_starts_nothing(jobs: Jobs) -> None:
    _, _, process = sleeping(jobs)
    late = jobs.add(new("late"))
    done = subprocess.run(
        [sys.executable, "-m", "reskin.web.studio.runner", str(jobs.folder(late))],
        check=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0 and state(jobs, late) == "waiting"
    jobs.stop(next(job for job in jobs.all() if job.title == "sleeper"))
    process.wait(PATIENCE)


def test_a_damaged_job_does_not_hide_the_others(jobs: Jobs) -> None:
    jobs.add(new("a"))
    damaged = jobs.add(new("b"))
    (jobs.folder(damaged) / "job.json").write_text("{")
    write_json(jobs.state.queue, {"order": 7, "paused": "x"})
    assert [job.title for job in jobs.all()] == ["a"]


def test_identity_tells_a_process_from_one_that_is_not(jobs: Jobs) -> None:
    assert is_same(os.getpid(), identity(os.getpid()))
    assert not is_same(os.getpid(), "other") and not is_same(None, "") and not is_same(-1, "x")
    assert not identity(2**22 + 1)


def test_progress_lines_that_are_damaged_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    rows = [
        {"t": 1.0, "kind": "count", "what": "steps", "done": 3, "total": 9, "left": 6.5},
        {"t": 2.0, "kind": "new kind"},
        {"t": 3.0, "kind": "end", "code": 2, "error": {"what": "no", "fix": "yes", "code": "X"}},
    ]
    path.write_text("{\n[]\n" + "\n".join(map(json.dumps, rows)) + '\n{"kind": "count"')
    found = read_progress(path)
    assert (found.what, found.done, found.total, found.left) == ("steps", 3, 9, 6.5)
    assert (found.code, found.error, found.fix, found.at) == (2, "no", "yes", 3.0)


def test_jobs_over_http(case: Case) -> None:
    case.studio.jobs.pause(True)
    case.studio.checker.fault = lambda words: "" if "--batch" not in words else "--batch 0: no."  # type: ignore[method-assign]
    asked = case.post("/api/commands", **case.form(settings={"batch": "4", "norm": "instance"}))
    assert asked.json() == {
        "command": "reskin train cyclegan --a data/film --b data/game --out runs/one --batch 4",
        "fault": "--batch 0: no.",
    }
    assert (
        case.post("/api/jobs", **case.form(settings={"batch": "0"})).json()["error"]["what"]
        == "--batch 0: no"
    )
    made = case.post(
        "/api/jobs", **case.form(preset="fast", settings={"flip": "yes", "layers": "x z"})
    ).json()
    line = (
        "reskin train cyclegan --a data/film --b data/game --out runs/one --preset fast --flip --layers x z"
    )
    assert made["command"] == line and made["state"] == "waiting"
    assert case.client.get(f"/jobs/{made['id']}").status_code == 200
    assert case.post(f"/api/jobs/{made['id']}/up").status_code == 200
    assert case.post(f"/api/jobs/{made['id']}/remove").json()["error"]["fix"] == "Stop it first."
    assert case.post("/api/queue", paused=1).status_code == 400
    assert [job["title"] for job in case.client.get("/api/live").json()["jobs"]] == ["one"]
    assert case.post(f"/api/jobs/{made['id']}/stop").status_code == 200
    assert case.client.get("/api/live").json()["jobs"] == []
    assert case.post("/api/jobs", kind="demo").json()["command"] == "reskin demo --out demo"
    assert case.post("/api/jobs", kind="rm").status_code == 400


def test_a_full_disk_leaves_no_half_a_job(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.studio.jobs.pause(True)
    kept = case.studio.jobs.add(new("kept"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("reskin.storage.os.replace", full)
        for kind in ("demo", "more"):
            said = case.post("/api/jobs", kind=kind).json()["error"]
            assert said["what"] and said["fix"]
        assert "no space left" in case.post("/api/jobs", kind="demo").json()["error"]["what"]
        assert "no space left" in case.post("/api/queue", paused=False).json()["error"]["what"]
        patched.setattr("reskin.web.studio.jobs.Path.mkdir", full)
        assert "no space left" in case.post("/api/jobs", kind="demo").json()["error"]["what"]
    assert [job.id for job in case.studio.jobs.all()] == [kept.id] == case.studio.jobs.order()
    assert case.studio.jobs.is_paused and len(list(case.studio.state.jobs.iterdir())) == 1


def test_a_clock_that_is_set_back_changes_no_order(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.pause(True)
    jobs.add(new("first"))
    now = time.time()
    monkeypatch.setattr("reskin.web.studio.jobs.time.time", lambda: now - 86_400)
    jobs.add(new("second"))
    assert [job.title for job in jobs.all()] == ["first", "second"]
    assert ago(now + 3600) == "0 s"


def test_a_folder_that_is_gone_is_said_and_comes_back(case: Case) -> None:
    assert case.client.get("/api/live").json()["gone"] is False
    case.studio.scan.forget()
    away = case.root.with_name("away")
    case.root.rename(away)
    assert case.client.get("/api/live").json()["gone"] is True
    assert re.search(r'id="gone" class="away" role="alert">', case.client.get("/").text)
    said = case.post("/api/jobs", kind="demo").json()["error"]
    assert "cannot be written" in said["what"] or "no folder" in said["what"]
    case.studio.scan.forget()
    away.rename(case.root)
    assert case.client.get("/api/live").json()["gone"] is False and "data/film" in case.client.get("/").text


def test_a_terminal_that_trains_holds_the_device(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    started: list[str] = []
    monkeypatch.setattr(case.studio.jobs, "_start", lambda job: started.append(job.title))
    case.studio.jobs.add(new("first"))
    case.studio.jobs.add(NewJob("screen", "pictures", ("--version",), "light"))
    case.studio.jobs.add(NewJob("train", "other", ("--version",), "cuda-1"))
    here = f"process {os.getpid()} on {socket.gethostname()}"
    (made / ".lock").write_text(here)
    case.studio.tick()
    assert sorted(started) == ["other", "pictures"]
    waiting = {each["title"]: each["waits_for"] for each in case.client.get("/api/live").json()["jobs"]}
    assert waiting == {"first": "runs/one", "pictures": "", "other": ""}
    (made / ".lock").write_text(here.replace(socket.gethostname(), "elsewhere"))
    case.studio.tick()
    assert started.count("first") == 1
    (made / ".lock").write_text(here)
    monkeypatch.setattr(case.studio.jobs, "children", lambda: {os.getsid(0)})  # a job of ours trains it
    case.studio.tick()
    assert started.count("first") == 2


@pytest.mark.slow
def test_many_jobs_each_run_once_while_servers_come_and_go(jobs: Jobs) -> None:
    """100 jobs, 20 servers that are forgotten at random moments, the order changed: each once, in order."""
    chance = random.Random(0)
    jobs.pause(True)
    made = [jobs.add(new(f"{number:03d}")) for number in range(100)]
    for _ in range(30):
        jobs.move(chance.choice(made), chance.choice(["up", "down", "first"]))
    wanted = [job.title for job in jobs.all()]
    jobs.pause(False)
    server = jobs
    for _ in range(20):
        server = Jobs(jobs.state)
        end = time.monotonic() + chance.uniform(0.2, 3.0)
        while time.monotonic() < end:
            server.start_next()
            time.sleep(0.02)
    until(lambda: ended(server), "all have ended", server)
    began = sorted(server.all(), key=lambda job: job.began or 0.0)
    assert [job.title for job in began] == wanted
    assert all(job.state == "done" for job in began)
    for early, late in itertools.pairwise(began):
        assert (early.ended or 0.0) <= (late.began or 0.0)
    for job in began:
        lines = (jobs.folder(job) / "progress.jsonl").read_text().splitlines()
        assert sum(json.loads(line)["kind"] == "begin" for line in lines) == 1
