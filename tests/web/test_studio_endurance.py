"""A studio that is killed and asked ten thousand times: what it costs, and that nothing it says is wrong."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.e2e.conftest import draw_clip
from tests.support.finished_run import make_run, picture
from tests.web.studio_server import PATIENCE, Asker, memory

from reskin.images import write_image
from reskin.runs.load import load
from reskin.web.studio.jobs import Jobs, NewJob
from reskin.web.studio.processes import is_same
from reskin.web.studio.state import StateFolder

FULL = bool(os.environ.get("RESKIN_FULL"))
KILLS = 100 if FULL else 8
POLLS = 10_000 if FULL else 1500


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    root = tmp_path / "films"
    for name, is_b in (("film", False), ("game", True)):
        for number in range(6):
            (root / "data" / name).mkdir(parents=True, exist_ok=True)
            write_image(root / "data" / name / f"{number}.png", np.asarray(picture(number, 32, 0.0, is_b)))
    return root


def training(out: str, steps: int) -> tuple[str, ...]:
    data = f"--a data/film --b data/game --out {out} --crop-size 32 --load-size 32 --sample-every 1000000"
    small = f"--width 4 --blocks 1 --batch 1 --device cpu --steps {steps} --log-every 1"
    return ("train", "cyclegan", *data.split(), *small.split())


def truth(folder: Path) -> set[str]:
    """What may be said of a job now, from its files and processes alone."""
    begun = json.loads((folder / "begun.json").read_text()) if (folder / "begun.json").exists() else {}
    if not begun:
        return {"waiting"}
    if (folder / "end.json").exists():
        code = json.loads((folder / "end.json").read_text())["code"]
        return {{0: "done", 143: "stopped"}.get(code, "failed")}
    is_alive = is_same(begun.get("runner"), begun.get("runner_is"))
    return {"running", "stopping"} if is_alive else {"died", "done", "stopped"}


@pytest.fixture
def studio(footage: Path) -> Iterator[list[Asker]]:
    started: list[Asker] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="reads /proc")
def test_a_training_survives_kills_of_the_server(footage: Path, studio: list[Asker]) -> None:
    """Servers killed at random while a training runs: its states are what is so, one process trains, every
    step is made once, and it can be stopped by the last server."""
    chance, state = random.Random(0), StateFolder(footage)
    state.make()
    job = Jobs(state).add(NewJob("train", "one", training("runs/one", 1_000_000), "device"))
    folder, began = state.jobs / job.id, set()
    for _ in range(KILLS):
        server = Asker(footage)
        studio.append(server)
        end = time.monotonic() + chance.uniform(0.0, 1.5)
        while time.monotonic() < end:
            before = truth(folder)
            said = next(each for each in server.json("/api/live")["jobs"] if each["id"] == job.id)["state"]
            assert said in before | truth(folder), (said, before)
            time.sleep(0.05)
        server.kill()
        if (folder / "begun.json").exists():
            began.add(json.loads((folder / "begun.json").read_text())["runner"])
    assert len(began) == 1
    server = Asker(footage)
    studio.append(server)
    server.json(f"/api/jobs/{job.id}/stop", {})
    assert wait_for(server, job.id, {"stopped"})["code"] == 143
    lines = (footage / "runs" / "one" / "losses.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == list(range(1, len(steps) + 1)) and steps
    assert sorted(path.name for path in footage.parent.iterdir()) == ["films"]


def assert_same_as_uninterrupted(footage: Path, words: tuple[str, ...]) -> None:
    """Train another run without any stop, and compare its weights with those of runs/one."""
    line = [sys.executable, "-m", "reskin", *words]
    done = subprocess.run(line, cwd=footage, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    one, alone = (load(footage / "runs" / name).state_dict() for name in ("one", "alone"))
    assert one.keys() == alone.keys()
    assert all((one[name] == alone[name]).all() for name in one)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="reads /proc")
def test_a_training_that_is_stopped_at_any_moment_ends_in_the_same_bits(footage: Path) -> None:
    """While it starts, while it trains and saves, twice: it saves, leaves other jobs alone, and goes on."""
    state, draw = StateFolder(footage), random.Random(1)
    state.make()
    jobs = Jobs(state)
    words = (*training("runs/one", 40), "--save-every", "1")
    job = jobs.add(NewJob("train", "one", words, "device"))
    moments, stops = [0.0, 0.5, None, None, None], 0
    while True:
        waits = jobs.add(NewJob("train", "other", training("runs/other", 1), "device"))
        jobs.start_next()
        moment = moments[stops] if stops < len(moments) else None
        if stops < len(moments):
            if moment is None:  # while it trains
                wait_until(
                    lambda job=job: (
                        (state.jobs / job.id / "progress.jsonl").exists() and training_of(state, job)
                    )
                )  # type: ignore[misc]
                moment = draw.uniform(0.0, 0.4)
            time.sleep(moment)
            found = jobs.find(job.id)
            assert found is not None
            for _ in range(1 + stops % 2):  # a double click is one request
                jobs.stop(found)
            stops += 1
        wait_until(
            lambda job=job: (
                jobs.find(job.id) is None or jobs.find(job.id).state not in ("waiting", "running", "stopping")
            )
        )  # type: ignore[misc,union-attr]
        ended, other = jobs.find(job.id), jobs.find(waits.id)
        assert other is not None and other.state == "waiting"
        jobs.stop(other)
        assert jobs.find(waits.id) is None  # one that waits is taken out, and nothing else is
        if ended is not None and ended.state == "done":
            break
        assert ended is None or (ended.state, ended.code) == ("stopped", 143), ended
        job = jobs.add(NewJob("train", "one", words, "device"))
    assert stops == len(moments)
    assert not (footage / "runs" / "other").exists()
    assert_same_as_uninterrupted(footage, (*training("runs/alone", 40), "--save-every", "1"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_a_film_that_is_stopped_goes_on_and_ends_in_the_same_bits(footage: Path) -> None:
    """What the page calls Go on does so: the parts of the film that are made are not made again."""
    state = StateFolder(footage)
    state.make()
    jobs = Jobs(state)
    clip = footage / "footage" / "clip.mp4"
    draw_clip(clip, 0.0, seconds=24)
    done = subprocess.run(
        [sys.executable, "-m", "reskin", *training("runs/one", 1)],
        cwd=footage,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    def translation(name: str) -> NewJob:
        words = ("translate", "runs/one", "footage/clip.mp4", f"films/{name}.mp4", "--work-size", "32")
        return NewJob("translate", name, words, "device", makes=(f"films/{name}.mp4",))

    job = jobs.add(translation("stopped"))
    jobs.start_next()
    wait_until(lambda: frames_of(state, job) > 200)  # a part lasts five seconds, 125 frames
    jobs.stop(job)
    wait_until(lambda: ended(jobs, job))
    stopped = jobs.find(job.id)
    assert stopped is not None and (stopped.state, stopped.code) == ("stopped", 143)
    assert not (footage / "films" / "stopped.mp4").exists()
    again, alone = jobs.again(stopped), jobs.add(translation("alone"))
    for each in (again, alone):
        jobs.start_next()
        wait_until(lambda each=each: ended(jobs, each))  # type: ignore[misc]
    found = [jobs.find(each.id) for each in (again, alone)]
    assert [each and (each.state, each.code) for each in found] == [("done", 0)] * 2
    one, other = (footage / "films" / f"{name}.mp4" for name in ("stopped", "alone"))
    assert one.read_bytes() == other.read_bytes()
    first = first_frame_of(state, again)
    assert first > 100, first  # it went on, and did not begin anew


def ended(jobs: Jobs, job: Any) -> bool:
    found = jobs.find(job.id)
    return found is not None and found.state not in ("waiting", "running", "stopping")


def counts_of(state: StateFolder, job: Any) -> list[int]:
    """How many frames the command said were done, each time that it said so."""
    path = state.jobs / job.id / "progress.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row["done"] for row in rows if row["kind"] == "count" and row["what"] == "frames"]


def frames_of(state: StateFolder, job: Any) -> int:
    return max(counts_of(state, job), default=0)


def first_frame_of(state: StateFolder, job: Any) -> int:
    """The first count of a command after its begin."""
    return next((count for count in counts_of(state, job) if count), 0)


def training_of(state: StateFolder, job: Any) -> bool:
    """Whether the command says that it has made a step."""
    lines = (state.jobs / job.id / "progress.jsonl").read_text().splitlines()
    return any('"steps"' in line for line in lines) or bool((state.jobs / job.id / "end.json").exists())


def bare_start() -> float:
    """CPU seconds of a process that imports the packages of the web and nothing else; the best of three."""
    packages = "starlette.applications, uvicorn.protocols.http.h11_impl, jinja2, sqlite3"
    spent = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-c", f"import {packages}"], check=True)
        after = os.times()
        spent.append(
            after.children_user - before.children_user + after.children_system - before.children_system
        )
    return min(spent)


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for(server: Asker, id: str, states: set[str]) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found: dict[str, Any] = next(each for each in server.json("/api/live")["jobs"] if each["id"] == id)
        if found["state"] in states:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{id} came to none of {states}")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="reads /proc")
def test_a_studio_starts_light_and_stays_so(footage: Path, studio: list[Asker]) -> None:
    """Its address costs little more than its imports; thousands of questions no memory and no descriptors."""
    make_run(footage / "runs" / "one", steps=20, grids=1, edge=8)
    server = Asker(footage)
    studio.append(server)
    # The bar is 1.5 CPU seconds where the packages alone take 0.25; a slower processor takes longer for both.
    bare = bare_start()
    assert server.cpu_seconds <= 6 * bare, (server.cpu_seconds, bare)
    end = time.monotonic() + PATIENCE
    while "are being read" in server.ask("GET", "/train").read().decode() and time.monotonic() < end:
        time.sleep(0.5)
    run = server.json("/api/live")["runs"][0]
    pages = ["/", "/data", "/train", "/compare", "/translate", "/doctor", "/jobs", f"/runs/{run}"]

    def round_of(count: int) -> None:
        for number in range(count):
            server.json(f"/api/live?run={run}")
            if number % 50 == 0:
                answer = server.ask("GET", pages[number // 50 % len(pages)])
                assert answer.status == 200 and answer.read()

    round_of(max(POLLS // 5, 50 * len(pages)))  # what is kept once is kept
    before, open_before = memory(server.process.pid), len(os.listdir(f"/proc/{server.process.pid}/fd"))
    round_of(POLLS)
    grown = memory(server.process.pid) - before
    assert grown <= 1024 * max(1.0, POLLS / 1000) + 1024
    assert abs(len(os.listdir(f"/proc/{server.process.pid}/fd")) - open_before) <= 2
    assert memory(server.process.pid) < 120_000
