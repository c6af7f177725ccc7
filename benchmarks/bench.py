"""How fast this machine trains and translates, and what share of its measured peak that is: `make bench`.

python benchmarks/bench.py [--quick] [--train 256 128 256x4] [--translate 256 512] [--out FILE.json]

The peak (a convolution) and the work are timed in turns in one process, so that both meet the same
disturbance. On a busy machine give `--threads 1`: threads that wait for each other there measure the waiting.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from files import measure_data, measure_video
from measure import machine

from networks import Case, demo_case, measure_step, measure_translation, measure_variants, paper_case
from reskin.device import choose_compute, computes_bf16
from reskin.storage import write_json


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the demo's setting alone, under a minute")
    parser.add_argument(
        "--train", nargs="*", default=["256", "128"], help="SIDE or SIDExBATCH, 9 blocks each"
    )
    parser.add_argument("--translate", nargs="*", type=int, default=[256, 512], help="sides of the pictures")
    parser.add_argument("--no-compile", action="store_true", help="on a GPU: leave out torch.compile")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="of the processor; by default all cores")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    results = bench(
        [demo_case()] if arguments.quick else [*map(paper_case, arguments.train), demo_case()],
        [] if arguments.quick else arguments.translate,
        device=arguments.device,
        has_compile=not (arguments.quick or arguments.no_compile),
        has_video=not arguments.quick,
    )
    if arguments.out:
        write_json(arguments.out, results)
        print(f"written: {arguments.out}")


def bench(
    cases: list[Case],
    sides: list[int],
    *,
    device: str = "auto",
    has_compile: bool = True,
    has_video: bool = True,
) -> dict[str, Any]:
    """All measurements, each printed when it is done.

    Args:
        cases: trainings.
        sides: of pictures to translate, px.
        device: as --device everywhere.
        has_compile: on a GPU, measure compiled networks too, which takes minutes.
        has_video: measure the video pipeline.
    """
    began = time.perf_counter()
    compute = choose_compute(device)
    results: dict[str, Any] = {
        "machine": machine(),
        "bf16_in_hardware": computes_bf16(compute.device),
        "peak": "convolution 3x3, 256 to 256 channels, 64x64 px, timed in turns with the work",
        "training": {},
        "translation": {},
    }
    print(", ".join(f"{key} {value}" for key, value in results["machine"].items()))
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            row = measure_step(case, compute)
            least = min(step["seconds"] for step in row["steps"].values())
            row["data"] = measure_data(case, compute, Path(folder) / case.name, least)
            if compute.device.type == "cuda":
                row["variants_bf16"] = measure_variants(case, compute, has_compile=has_compile)
            results["training"][case.name] = row
            say_step(case, row)
        for side in sides:
            results["translation"][f"{side}px"] = row = measure_translation(side, compute)
            say(f"translate {side} px", row["pictures"], row["bf16_times_faster"])
        if has_video:
            results["video"] = measure_video(Path(folder))
            print("video", results["video"], flush=True)
    results["load_average_after"] = [round(load, 2) for load in os.getloadavg()]
    results["seconds"] = round(time.perf_counter() - began, 1)
    print(f"{results['seconds']} s in all, load {results['load_average_after'][0]}")
    return results


def say_step(case: Case, row: dict[str, Any]) -> None:
    """The lines of one training."""
    say(f"train {case.name} ({row['gflops_per_step']} GFLOP)", row["steps"], row["bf16_times_faster"])
    data = row["data"]
    milliseconds = data["batch_seconds_per_step"] * 1e3
    print(f"  batch made in {milliseconds:.2f} ms, {data['share_of_step']:.2%} of the step")
    for name, variant in row.get("variants_bf16", {}).items():
        print(f"  {name:<15}{variant['seconds'] * 1e3:8.2f} ms, {variant['peak_memory_megabytes']} MB")


def say(title: str, rows: dict[str, Any], times_faster: float) -> None:
    """One line for each precision."""
    print(f"{title}: bf16 {times_faster} times faster", flush=True)
    for precision, row in rows.items():
        memory = f", {row['peak_memory_megabytes']} MB" if "peak_memory_megabytes" in row else ""
        print(
            f"  {precision}: {row['seconds']:.4g} s (cpu {row['cpu_seconds']:.4g} s), "
            f"{row['gflops_per_second']:.0f} GFLOP/s, {row['share_of_peak']:.0%} of the peak "
            f"(at best {row['share_of_peak_at_best']:.0%} of {row['peak_gflops_per_second']:.0f}){memory}, "
            f"others {row['cores_used_by_others']} cores",
            flush=True,
        )


if __name__ == "__main__":
    main()
