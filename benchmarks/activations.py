"""What `--checkpoint-activations` saves and costs: peak memory and time of a step of the paper's CycleGAN.

python -m benchmarks.activations [--sides 256 512] [--steps 3] [--precision bf16] [--out FILE]

Each figure is of a process of its own. Memory is the highest that the process held at once, without what it
held before the first step. Time is what a thread computes in a step (CPU time with one thread, the least of
the steps behind the first), so that other work on the machine counts as little as it can.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from benchmarks.measure import machine, peak_memory_megabytes, significant

from reskin.device import choose_compute
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.storage import write_json
from reskin.training.activations import recompute_blocks
from reskin.training.loop import PlainStep
from reskin.types import Batch, Step


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512], help="of the crops, px")
    parser.add_argument("--steps", type=int, default=3, help="that are timed, behind the first")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--width", type=int, default=64, help="of the generators")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--one", choices=("plain", "recomputed"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments, recomputed=arguments.one == "recomputed")))
        return
    found: dict[str, Any] = {"machine": machine(), "precision": arguments.precision, "sides": {}}
    for side in arguments.sides:
        row = {kind: _in_a_process(arguments, side, kind) for kind in ("plain", "recomputed")}
        found["sides"][str(side)] = row | {
            "memory": significant(row["recomputed"]["megabytes"] / row["plain"]["megabytes"]),
            "time": significant(row["recomputed"]["cpu_seconds"] / row["plain"]["cpu_seconds"]),
        }
        print(f"{side} px: {found['sides'][str(side)]}", flush=True)
    if arguments.out:
        write_json(arguments.out, found)
        print(f"written: {arguments.out}")


def _in_a_process(arguments: argparse.Namespace, side: int, kind: str) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.activations", "--one", kind, "--sides", str(side)]
    words += ["--steps", str(arguments.steps), "--precision", arguments.precision]
    words += ["--width", str(arguments.width)]
    alone = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=alone)
    row: dict[str, float] = json.loads(done.stdout)
    return row


def one(arguments: argparse.Namespace, *, recomputed: bool) -> dict[str, float]:
    """Megabytes above what the process held before its first step, and seconds of a step."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    compute = choose_compute("cpu", arguments.precision)
    method = CycleGAN(CycleGANConfig(width=arguments.width))
    compute.move(method)
    if recomputed:
        recompute_blocks(method)
    before = peak_memory_megabytes()
    teach, times = PlainStep(method, compute), []
    a, b = torch.rand(2, 1, 3, arguments.sides[0], arguments.sides[0]) * 2 - 1
    for number in range(arguments.steps + 1):
        begun = time.process_time()
        teach(Batch(a, b), Step(number + 1, 1000))
        times.append(time.process_time() - begun)
    return {
        "megabytes": significant(peak_memory_megabytes() - before),
        "cpu_seconds": significant(min(times[1:])),
    }


if __name__ == "__main__":
    main()
