"""Films on a Ray cluster: the same frames as one process makes, whichever processes are killed."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.support.drawn_films import shots_film
from tests.support.ray_processes import below, workers
from tests.support.saved_run import save_run

from reskin import ray_cluster
from reskin.cli.main import main
from reskin.images import write_image
from reskin.video.reader import VideoReader

FILMS = int(os.environ.get("RESKIN_RAY_FILMS", "8"))
KILLS = int(os.environ.get("RESKIN_RAY_KILLS", "4"))
WHOLE_KILLS = int(os.environ.get("RESKIN_RAY_WHOLE_KILLS", "2"))
"""200 films, 20 and 5 are what was run once."""

SHOTS = [45, 30]
"""Frames of the two shots of a film, of three seconds."""

WORKERS = 4
EXACT = ["--device", "cpu", "--precision", "fp32", "--engine", "torch"]


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.fixture
def base(tmp_path: Path) -> Path:
    save_run(tmp_path / "run", "cut")
    shots_film(tmp_path / "films" / "a.mp4", [4])
    return tmp_path


def test_an_address_that_does_not_answer_is_one_line(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused(capsys, "translate", base / "run", base / "films", base / "out", "--ray", address)
    assert address in line and "nothing answers" in line


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (None, "nothing answers there (timed out)"),
        (b"", "nothing answers there"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is no Ray cluster"),
        (b"-ERR", "what answers there is no Ray cluster"),
    ],
)
def test_what_answers_and_is_no_cluster_is_one_line(
    base: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    says: bytes | None,
    reason: str,
) -> None:
    """Ray alone would try for minutes."""
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_cluster, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.settimeout(60)
                connection.recv(100)
                if says is None:
                    connection.recv(100)  # until the other side leaves
                connection.sendall(says or b"")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        line = refused(capsys, "translate", base / "run", base / "films", base / "out", "--ray", address)
        thread.join()
    assert address in line and reason in line and "ray start --head" in line


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray")
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_two_nodes_by_its_address(base: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        words = ["translate", str(base / "run"), str(base / "films")]
        assert main([*words, str(base / "ray"), *EXACT, "--ray", cluster.address]) == 0
    finally:
        cluster.shutdown()
    assert main([*words, str(base / "alone"), *EXACT]) == 0
    assert (base / "ray" / "a.mp4").read_bytes() == (base / "alone" / "a.mp4").read_bytes()


@pytest.mark.parametrize("address", ["here", "host:99999", "host:0", "http://host:1"])
def test_what_is_no_address(base: Path, capsys: pytest.CaptureFixture[str], address: str) -> None:
    pytest.importorskip("ray")
    line = refused(capsys, "translate", base / "run", base / "films", base / "out", "--ray", address)
    assert "Give auto, or HOST:PORT" in line


def test_an_address_of_the_environment_that_does_not_answer(
    base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{taken.getsockname()[1]}")
        line = refused(capsys, "translate", base / "run", base / "films", base / "out", "--ray", "auto")
    assert "RAY_ADDRESS=127.0.0.1" in line and "nothing answers" in line


def test_ray_is_for_films_and_not_for_pictures_or_shards(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = base / "picture.png"
    write_image(picture, np.zeros((32, 32, 3), np.uint8))
    line = refused(capsys, "translate", base / "run", picture, base / "out.png", "--ray", "auto")
    assert "no folder of films" in line
    words = ["translate", base / "run", base / "films", base / "out", "--ray", "auto", "--shard", "1/2"]
    assert "both --shard and --ray" in refused(capsys, *words)


def test_ray_that_is_not_installed_is_named(
    base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    line = refused(capsys, "translate", base / "run", base / "films", base / "out", "--ray", "auto")
    assert "pip install 'reskin[ray]'" in line


def same_frames(one: Path, other: Path) -> int:
    """How many frames both films hold; all their times and pixels are equal."""
    with VideoReader(one) as first, VideoReader(other) as second:
        count = 0
        for a, b in zip(first, second, strict=True):
            assert a.time == b.time and np.array_equal(a.image, b.image)
            count += 1
    return count


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray")
@pytest.mark.filterwarnings("ignore")
def test_a_long_film_is_parted_and_equals_that_of_one_process(tmp_path: Path) -> None:
    """Chunks are parted at cuts; workers are killed; the whole film has its sound."""
    save_run(tmp_path / "run", "cyclegan")
    film = tmp_path / "film.mp4"
    shots_film(tmp_path / "films" / "short.mp4", [20, 10])
    shots_film(film, [37, 45, 29, 41, 33, 46, 38, 44, 27, 40] * 4, seed=3)
    (tmp_path / "films" / "long.mp4").write_bytes(film.read_bytes())
    killed = threading.Event()

    def kill() -> None:
        while not killed.is_set():
            if there := workers("make_on_ray"):
                time.sleep(1)  # in the middle of its work
                killed.set()
                with suppress(ProcessLookupError):
                    os.kill(there[-1], signal.SIGKILL)
            time.sleep(0.05)

    threading.Thread(target=kill, daemon=True).start()
    run = str(tmp_path / "run")
    try:
        assert main(["translate", run, str(film), str(tmp_path / "ray.mp4"), *EXACT, "--ray", "auto"]) == 0
        folder = [str(tmp_path / name) for name in ("films", "out")]
        assert main(["translate", run, *folder, *EXACT, "--ray", "auto"]) == 0
    finally:
        killed.set()
    assert main(["translate", run, str(film), str(tmp_path / "alone.mp4"), *EXACT]) == 0
    assert same_frames(tmp_path / "ray.mp4", tmp_path / "alone.mp4") == 1520
    assert same_frames(tmp_path / "out" / "long.mp4", tmp_path / "alone.mp4") == 1520
    assert (tmp_path / "ray.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()


def folder_of_films(base: Path) -> list[str]:
    """A run, and a folder of films of three seconds; the words of the command without its target."""
    save_run(base / "run", "cyclegan")
    for number in range(FILMS):
        shots_film(base / "films" / f"{number}.mp4", SHOTS, seed=number)
    return ["translate", str(base / "run"), str(base / "films")]


def check_films(base: Path) -> None:
    """The films in `ray` are those that one process makes; nothing is left beside them."""
    words = ["translate", str(base / "run"), str(base / "films"), str(base / "alone")]
    assert main([*words, *EXACT]) == 0
    for number in range(FILMS):
        one, other = (base / folder / f"{number}.mp4" for folder in ("ray", "alone"))
        assert same_frames(one, other) == sum(SHOTS)
        assert one.read_bytes() == other.read_bytes()
    left = {path.name for path in (base / "ray").iterdir()}
    assert left == {path.name for path in (base / "alone").iterdir()}


@pytest.fixture
def four_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster that Ray starts has four, whatever this machine has."""
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "init", functools.partial(ray.init, num_cpus=WORKERS))


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray", "four_workers")
@pytest.mark.filterwarnings("ignore")
def test_films_are_those_of_one_process_whichever_workers_are_killed(tmp_path: Path) -> None:
    words = folder_of_films(tmp_path)
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        draw = np.random.default_rng(0)
        while len(killed) < KILLS and not stop.wait(float(draw.uniform(0.2, 1.5))):
            there = [one for one in workers("make_on_ray") if one not in killed]
            if there:
                killed.append(int(draw.choice(there)))
                with suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        began = time.monotonic()
        assert main([*words, str(tmp_path / "ray"), *EXACT, "--ray", "auto"]) == 0
    finally:
        stop.set()
        killer.join()
    assert killed, f"no worker was seen in {time.monotonic() - began:.0f} s"
    assert len(killed) == KILLS or FILMS < 10 * KILLS
    check_films(tmp_path)


IN_A_PROCESS = """
import functools, sys, ray
ray.init = functools.partial(ray.init, num_cpus=int(sys.argv[1]))
from reskin.cli.main import main
raise SystemExit(main(sys.argv[2:]))
"""


def kill_all(command: subprocess.Popen[bytes]) -> None:
    """The command, its cluster and its workers, at once."""
    for one in [command.pid, *below(command.pid)]:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    command.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray")
def test_a_job_killed_as_a_whole_goes_on(tmp_path: Path) -> None:
    """Everything dies at once, again and again; what was done is kept, and the films are those of one
    process."""
    words = [*folder_of_films(tmp_path), str(tmp_path / "ray"), *EXACT, "--ray", "auto"]
    command = [sys.executable, "-c", IN_A_PROCESS, str(WORKERS), *words]
    draw, killed = np.random.default_rng(1), 0

    def whole() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "ray").glob("*.mp4")}

    while killed < WHOLE_KILLS and len(whole()) < FILMS:
        running, before, end = subprocess.Popen(command), whole(), time.monotonic() + 600
        while running.poll() is None and len(whole()) == len(before):
            assert time.monotonic() < end, "no film was made"
            time.sleep(0.05)
        time.sleep(float(draw.uniform(0, 1)))
        if running.poll() is None:
            kill_all(running)
            killed += 1
        kept = {name: moment for name, moment in whole().items() if name in before}
        assert kept == before, "what was done is not made again"
    assert killed and (killed == WHOLE_KILLS or FILMS < 10 * WHOLE_KILLS)
    assert subprocess.run(command, check=False).returncode == 0
    check_films(tmp_path)
