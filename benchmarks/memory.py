"""Whether the memory of a long film grows with its length, with every engine.

python -m benchmarks.memory [--engines torch openvino] [--frames 3000] [--size 1920x1080] [--out FILE.json]

A drawn film is translated by a small CycleGAN as `reskin translate` does it, borders, stabiliser and
enlarging included, with each engine in a process of its own. The memory that the process holds is noted every
20 frames, and a line is fitted to it from frame 600 on, where everything has been made once. How many frames
wait between the stages goes up and down by a few (9 bytes a pixel each): on a busy machine a short film says
little. Engines that are not installed are left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import torch
from benchmarks.measure import machine, significant

from reskin.device import choose_compute
from reskin.engine_names import EngineName
from reskin.errors import SettingsError
from reskin.images import Picture
from reskin.inference.engines.settle import check_engine
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.storage import read_json, write_json
from reskin.translation.clips import translate_video
from reskin.translation.film import FilmOptions
from reskin.video.encoding import Encoding
from reskin.video.writer import VideoWriter
from reskin.worlds.footage import Footage

ENGINES = tuple(name for name in get_args(EngineName) if name != "auto")
RATE = Fraction(30)
SCENE_FRAMES = 8
EVERY, SETTLED_AFTER = 20, 600
"""Frames between two looks, and before what is counted."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--size", default="1920x1080", help="WIDTHxHEIGHT")
    parser.add_argument("--work-size", type=int, default=96, help="shorter edge that the model sees, px")
    parser.add_argument(
        "--out", type=Path, help="where to write the JSON; engines that it names already stay"
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a film and a file for what is seen
    given = parser.parse_args()
    if given.one:
        write_json(Path(given.one[1]), seen(Path(given.one[0]), given.engines[0], given.work_size))
        return
    width, height = (int(part) for part in given.size.split("x"))
    results: dict[str, Any] = read_json(given.out) if given.out and given.out.exists() else {"engines": {}}
    results["machine"] = machine()
    with tempfile.TemporaryDirectory(prefix="reskin-memory-") as folder:
        film = Path(folder, "film.mp4")
        draw(film, (width, height), given.frames)
        for engine in given.engines:
            try:
                check_engine(choose_compute("cpu", "fp32", engine=engine))
            except SettingsError as error:
                print(f"{engine} is left out: {error}")
                continue
            facts = in_a_process(film, engine, given.work_size)
            results["engines"][engine] = {"size": given.size, "work_size": given.work_size} | facts
            print(f"{engine}: {results['engines'][engine]}", flush=True)
            if given.out:
                write_json(given.out, results)


def in_a_process(film: Path, engine: str, work_size: int) -> dict[str, Any]:
    """What another process sees in itself."""
    found = film.with_suffix(".json")
    words = ["--engines", engine, "--work-size", str(work_size), "--one", str(film), str(found)]
    subprocess.run([sys.executable, "-m", "benchmarks.memory", *words], check=True, env=os.environ.copy())
    facts: dict[str, Any] = read_json(found)
    return facts


def seen(film: Path, engine: EngineName, work_size: int) -> dict[str, Any]:
    """Translate a film with an engine: slope in MB for 1,000 frames, and the memory at both ends."""
    torch.manual_seed(0)
    model = CycleGAN(parse(CycleGANConfig, {"width": 8, "blocks": 2})).eval()
    looks: list[tuple[int, float]] = []

    def note(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        if what == "frames" and done >= (looks[-1][0] if looks else 0) + EVERY:
            looks.append((done, held_megabytes()))

    encoding = Encoding(speed="ultrafast")
    compute = choose_compute("cpu", "fp32", engine=engine)
    options = FilmOptions(work_size=work_size, encoding=encoding)
    out = film.with_name(f"{engine}.mp4")
    made = translate_video(model, film, out, "a2b", compute=compute, film=options, report=note)
    out.unlink()
    counted = [look for look in looks if look[0] >= SETTLED_AFTER]
    frames, megabytes = np.array(counted).T
    slope = 1000 * float(np.polyfit(frames, megabytes, 1)[0])
    thousands = [megabytes[frames // 1000 == number] for number in range(int(frames[-1]) // 1000 + 1)]
    return {
        "frames": made.frames,
        "megabytes_for_1000_frames": significant(slope),
        "megabytes_of_each_1000_frames": [
            round(float(np.median(each)), 1) for each in thousands if len(each)
        ],
        "megabytes_first": round(megabytes[0], 1),
        "megabytes_last": round(megabytes[-1], 1),
        "megabytes_most": round(max(held for _, held in looks), 1),
        "speed": made.bound,
    }


def held_megabytes() -> float:
    """What this process holds of the machine's memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def draw(path: Path, size: tuple[int, int], frames: int) -> None:
    """Eight frames of drawn footage forth and back, with a cut every five seconds."""
    with VideoWriter(path, size=size, frame_rate=RATE, encoding=Encoding(speed="ultrafast")) as writer:
        for number, picture in enumerate(pictures(size, frames)):
            writer.write(picture, number / RATE)


def pictures(size: tuple[int, int], frames: int) -> Iterable[Picture]:
    """So many frames; every other shot is a mirror image."""
    scene = [
        np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        for frame in Footage("film", seed=5, frames=SCENE_FRAMES, size=(256, 144), scene_frames=SCENE_FRAMES)
    ]
    for number in range(frames):
        place = number % (2 * SCENE_FRAMES - 2)
        picture = scene[min(place, 2 * SCENE_FRAMES - 2 - place)]
        yield np.ascontiguousarray(picture[:, ::-1]) if number // 150 % 2 else picture


if __name__ == "__main__":
    main()
