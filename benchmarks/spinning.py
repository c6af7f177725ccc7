"""What other programs cost a training step, by how long OpenMP threads spin: `python -m benchmarks.spinning`.

python -m benchmarks.spinning [--spins libgomp 0 1000 10000] [--busy 0 2] [--rounds 3] [--out FILE.json]

After each operation the threads of PyTorch meet. Who comes first spins, by libgomp's own choice for
milliseconds, and takes the core from the one that is waited for when other programs want it too. Each cell is
a process of its own that takes training steps of a CycleGAN (32 channels, 6 blocks, 128 px) on all cores, on
a quiet machine or beside so many programs that never pause; the cells take turns. `libgomp` leaves the choice
to the library, a number is GOMP_SPINCOUNT.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from benchmarks.measure import machine, significant

from reskin.device import choose_compute
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.storage import write_json
from reskin.training.loop import PlainStep
from reskin.types import Batch, Step

STEPS, WARM_UP, LONGEST = 5, 2, 60
"""Steps that are timed, steps before, and seconds after which no further step is begun."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spins", nargs="+", default=["libgomp", "0", "1000", "10000"])
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 2], help="programs that never pause")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)  # a process of a cell
    given = parser.parse_args()
    if given.one:
        print(seconds_of_a_step())
        return
    found: dict[tuple[int, str], list[float]] = {}
    for _ in range(given.rounds):
        for busy in given.busy:
            for spin in given.spins:
                with others(busy):
                    found.setdefault((busy, spin), []).append(in_a_process(spin))
    rows: list[dict[str, Any]] = []
    for (busy, spin), seconds in found.items():
        rows.append({"busy": busy, "spins": spin, "seconds_a_step": significant(statistics.median(seconds))})
        print(f"{busy} busy programs, {spin}: {rows[-1]['seconds_a_step']} s a step", flush=True)
    if given.out:
        write_json(given.out, {"machine": machine(), "rows": rows})


@contextmanager
def others(count: int) -> Iterator[None]:
    """So many programs that never pause, until the block ends."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def in_a_process(spin: str) -> float:
    """Seconds of a step in a process of its own, which spins so long."""
    own = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    chosen = {} if spin == "libgomp" else {"GOMP_SPINCOUNT": spin}
    words = [sys.executable, "-m", "benchmarks.spinning", "--one"]
    return float(subprocess.run(words, env=kept | chosen, check=True, capture_output=True).stdout)


def seconds_of_a_step() -> float:
    """The median over a few steps of a training."""
    torch.manual_seed(0)
    method = CycleGAN(parse(CycleGANConfig, {"width": 32, "blocks": 6}))
    a, b = torch.rand(2, 1, 3, 128, 128) * 2 - 1
    teach, taken = PlainStep(method, choose_compute("cpu")), []
    began = time.perf_counter()
    for _ in range(WARM_UP + STEPS):
        before = time.perf_counter()
        teach(Batch(a, b), Step(1, 1))
        taken.append(time.perf_counter() - before)
        if time.perf_counter() - began > LONGEST:
            break
    return statistics.median(taken[WARM_UP:] or taken)


if __name__ == "__main__":
    main()
