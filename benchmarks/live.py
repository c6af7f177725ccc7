"""Latency of live translation: 640x360 frames through a small model, as fast as they come and at a camera's
pace.

    python -m benchmarks.live --seconds 8

A CycleGAN of 12 channels and 3 residual blocks with random weights, which cost the same as trained ones,
sees the frames at 96 px. First the frames come through a pipe: none is dropped, and the rate is what the
machine can do. Then a made camera gives 25 a second, and what comes while others are translated is dropped.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.translation.film import FilmOptions
from reskin.translation.live import LiveFrame, LiveReport, translate_live
from reskin.video.raw import Camera

WIDTH, HEIGHT, RATE = 640, 360, 25


def pictures() -> list[NDArray[np.uint8]]:
    """A second of a pan over soft blotches."""
    import cv2

    coarse = np.random.default_rng(0).integers(0, 256, (12, 30, 3)).astype(np.uint8)
    world = np.asarray(
        cv2.resize(coarse, (WIDTH + 4 * RATE, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8
    )
    return [np.ascontiguousarray(world[:, 4 * n : 4 * n + WIDTH]) for n in range(RATE)]


class MadeCamera:
    """What OpenCV gives for a camera: a picture 25 times a second, for some seconds."""

    def __init__(self, seconds: float) -> None:
        self.left, self.pictures = round(seconds * RATE), pictures()
        self.next = time.monotonic()

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        """The next picture, at its time."""
        if not self.left:
            return False, None
        self.left -= 1
        time.sleep(max(0.0, self.next - time.monotonic()))
        self.next += 1 / RATE
        return True, self.pictures[self.left % RATE]

    def release(self) -> None:
        """Nothing is held."""


def piped(seconds: float) -> Iterator[LiveFrame]:
    """Frames as fast as they are taken."""
    made, start = pictures(), time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        yield LiveFrame(made[number % RATE], number / RATE, time.monotonic())
        number += 1


def filmed(camera: Camera) -> Iterator[LiveFrame]:
    """Frames of the made camera."""
    for picture, arrival in camera.frames():
        yield LiveFrame(picture, arrival, arrival)


def measured(frames: Iterator[LiveFrame]) -> LiveReport:
    """The frames through the model."""
    torch.manual_seed(0)
    model = CycleGAN(CycleGANConfig(width=12, blocks=3))
    options = FilmOptions(work_size=96, has_bars=False)
    return translate_live(model, frames, lambda *_: None, "a2b", film=options, size=(WIDTH, HEIGHT))


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    seconds = parser.parse_args().seconds
    measured(piped(1.0))  # what is loaded and allocated once
    print(f"{WIDTH}x{HEIGHT}, {torch.get_num_threads()} torch threads, load {os.getloadavg()[0]:.1f} before")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    before = time.process_time()
    report = measured(piped(seconds))
    spent = 1000 * (time.process_time() - before) / report.frames
    print(f"pipe:   {report.in_words()}; {spent:.0f} ms of processor time a frame")
    with Camera(0, MadeCamera(seconds)) as camera:
        report = measured(filmed(camera))
        report.dropped = camera.dropped
    print("camera:", report.in_words())


if __name__ == "__main__":
    main()
