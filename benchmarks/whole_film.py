"""How long a whole film takes by one command, with `auto` and with PyTorch, and whether times and sound stay.

python -m benchmarks.whole_film [--seconds 60] [--size 1280x720] [--before FOLDER] [--rounds 1] [--out FILE]

A drawn film with sound is translated by CycleGAN with `reskin translate`, in turns with PyTorch and with the
engine that `auto` takes, start of the process and choice of the engine included. `--before` names the `src`
of an earlier version, which takes its turn too: its CycleGAN has to know the same settings.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from benchmarks.measure import machine, significant
from benchmarks.memory import pictures

from reskin.storage import write_json
from reskin.video.reader import VideoReader
from reskin.video.writer import Sound, VideoWriter

RATE = Fraction(24)
SOUND_RATE = 44100


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="of the film")
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT")
    parser.add_argument("--edge", type=int, default=128, help="shorter edge that the model sees, px")
    parser.add_argument("--width", type=int, default=64, help="of the generator; the paper's is 64")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--before", type=Path, help="the src folder of an earlier version")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    given = parser.parse_args()
    size = tuple(int(part) for part in given.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="reskin-film-") as folder:
        base = Path(folder)
        draw(base / "film.mp4", (size[0], size[1]), given.seconds)
        train(base, given.before, width=given.width, edge=given.edge)
        ways: dict[str, tuple[Path | None, list[str]]] = {
            "torch": (None, ["--engine", "torch"]),
            "auto": (None, ["--engine", "auto"]),
        }
        if given.before:
            ways = {"before": (given.before, []), **ways}
        found, said = measured(base, ways, given.rounds)
    frames = int(given.seconds * RATE)
    report: dict[str, Any] = {
        "machine": machine(),
        "film": {"size": given.size, "frames": frames, "edge": given.edge, "width": given.width},
        "frames_per_second": {name: significant(frames / seconds) for name, seconds in found.items()},
        "times_as_fast": {name: round(next(iter(found.values())) / each, 2) for name, each in found.items()},
        "said": said,
        "same_times_and_sound": True,  # else it would have ended
    }
    print(report)
    if given.out:
        write_json(given.out, report)
        print(f"written: {given.out}")


def draw(path: Path, size: tuple[int, int], seconds: int) -> None:
    """A film of that length, with a rising tone."""
    moments = np.arange(seconds * SOUND_RATE) / SOUND_RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 5 * moments) * moments)
    sound = Sound(tone.astype(np.float32)[:, None], SOUND_RATE)
    with VideoWriter(path, size=size, frame_rate=RATE, sound=sound) as writer:
        for number, picture in enumerate(pictures(size, int(seconds * RATE))):
            writer.write(picture, number / RATE)


def train(base: Path, source: Path | None, *, width: int, edge: int) -> None:
    """A run of one step: what its pictures look like does not matter."""
    for name in "ab":
        words = ["--count", "4", "--size", f"{edge}x{edge}"]
        reskin(source, "prepare", "frames", base / "film.mp4", "--out", base / name, *words)
    sides = ["--load-size", edge, "--crop-size", edge, "--steps", "1", "--width", width]
    reskin(source, "train", "cyclegan", "--a", base / "a", "--b", base / "b", "--out", base / "run", *sides)


def reskin(source: Path | None, *words: object) -> str:
    """A command, by this version or by that of another `src` folder; what it says."""
    environment = os.environ.copy()
    if source is not None:
        environment["PYTHONPATH"] = os.pathsep.join([str(source), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "reskin", *map(str, words)]
    made = subprocess.run(
        command, check=False, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {made.stdout}")
    return made.stdout


def measured(
    base: Path, ways: dict[str, tuple[Path | None, list[str]]], rounds: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Median seconds of each way, and what it said of its engine and at its end."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    said: dict[str, str] = {}
    for _ in range(rounds):
        for name, (source, words) in ways.items():
            out = base / f"{name}.mp4"
            began = time.perf_counter()
            told = reskin(
                source, "translate", base / "run", base / "film.mp4", out, "--device", "cpu", *words
            )
            seconds[name].append(time.perf_counter() - began)
            lines = [line for line in told.splitlines() if "frames a second" in line or "s a picture" in line]
            said[name] = "; ".join(lines).replace(f"{base}{os.sep}", "")
            print(f"{name}: {seconds[name][-1]:.1f} s; {said[name]}", flush=True)
            check_same(base / "film.mp4", out)
            out.unlink()
    return {name: statistics.median(each) for name, each in seconds.items()}, said


def check_same(film: Path, made: Path) -> None:
    """The same times of frames, and the same packets of sound."""
    with VideoReader(film) as before, VideoReader(made) as after:
        assert before.times() == after.times(), "the frames have other times"
    assert sound_of(film) == sound_of(made), "the sound is another one"


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """When each packet of sound is heard, in seconds, and what it holds."""
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(audio=0)
            if packet.pts is not None and packet.time_base is not None
        ]


if __name__ == "__main__":
    main()
