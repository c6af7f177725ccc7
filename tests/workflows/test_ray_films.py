"""Films on a Ray cluster: the same frames as one process makes, whichever processes are killed."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.support.drawn_films import shots_film
from tests.support.saved_run import save_run

from reskin.cli.main import main
from reskin.images import write_image
from reskin.video.reader import VideoReader
from reskin.workflows import ray_films

RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "200",
    "RAY_process_startup_timeout_s": "200",
    "RAY_worker_register_timeout_seconds": "200",
    "RAY_enable_metrics_collection": "0",
}
"""On a busy machine Ray's own processes need longer to start than it waits for them."""

FILMS = int(os.environ.get("RESKIN_RAY_FILMS", "8"))
KILLS = int(os.environ.get("RESKIN_RAY_KILLS", "4"))


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
    monkeypatch.setattr(ray_films, "ANSWER_SECONDS", 0.5)
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


def workers() -> list[int]:
    """Processes of Ray that work on a film, all below this one."""
    parents, titles = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(path.name)] = (path / "cmdline").read_bytes()
        except OSError:
            continue

    def is_ours(process: int) -> bool:
        while process > 1:
            if process == os.getpid():
                return True
            process = parents.get(process, 0)
        return False

    return [
        process
        for process, title in titles.items()
        if title.startswith(b"ray::make_on_ray") and is_ours(process)
    ]


def same_frames(one: Path, other: Path) -> int:
    """How many frames both films hold; all their times and pixels are equal."""
    with VideoReader(one) as first, VideoReader(other) as second:
        count = 0
        for a, b in zip(first, second, strict=True):
            assert a.time == b.time and np.array_equal(a.image, b.image)
            count += 1
    return count


@pytest.fixture
def on_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root / "src"), os.environ.get("PYTHONPATH", "")]))
    for name, value in RAY.items():
        monkeypatch.setenv(name, value)


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
    more = ["--device", "cpu", "--precision", "fp32", "--engine", "torch"]
    killed = threading.Event()

    def kill() -> None:
        while not killed.is_set():
            if there := workers():
                time.sleep(1)  # in the middle of its work
                killed.set()
                with suppress(ProcessLookupError):
                    os.kill(there[-1], signal.SIGKILL)
            time.sleep(0.05)

    threading.Thread(target=kill, daemon=True).start()
    run = str(tmp_path / "run")
    try:
        assert main(["translate", run, str(film), str(tmp_path / "ray.mp4"), *more, "--ray", "auto"]) == 0
        folder = [str(tmp_path / name) for name in ("films", "out")]
        assert main(["translate", run, *folder, *more, "--ray", "auto"]) == 0
    finally:
        killed.set()
    assert main(["translate", run, str(film), str(tmp_path / "alone.mp4"), *more]) == 0
    assert same_frames(tmp_path / "ray.mp4", tmp_path / "alone.mp4") == 1520
    assert same_frames(tmp_path / "out" / "long.mp4", tmp_path / "alone.mp4") == 1520
    assert (tmp_path / "ray.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray")
@pytest.mark.filterwarnings("ignore")
def test_films_are_those_of_one_process_whichever_workers_are_killed(
    tmp_path: Path,
) -> None:
    save_run(tmp_path / "run", "cyclegan")
    for number in range(FILMS):
        shots_film(tmp_path / "films" / f"{number}.mp4", [20, 10], seed=number)
    words = ["translate", str(tmp_path / "run"), str(tmp_path / "films")]
    more = ["--device", "cpu", "--precision", "fp32", "--engine", "torch"]
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        draw = np.random.default_rng(0)
        while len(killed) < KILLS and not stop.wait(float(draw.uniform(0.2, 1.5))):
            there = [one for one in workers() if one not in killed]
            if there:
                killed.append(int(draw.choice(there)))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        began = time.monotonic()
        assert main([*words, str(tmp_path / "ray"), *more, "--ray", "auto"]) == 0
    finally:
        stop.set()
        killer.join()
    assert killed, f"no worker was seen in {time.monotonic() - began:.0f} s"
    assert main([*words, str(tmp_path / "alone"), *more]) == 0
    for number in range(FILMS):
        assert same_frames(tmp_path / "ray" / f"{number}.mp4", tmp_path / "alone" / f"{number}.mp4") == 30
    left = {path.name for path in (tmp_path / "ray").iterdir()}
    assert left == {path.name for path in (tmp_path / "alone").iterdir()}
