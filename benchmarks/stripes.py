"""A large frame whole and in stripes: memory, time and how near the two results are.

python -m benchmarks.stripes [NAME ...] [--size 1024x576] [--threads 2] [--out FILE.json]

Each cell is a process of its own, so that no memory of another is counted. Memory is the peak of the process
less what it held before the first translation; networks are of their full size, with drawn weights.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.measure import forget_peak_memory, machine, peak_memory_megabytes, significant

from reskin.device import choose_compute
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.inference.stripes import striped
from reskin.methods import find
from reskin.methods.styled import Styled
from reskin.parsing import parse
from reskin.storage import write_json

CELLS: dict[str, tuple[str, dict[str, Any]]] = {
    "cyclegan": ("cyclegan", {}),
    "cyclegan nearest, width 24": ("cyclegan", {"upsample": "nearest", "width": 24}),
    "cyclegan U-Net": ("cyclegan_unet", {}),
    "cut": ("cut", {}),
    "attentiongan": ("attentiongan", {}),
    "fast_style": ("fast_style", {}),
    "munit": ("munit", {}),
    "unit": ("unit", {}),
    "ganimorph_lite": ("ganimorph_lite", {}),
    "simgan": ("simgan", {}),
    "grade": ("grade", {}),
}
"""What is measured, by name: a method and settings that are not its defaults."""

RUNS = 3


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CELLS)}; by default all")
    parser.add_argument("--size", default="1024x576", help="of the frame, WIDTHxHEIGHT")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.cell:
        print(json.dumps(_measure(arguments.names[0], arguments.size, arguments.cell, arguments.out)))
        return
    rows = {name: _compare(name, arguments) for name in arguments.names or CELLS}
    if arguments.out:
        write_json(arguments.out, {"machine": machine(), "size": arguments.size, "cells": rows})
        print(f"written: {arguments.out}")


def _compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both ways of one cell, each in its process."""
    found, pictures = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for way in ("whole", "stripes"):
            out = Path(folder, f"{way}.npy")
            command = [sys.executable, "-m", "benchmarks.stripes", name, "--cell", way, "--out", str(out)]
            command += ["--size", arguments.size, "--threads", str(arguments.threads)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[way], pictures[way] = json.loads(said.splitlines()[-1]), np.load(out)
    error = np.mean((pictures["whole"].astype(np.float64) - pictures["stripes"]) ** 2)
    row = found | {
        "memory_share": significant(found["stripes"]["megabytes"] / max(1, found["whole"]["megabytes"])),
        "time_share": significant(found["stripes"]["cpu_seconds"] / found["whole"]["cpu_seconds"]),
        "psnr": significant(10 * np.log10(4 / max(error, 1e-30))),
        "spread_of_values": significant(float(pictures["whole"].std())),
    }
    print(f"{name}: {row}", flush=True)
    return row


def _measure(name: str, size: str, way: str, out: Path) -> dict[str, Any]:
    """One way of one cell, in this process."""
    kind, settings = CELLS[name]
    torch.manual_seed(0)
    method = find(kind)
    model = method(parse(method.Config, settings)).eval()
    _draw(model)
    styles = model.sample_styles(1, seed=0) if isinstance(model, Styled) else None
    engine = Engine(model, model.directions[0], choose_compute("cpu", "fp32"), Rendering(styles))
    width, height = (int(edge) for edge in size.split("x"))
    images = torch.rand(1, 3, height, width) * 2 - 1
    engine.run(images[..., :64, :64])
    forget_peak_memory()
    before, seconds = peak_memory_megabytes(), []
    with striped(model) if way == "stripes" else nullcontext():
        for _ in range(RUNS):
            busy = time.process_time()
            made = engine.run(images)
            seconds.append(time.process_time() - busy)
    np.save(out, made.numpy())
    return {
        "megabytes": peak_memory_megabytes() - before,
        "cpu_seconds": significant(min(seconds)),
        "floats_per_pixel": round((peak_memory_megabytes() - before) * 1e6 / 4 / width / height),
    }


@torch.no_grad()
def _draw(model: torch.nn.Module) -> None:
    """Weights that keep the values of maps near 1: those of a beginning give grey, which proves nothing."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.normal_(0, parameter[0].numel() ** -0.5)
    if hasattr(model, "config") and type(model).__name__ == "FastStyle":  # it gives levels from 0 to 255
        for parameter in list(model.parameters())[-2:]:
            parameter.mul_(40)


if __name__ == "__main__":
    main()
