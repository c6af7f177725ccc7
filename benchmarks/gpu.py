"""What a GPU does with this package: the bench, then a short training on a folder: `make gpu FOLDER=...`.

python benchmarks/gpu.py [FOLDER] [--steps 300] [--no-compile] [--profile] [--out build/gpu]

With `--profile` there is also the share that each kind of kernel has of a step (`benchmarks/shares.py`), as a
table and in figures.json. FOLDER is in the layout trainA, trainB. Without it there is the bench alone.
`--out` gets figures.json and the run folder of the training, which is begun anew.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from bench import bench
from measure import forget_peak_memory, peak_memory_megabytes, significant, wait
from shares import paper_shares, table

from networks import paper_case
from reskin.data.batches import open_batches
from reskin.data.sampling import Sampling
from reskin.device import Compute, choose_compute
from reskin.evaluation.evaluate import evaluate
from reskin.runs.load import load
from reskin.runs.settings import sort_settings
from reskin.storage import read_lines, write_json
from reskin.training.graph import GraphedStep
from reskin.training.loop import PlainStep, seed_step
from reskin.training.start import build, train_run
from reskin.types import Step

BATCHES = (1, 4, 8)
TIMED_STEPS = 20


def main() -> None:
    """Measure, train, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="pictures in the layout trainA, trainB")
    parser.add_argument("--steps", type=int, default=300, help="length of the training")
    parser.add_argument(
        "--no-compile", action="store_true", help="leave out torch.compile, which takes minutes"
    )
    parser.add_argument("--profile", action="store_true", help="say what a step's time goes to")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"))
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device here: `make bench` measures the processor")
    compute = choose_compute("cuda", "bf16")
    cases = [paper_case(f"256x{batch}") for batch in (1, 8)]
    figures: dict[str, Any] = {"bench": bench(cases, [256, 512], has_compile=False, has_video=False)}
    if arguments.profile:
        figures["shares"] = profile_figures(compute)
    if arguments.folder:
        data = {"a": arguments.folder, "b": arguments.folder, "device": "cuda", "precision": "bf16"}
        figures["steps_on_the_folder"] = {
            f"batch {batch}": step_figures(
                data | {"batch": batch}, compute, arguments.out, arguments.no_compile
            )
            for batch in BATCHES
        }
        figures["training"] = training_figures(data, arguments.steps, arguments.out / "run")
    write_json(arguments.out / "figures.json", figures)
    print(f"written: {arguments.out / 'figures.json'}")


def profile_figures(compute: Compute) -> dict[str, Any]:
    """What the time of a step at 256 px goes to, by batch."""
    found = {}
    for batch in BATCHES:
        found[f"batch {batch}"] = paper_shares(compute, side=256, batch=batch)
        print(f"batch {batch}: {table(found[f'batch {batch}'])}", flush=True)
    return found


def step_figures(data: dict[str, Any], compute: Compute, out: Path, no_compile: bool) -> dict[str, Any]:
    """Seconds a step on real batches, loading included: plain, as a CUDA graph, compiled, and both."""
    rows: dict[str, Any] = {}
    for compiled in (False,) if no_compile else (False, True):
        torch._dynamo.reset()
        settings = sort_settings("cyclegan", data | {"compile": compiled})
        batches = open_batches(
            settings.data,
            Sampling(batch=settings.train.batch),
            device=compute.device,
            cache_folder=out / "cache",
        )
        for kind in (PlainStep, GraphedStep):
            teach, times = kind(build(settings, compute), compute), []
            forget_peak_memory()
            began = time.perf_counter()
            for step in range(1, 6):
                seed_step(0, step, 0)
                teach(batches.at(step), Step(step, 5 + TIMED_STEPS))
            wait()
            first = time.perf_counter() - began
            for step in range(6, 6 + TIMED_STEPS):
                began = time.perf_counter()
                seed_step(0, step, 0)
                teach(batches.at(step), Step(step, 5 + TIMED_STEPS))
                wait()
                times.append(time.perf_counter() - began)
            name = ("compiled" if compiled else "plain") + (" graph" if kind is GraphedStep else "")
            rows[name] = {
                "seconds": significant(statistics.median(times)),
                "first_five_seconds": significant(first),
                "peak_memory_megabytes": peak_memory_megabytes(),
            }
            print(f"batch {settings.train.batch} {name}: {rows[name]}", flush=True)
    return rows


def training_figures(data: dict[str, Any], steps: int, run: Path) -> dict[str, Any]:
    """A real run with a CUDA graph: its time, first and last losses, and distances between the sets."""
    shutil.rmtree(run, ignore_errors=True)
    began = time.perf_counter()
    train_run("cyclegan", out=run, **data, batch=4, steps=steps, cuda_graph=True, ema=0.999, log_every=10)
    seconds = time.perf_counter() - began
    rows = read_lines(run / "losses.jsonl")
    scores = evaluate(load(run, device="cuda"), a=data["a"], b=data["b"], metrics=["swd"], max_images=50)
    figures = {
        "steps": steps,
        "batch": 4,
        "seconds": significant(seconds),
        "losses_first": rows[0]["losses"],
        "losses_last": rows[-1]["losses"],
        "swd": {name: round(score.value, 2) for name, score in scores.items()},
    }
    print(figures, flush=True)
    return figures


if __name__ == "__main__":
    main()
