"""How long a manifest of 100,000 pictures takes to open and to write; prints JSON.

python benchmarks/manifest.py [--rows 100000] [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from reskin.data.manifest import MANIFEST_NAME, FrameRecord, Manifest, Origin, read_manifest, write_manifest


def drawn_manifest(rows: int) -> Manifest:
    """A manifest as screening leaves it: times, shots, five scores a picture, every ninth left out."""
    frames = [
        FrameRecord(
            file=f"train/episode-{i % 8}-{i:06d}.png",
            source=i % 8,
            index=i,
            time=f"{i * 1001}/30000",
            seconds=i * 1001 / 30000,
            shot=i // 40,
            scores={"blur": i * 0.37 % 9, "light": i * 0.11 % 1, "bars": 0.0, "text": 0.02, "size": 1.0},
            left_out=("near duplicate",) if i % 9 == 0 else None,
        )
        for i in range(rows)
    ]
    sources = [Origin(name=f"episode-{i}.mkv", sha256="0" * 64, size_bytes=10**9) for i in range(8)]
    return Manifest(reskin="0", settings={"every": 100}, sources=sources, frames=frames, damaged=[])


def cpu_seconds(act: Callable[[], object], repeats: int) -> float:
    """The least CPU time of several tries."""
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        act()
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    manifest = drawn_manifest(arguments.rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write = cpu_seconds(lambda: write_manifest(folder, manifest), 1)
        read = cpu_seconds(lambda: read_manifest(folder), arguments.repeats)
        size = (folder / MANIFEST_NAME).stat().st_size
    found = {"rows": arguments.rows, "read_cpu_seconds": round(read, 3), "write_cpu_seconds": round(write, 3)}
    print(json.dumps({**found, "megabytes": round(size / 1e6, 1), "goal_read_cpu_seconds": 1.0}, indent=2))


if __name__ == "__main__":
    main()
