"""An hour of film with a variable frame rate: nothing drifts, and memory does not grow with the length."""

from __future__ import annotations

import importlib.util
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tests.support.small import tiny
from torch import Tensor

from reskin.device import Compute
from reskin.engine_names import EngineName
from reskin.methods.cyclegan import CycleGAN
from reskin.methods.translator import Translator
from reskin.training.compiling import missing_compiler
from reskin.translation.clips import translate_video
from reskin.translation.film import AS_IT_IS, FilmOptions
from reskin.types import Direction
from reskin.video.reader import VideoReader
from reskin.video.writer import Sound, VideoWriter

pytestmark = pytest.mark.slow

STEPS = (Fraction(1, 30), Fraction(1001, 24000), Fraction(2, 5), Fraction(11, 10), Fraction(17, 50))
"""Times that frames are shown, in seconds; of them a film is put together at random."""


class Negative(Translator):
    """Gives the negative."""

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return -images


def draw(
    path: Path, *, seconds: float, steps: tuple[Fraction, ...] = STEPS, has_sound: bool = True
) -> list[Fraction]:
    """A tiny film with steps drawn from `steps`; the time of each frame, and its end."""
    chance, times = np.random.default_rng(0), [Fraction(0)]
    while times[-1] < seconds:
        times.append(times[-1] + steps[chance.integers(len(steps))])
    tone = np.sin(np.arange(int(8000 * times[-1])) / 20, dtype=np.float32)[:, None]
    rate = Fraction(len(times) - 1) / times[-1]
    sound = Sound(0.3 * tone, 8000) if has_sound else None
    with VideoWriter(path, size=(32, 32), frame_rate=rate, sound=sound) as writer:
        for number, time in enumerate(times[:-1]):
            writer.write(np.full((32, 32, 3), 40 + number % 160, np.uint8), time)
        writer.ends_at(times[-1])
    return times


def length_of(path: Path, kind: str) -> Fraction:
    """When the last packet of the first stream of this kind ends, in seconds."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        ends = [
            (packet.pts + (packet.duration or 0)) * packet.time_base
            for packet in container.demux(stream)
            if packet.pts is not None
        ]
    return max(ends)


def test_an_hour_of_variable_frame_rate_does_not_drift(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    times = draw(source, seconds=3600)
    translate_video(Negative(), source, out, "a2b", film=AS_IT_IS)
    with VideoReader(source) as before, VideoReader(out) as after:
        wanted, made = before.times(), after.times()
    assert len(made) == len(wanted) == len(times) - 1
    frame = min(later - earlier for earlier, later in pairwise(times))
    assert max(abs(one - two) for one, two in zip(made, wanted, strict=True)) < frame
    apart = {path: length_of(path, "video") - length_of(path, "audio") for path in (source, out)}
    assert abs(apart[out] - apart[source]) <= frame


def slope_of_memory(model: Translator, source: Path, compute: Compute) -> float:
    """MB for 1,000 frames by which the process grows while it translates a film, from frame 2,000 on."""
    seen = [(0, 0.0)]

    def note(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        if what == "frames" and done >= seen[-1][0] + 100:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append((done, pages * 4096 / 1e6))

    film = FilmOptions(work_size="full", steady=0.8, has_bars=False)
    out = source.with_name("out.mp4")
    translate_video(model, source, out, "a2b", compute=compute, film=film, report=note, batch=4)
    frames, megabytes = np.array([pair for pair in seen if pair[0] >= 2000]).T
    assert len(frames) > 30
    return 1000 * float(np.polyfit(frames, megabytes, 1)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    draw(source, seconds=320, steps=(Fraction(1, 25),), has_sound=False)
    assert slope_of_memory(Negative(), source, Compute(torch.device("cpu"), "fp32")) < 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses what torch deprecates
@pytest.mark.parametrize("engine", ["torch", "openvino", "onnxruntime", "compile"])
def test_memory_does_not_grow_with_any_engine(tmp_path: Path, engine: EngineName) -> None:
    """`make bench-memory` does the same with frames of 1920x1080."""
    if engine not in ("torch", "compile") and importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    if engine == "compile" and missing_compiler(torch.device("cpu")):
        pytest.skip("there is no C++ compiler")
    source = tmp_path / "in.mp4"
    draw(source, seconds=240, steps=(Fraction(1, 25),), has_sound=False)
    compute = Compute(torch.device("cpu"), "fp32", engine=engine)
    model = tiny(CycleGAN)
    assert slope_of_memory(model, source, compute) < 1.0
