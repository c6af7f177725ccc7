"""What reading and writing cost beside the networks: pictures for training, and video around translation."""

from __future__ import annotations

import importlib.util
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import Cell, interleave, significant, summary
from PIL import Image

from networks import Case
from reskin.data.batches import open_batches
from reskin.data.preprocess import DataConfig
from reskin.data.sampling import Sampling
from reskin.device import Compute
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.types import Direction

PICTURES = 24
VIDEO_SIZE = (640, 360)
VIDEO_FRAMES = 48


def measure_data(case: Case, compute: Compute, folder: Path, step_seconds: float) -> dict[str, Any]:
    """Decoding a picture once, and making the batch of a step, as a share of that step.

    Args:
        case: whose size and batch are used.
        compute: where batches are put.
        folder: an empty folder for drawn pictures.
        step_seconds: of the fastest step that was measured.
    """
    load = round(case.side * 1.117)  # 286 for 256, as in the paper
    chance = np.random.default_rng(0)
    for side in ("trainA", "trainB"):
        (folder / side).mkdir(parents=True)
        for number in range(PICTURES):
            coarse = Image.fromarray(chance.integers(0, 256, (load // 8, load // 8, 3), dtype=np.uint8))
            coarse.resize((load + 34, load + 14), Image.Resampling.BICUBIC).save(
                folder / side / f"{number}.jpg"
            )
    config = DataConfig(a=folder, b=folder, load_size=load, crop_size=case.side)
    began = time.perf_counter()
    batches = open_batches(
        config,
        Sampling(batch=case.batch),
        device=compute.device,
        cache_folder=folder / "cache",
    )
    decoding = (time.perf_counter() - began) / (2 * PICTURES)
    times = []
    for step in range(1, 41):
        began = time.perf_counter()
        batches.at(step)
        times.append(time.perf_counter() - began)
    seconds = statistics.median(times)
    return {
        "decode_seconds_per_picture": significant(decoding),
        "batch_seconds_per_step": significant(seconds),
        "share_of_step": round(seconds / step_seconds, 5),
        "note": "pictures are decoded once, before the first step",
    }


class Sleeper(Translator):
    """Gives the frames back as they are after a while; stands for a model on another device.

    Args:
        seconds: the while, 0 for none.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def translate(self, images: torch.Tensor, direction: Direction) -> torch.Tensor:
        time.sleep(self.seconds)
        return images


def measure_video(folder: Path, rounds: int = 4) -> dict[str, Any]:
    """Frames per second of read, translate, write: one after the other, and all at once."""
    missing = [name for name in ("av", "cv2") if importlib.util.find_spec(name) is None]
    if missing:
        return {"left_out": f"not installed here: {', '.join(missing)}"}
    from reskin.worlds.film import write_footage
    from reskin.worlds.footage import Footage

    source = folder / "source.mp4"
    write_footage(source, Footage("film", seed=1, frames=VIDEO_FRAMES, size=VIDEO_SIZE))
    rows: dict[str, Any] = {"size": list(VIDEO_SIZE), "frames": VIDEO_FRAMES}
    for name, seconds in (("identity", 0.0), ("stand_in_10_ms", 0.01)):
        rows[name] = _serial_and_overlapped(source, folder, Sleeper(seconds), rounds)
    return rows


def _serial_and_overlapped(source: Path, folder: Path, model: Translator, rounds: int) -> dict[str, Any]:
    from reskin.translation.clips import translate_video
    from reskin.translation.film import AS_IT_IS
    from reskin.video.reader import VideoReader
    from reskin.video.writer import VideoWriter

    where = Compute(torch.device("cpu"), "fp32")

    def serial() -> None:
        engine = Engine(model, "a2b", where)
        with VideoReader(source) as reader:
            info, out = reader.info, folder / "serial.mp4"
            size = (info.width, info.height)
            with VideoWriter(out, size=size, frame_rate=info.frame_rate, source=source) as writer:
                for frame in reader:
                    writer.write(engine.translate(frame.image[None])[0], frame.time)

    def overlapped() -> None:
        target = folder / "overlapped.mp4"
        translate_video(model, source, target, "a2b", compute=where, film=AS_IT_IS, overwrite=True)

    serial()
    samples = interleave({"serial": Cell(serial), "overlapped": Cell(overlapped)}, rounds)
    rows = {}
    for name, taken in samples.items():
        row = summary(taken)
        rows[name] = {
            "frames_per_second": round(VIDEO_FRAMES / row["seconds"], 1),
            "cpu_milliseconds_per_frame": round(1000 * row["cpu_seconds"] / VIDEO_FRAMES, 2),
            "cores_used_by_others": row["cores_used_by_others"],
        }
    pairs = zip(samples["serial"], samples["overlapped"], strict=True)
    return rows | {
        "overlapped_times_faster": round(statistics.median(a.seconds / b.seconds for a, b in pairs), 2)
    }
