"""What measures cost: KID and SWD of 1,000 images at 256 px, and FID's statistics of 10,000 cached features.

python -m benchmarks.measures [--images 1000] [--features 10000] [--threads 2] [--out FILE]

SqueezeNet has random weights: they cost the same as trained ones. Parts take turns, so that what else a
shared machine does falls on all of them alike, and seconds of CPU time are what counts there.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from reskin.evaluation.features import FEATURES_EDGE_PX, FeatureCache, FeatureNetwork
from reskin.evaluation.pictures import square
from reskin.images import Picture, to_tensor
from reskin.metrics.fid import FeatureStatistics
from reskin.metrics.kid import kernel_distance
from reskin.metrics.swd import PatchSet, distance
from reskin.networks.squeezenet import SqueezeNet
from reskin.storage import write_json

EDGE, PART, FID_FEATURES = 256, 50, 2048
"""Edge of the images, images of a turn, numbers in a feature of FID's Inception."""
KID_AND_SWD_SECONDS, STATISTICS_SECONDS = 60.0, 5.0
"""What may pass on two cores."""


class Clock:
    """Adds up seconds of CPU time and of the wall, by part."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    def time(self, part: str, work: Callable[[], object]) -> object:
        """Do something, and note what it took."""
        cpu, wall = time.process_time(), time.perf_counter()
        found = work()
        self.cpu[part] = self.cpu.get(part, 0.0) + time.process_time() - cpu
        self.wall[part] = self.wall.get(part, 0.0) + time.perf_counter() - wall
        return found


def network() -> FeatureNetwork:
    """SqueezeNet with random weights as measures use it."""
    made = SqueezeNet().eval().requires_grad_(False)
    return FeatureNetwork(
        "SqueezeNet", "", "", made, lambda image: square(to_tensor(image), FEATURES_EDGE_PX), FeatureCache()
    )


def drawn(number: int) -> Picture:
    """An image of soft colours with noise."""
    draw = np.random.default_rng(number)
    coarse = draw.integers(0, 200, (16, 16, 3), dtype=np.uint8).repeat(EDGE // 16, 0).repeat(EDGE // 16, 1)
    return coarse + draw.integers(0, 56, coarse.shape, dtype=np.uint8)


def measure(images: int, features: int) -> dict[str, object]:
    """Seconds of each part."""
    clock, net = Clock(), network()
    vectors: dict[str, list[torch.Tensor]] = {"one": [], "other": []}
    patches = {name: PatchSet() for name in vectors}
    statistics, draw = FeatureStatistics(), torch.Generator().manual_seed(0)
    turns = -(-images // PART)
    for turn in range(turns):
        for number, name in enumerate(vectors):
            first = 2 * turn * PART + number * PART
            shown = [drawn(first + index) for index in range(min(PART, images - turn * PART))]
            batch = torch.cat([to_tensor(image) for image in shown])
            vectors[name].append(clock.time("features", lambda shown=shown: net.vectors(shown)))  # type: ignore[arg-type, misc]
            clock.time("patches", lambda name=name, batch=batch: patches[name].add(batch))  # type: ignore[misc]
        known = torch.randn(-(-features // turns), FID_FEATURES, generator=draw)
        clock.time("statistics", lambda known=known: statistics.update(known))  # type: ignore[misc]
    found, wanted = (torch.cat(each) for each in vectors.values())
    clock.time("kid", lambda: kernel_distance(found, wanted))
    clock.time("swd", lambda: distance(patches["one"], patches["other"]))
    clock.time("statistics", statistics.compute)
    rows = {
        name: {"cpu_seconds": round(clock.cpu[name], 2), "wall_seconds": round(clock.wall[name], 2)}
        for name in clock.cpu
    }
    new = sum(clock.cpu.values()) - clock.cpu["statistics"]
    return {
        "images": images,
        "edge_px": EDGE,
        "features": features,
        "threads": torch.get_num_threads(),
        "parts_of_both_sets": rows,
        "kid_and_swd_cpu_seconds": round(new, 2),
        "kid_and_swd_wall_seconds": round(sum(clock.wall.values()) - clock.wall["statistics"], 2),
        "kid_and_swd_two_core_seconds": round(new / 2, 2),
        "kid_and_swd_target_seconds": KID_AND_SWD_SECONDS,
        "statistics_two_core_seconds": round(clock.cpu["statistics"] / 2, 2),
        "statistics_target_seconds": STATISTICS_SECONDS,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--features", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/measures_2cores.json"))
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = measure(given.images, given.features)
    found["command"] = (
        f"python -m benchmarks.measures --images {given.images} --features {given.features} "
        f"--threads {given.threads}"
    )
    found["load"] = round(os.getloadavg()[0], 1)
    found["note"] = (
        "parts in turns; both sets of images are new to the cache; two-core seconds are half of CPU time, "
        "as if both cores were free and used equally well; with a load above the number of cores, wall "
        "seconds say little"
    )
    write_json(given.out, found)
    print(given.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
