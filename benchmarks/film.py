"""What a frame of a film costs, part by part, and what is gained by doing the parts at the same time.

python -m benchmarks.film [--frames 60] [--out benchmarks/results/film_2cores.json]

Milliseconds are those that one core computes for one frame (CPU time with one thread, the best of several
rounds), so that other work on the machine counts as little as it can. The gain of overlapping is wall time,
and measured on a quiet machine alone: a stand-in for a network on another device waits for 20 ms a frame, and
the same film is translated with the parts one after the other and at the same time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from benchmarks.measure import machine, significant
from torch import Tensor

from reskin.device import choose_compute
from reskin.images import Picture
from reskin.inference.guided import guided_upsample
from reskin.methods.translator import Translator
from reskin.networks.bilateral_grid import Grade, GradeGenerator
from reskin.networks.grid_slicing import grade_picture
from reskin.storage import write_json
from reskin.translation import clips
from reskin.translation.film import AS_IT_IS, RIM_PX, FilmOptions, put_inside
from reskin.translation.stabilise import Stabiliser
from reskin.types import Direction
from reskin.video.bars import BorderFinder
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter
from reskin.worlds.footage import Footage

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
WORK_PX = (96, 160, 256)
"""Shorter edges at which a model may see a frame."""
ROUNDS = 7
WAIT_SECONDS = 0.02
QUIET_LOAD = 1.0
"""On a machine with more work than this, wall time says nothing about overlapping."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=60, help="of the films that are decoded and encoded")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]  # before this adds to it
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    choose_compute("cpu")  # as every command does: the process keeps the memory of large arrays
    found: dict[str, Any] = {"machine": machine(), "milliseconds": {}}
    for name, size in SIZES.items():
        found["milliseconds"][name] = parts(size, arguments.frames)
        print(f"{name}: {found['milliseconds'][name]}", flush=True)
    cv2.setNumThreads(-1)
    if load > QUIET_LOAD:
        print(f"not measured at a load of {load:.1f}, which fills the cores anyway: overlapping")
    else:
        found["overlapped"] = overlapped(SIZES["720p"], arguments.frames)
        print(f"overlapped: {found['overlapped']}")
    if arguments.out:
        write_json(arguments.out, found)
        print(f"written: {arguments.out}")


def parts(size: tuple[int, int], frames: int) -> dict[str, float]:
    """Milliseconds of a core for each part, by name."""
    film = list(_drawn(size, 3))
    frame, after = film[0], film[1]
    finder, stabilised, grade = BorderFinder(), Stabiliser(), _grade()
    finder.add(frame)
    stabilised.step(after, frame)  # the first frame of a shot is given back as it is
    inside = (slice(90 + RIM_PX, size[1] - 90 - RIM_PX), slice(0, size[0]))
    found = {
        "finding borders, a frame that is looked at": _best(lambda: finder.add(after)),
        "putting borders back": _best(
            lambda: put_inside(frame, np.ascontiguousarray(frame[inside]), inside, (0, 90, 0, 90))
        ),
        "grade, slicing": _best(lambda: grade_picture(frame, grade)),
        "stabiliser at full size": _best(lambda: stabilised.step(frame, after)),
    }
    for edge in WORK_PX:
        small = _resized(frame, edge)
        made = np.ascontiguousarray(255 - small)
        stabiliser = Stabiliser()
        stabiliser.step(_resized(after, edge), small)
        found |= {
            f"to {edge} px": _best(lambda edge=edge: _resized(frame, edge)),
            f"stabiliser at {edge} px": _best(lambda s=stabiliser, a=small, b=made: s.step(a, b)),
            f"guided upsampling from {edge} px": _best(lambda a=small, b=made: guided_upsample(frame, a, b)),
        }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.mp4")
        begun = time.process_time()
        _write(path, size, _drawn_again(film, frames))
        found["encoding H.264"] = 1e3 * (time.process_time() - begun) / frames
        begun = time.process_time()
        with VideoReader(path) as reader:
            count = sum(1 for _ in reader)
        found["decoding H.264"] = 1e3 * (time.process_time() - begun) / count
    return {name: significant(value) for name, value in found.items()}


def overlapped(size: tuple[int, int], frames: int) -> dict[str, float]:
    """Wall seconds of one film with a stand-in of 20 ms, one part after the other and at the same time."""
    found = {}
    film = FilmOptions(work_size=160, has_bars=AS_IT_IS.has_bars)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "film.mp4")
        _write(source, size, _drawn_again(list(_drawn(size, 6)), frames))
        for name, way in (("serial", _serial), ("overlapped", clips.pipeline)):
            timed = _Timed(way)
            for number in range(3):
                with mock.patch.object(clips, "pipeline", timed):
                    out = Path(folder, f"{name}{number}.mp4")
                    clips.translate_video(_Waiting(), source, out, "a2b", film=film)
            found[f"{name}_seconds"] = significant(min(timed.seconds))
    return found | {"gain": significant(found["serial_seconds"] / found["overlapped_seconds"])}


class _Waiting(Translator):
    """Gives the negative, after the time that a network on another device might take."""

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        time.sleep(WAIT_SECONDS)
        return -images


class _Timed:
    """Sends a film through its stages and notes what that took: looking for shots before is no part of it."""

    def __init__(self, way: Callable[..., None]) -> None:
        self.way, self.seconds = way, list[float]()

    def __call__(self, *arguments: Any, **options: Any) -> None:
        begun = time.perf_counter()
        self.way(*arguments, **options)
        self.seconds.append(time.perf_counter() - begun)


def _serial(
    source: Iterable[Any],
    *stages: Callable[[Any], Any],
    sink: Callable[[Any], object],
    busy: list[float],
    **_: object,
) -> None:
    """What `pipeline` does, one item and one part after the other, without measuring which takes longest."""
    busy[:] = [0.0] * (len(stages) + 2)
    for item in source:
        made = item
        for stage in stages:
            made = stage(made)
        sink(made)


def _best(work: Callable[[], object]) -> float:
    """The least CPU milliseconds of a call."""
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return 1e3 * min(times)


def _drawn(size: tuple[int, int], frames: int) -> Iterable[Picture]:
    for frame in Footage("film", seed=5, frames=frames, size=(1024, 576), scene_frames=frames):
        yield np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _drawn_again(film: list[Picture], frames: int) -> Iterable[Picture]:
    """The frames forth and back, since drawing a large one takes a second."""
    back_and_forth = [*film, *film[-2:0:-1]]
    return (back_and_forth[number % len(back_and_forth)] for number in range(frames))


def _write(path: Path, size: tuple[int, int], film: Iterable[Picture]) -> None:
    with VideoWriter(path, size=size, frame_rate=Fraction(25)) as writer:
        for number, picture in enumerate(film):
            writer.write(picture, Fraction(number, 25))


def _resized(frame: Picture, edge: int) -> Picture:
    size = (round(frame.shape[1] * edge / frame.shape[0]), edge)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


@torch.no_grad()
def _grade() -> Grade:
    """A grade that changes every pixel, some of them beyond where values are compressed."""
    torch.manual_seed(0)
    generator = GradeGenerator()
    for parameter in (*generator.head.parameters(), *generator.turn.parameters()):
        parameter.normal_(0, 0.3)
    return generator.grade(torch.rand(1, 3, 64, 64) * 2 - 1)


if __name__ == "__main__":
    main()
