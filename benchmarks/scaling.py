"""How much faster two processes translate than one: shards, and Ray's tasks. `make bench-scaling`.

python -m benchmarks.scaling [--films 6] [--rounds 3] [--out FILE.json]

Each process computes with one thread, so that two of them have two cores. A folder of drawn films is
translated at 128 px by a small CycleGAN, stabiliser and all, as `reskin translate` does it; and one long film
with a cut every three seconds, which Ray parts. The seconds hold the start of processes and of Ray's cluster,
which is nothing beside hours of work. The ways are taken in turns, and their medians are compared; only on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, significant

from reskin.storage import write_json
from reskin.video.writer import VideoWriter
from reskin.worlds.footage import Footage

SIZE = (256, 144)
SHOT_FRAMES = 72
RATE = Fraction(24)
MODEL = ["--width", "16", "--blocks", "6", "--load-size", "128", "--crop-size", "128", "--steps", "1"]
EXACT = ["--device", "cpu", "--precision", "fp32", "--engine", "torch"]
Way = Callable[[Path], None]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=6, help="of the folder, 6 seconds each")
    parser.add_argument("--shots", type=int, default=12, help="of the long film, 3 seconds each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reskin-scaling-") as folder:
        base = Path(folder)
        prepare(base, given.films, given.shots)
        found: dict[str, Any] = {"machine": machine(), "seconds": {}}
        for title, ways in (("a folder of films", of_a_folder(base)), ("a long film", of_a_film(base))):
            found["seconds"][title] = timed(title, ways, base, given.rounds)
    if given.out:
        write_json(given.out, found)
        print(f"written: {given.out}")


def prepare(base: Path, films: int, shots: int) -> None:
    """A run, a folder of films, a long film."""
    for number in range(films):
        draw(base / "films" / f"{number}.mp4", shots=2, seed=number)
    draw(base / "long.mp4", shots=shots, seed=100)
    for name in "ab":
        reskin(
            "prepare",
            "frames",
            base / "films" / "0.mp4",
            "--out",
            base / name,
            "--count",
            "4",
            "--size",
            "128x128",
        )
    reskin("train", "cyclegan", "--a", base / "a", "--b", base / "b", "--out", base / "run", *MODEL)


def draw(path: Path, *, shots: int, seed: int) -> None:
    """Drawn footage with a cut every three seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = shots * SHOT_FRAMES
    footage = Footage("film", seed=seed, frames=frames, size=SIZE, scene_frames=SHOT_FRAMES)
    with VideoWriter(path, size=SIZE, frame_rate=RATE) as writer:
        for number, frame in enumerate(footage):
            writer.write(frame.image, number / RATE)


def of_a_folder(base: Path) -> dict[str, Way]:
    """The ways to translate a folder of films."""

    def shards(count: int) -> Way:
        def translate(out: Path) -> None:
            words = [translated(base / "films", out, "--shard", f"{n}/{count}") for n in range(1, count + 1)]
            together([begun(each) for each in words])

        return translate

    found: dict[str, Way] = {"one process": shards(1), "two shards": shards(2)}
    return found | on_ray(base / "films")


def of_a_film(base: Path) -> dict[str, Way]:
    """The ways to translate a long film."""

    def alone(out: Path) -> None:
        together([begun(translated(base / "long.mp4", out.with_suffix(".mp4")))])

    return {"one process": alone} | on_ray(base / "long.mp4")


def on_ray(source: Path) -> dict[str, Way]:
    """The same on a cluster of one and of two processors; nothing where Ray is not installed."""
    try:
        import ray  # noqa: F401
    except ImportError:
        print("left out: Ray is not installed")
        return {}

    def cluster(processors: int) -> Way:
        def translate(out: Path) -> None:
            code = f"import functools, ray; ray.init = functools.partial(ray.init, num_cpus={processors})\n"
            target = out.with_suffix(".mp4") if source.is_file() else out
            words = translated(source, target, "--ray", "auto")
            code += f"from reskin.cli.main import main; raise SystemExit(main({words!r}))"
            together([subprocess.Popen([sys.executable, "-c", code], env=environment())])

        return translate

    return {"Ray, one processor": cluster(1), "Ray, two processors": cluster(2)}


def translated(source: Path, out: Path, *more: str) -> list[str]:
    """The words of the command."""
    return ["translate", str(source.parent / "run"), str(source), str(out), *EXACT, *more]


def environment() -> dict[str, str]:
    """One thread for each process."""
    return os.environ | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


def begun(words: list[str]) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "reskin", *words], env=environment())


def together(processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait for all; all have to succeed."""
    if codes := [process.returncode for process in processes if process.wait()]:
        raise SystemExit(f"a command failed with {codes[0]}")


def reskin(*words: object) -> None:
    """A command, waited for."""
    together([begun([str(word) for word in words])])


def timed(title: str, ways: dict[str, Way], base: Path, rounds: int) -> dict[str, float]:
    """Median seconds of each way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            out = base / "out"
            began = time.perf_counter()
            way(out)
            seconds[name].append(time.perf_counter() - began)
            shutil.rmtree(out, ignore_errors=True)
            out.with_suffix(".mp4").unlink(missing_ok=True)
    medians = {name: significant(statistics.median(each)) for name, each in seconds.items()}
    print(title, flush=True)
    for name, value in medians.items():
        print(f"  {name}: {value} s, {medians['one process'] / value:.2f} times as fast", flush=True)
    return medians


if __name__ == "__main__":
    main()
