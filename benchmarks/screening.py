"""How many pictures a second of one core's time screening looks at; prints JSON.

python benchmarks/screening.py [--size 256] [--pictures 600]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from reskin.curation.phash import near_pairs
from reskin.curation.screen.measure import measure_file
from reskin.curation.screen.screen import ScreenConfig, screen_set
from reskin.images import write_image
from reskin.worlds.footage import Footage

TARGET = 150


def draw(folder: Path, *, size: int, pictures: int) -> None:
    """JPEG frames of many scenes in both looks; each scene gives a few frames."""
    for look in ("film", "game"):
        footage = Footage(look, seed=3, frames=12 * pictures // 2, size=(size, size))
        for number in range(pictures // 2):
            write_image(folder / f"{look}-{number:06d}.jpg", footage.frame(12 * number).image)


def seconds_of(work) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """CPU seconds (all threads) and wall seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pictures", type=int, default=600)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder, size=options.size, pictures=options.pictures)
        files = sorted(folder.iterdir())
        for file in files[:20]:
            measure_file(file)
        one_by_one, _ = seconds_of(lambda: [measure_file(file) for file in files])
        whole_cpu, whole_wall = seconds_of(lambda: screen_set(folder, ScreenConfig()))
        again_cpu, _ = seconds_of(lambda: screen_set(folder, ScreenConfig(blur=0.05)))
    hashes = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    pairs_cpu, _ = seconds_of(lambda: near_pairs(hashes, 4))
    count = len(files)
    print(
        json.dumps(
            {
                "size_px": options.size,
                "pictures": count,
                "rules_per_core_second": round(count / one_by_one, 1),
                "screening_per_core_second": round(count / whole_cpu, 1),
                "screening_per_second": round(count / whole_wall, 1),
                "rerun_per_core_second": round(count / again_cpu, 1),
                "pairs_of_20000_hashes_seconds": round(pairs_cpu, 3),
                "target_per_core_second": TARGET,
            }
        )
    )


if __name__ == "__main__":
    main()
