"""Seconds of neural style (Gatys) on this machine, and what share of its measured peak that is.

python benchmarks/styles.py [--side 256] [--steps 300] [--threads 1] [--device cpu] [--out FILE.json]

The network is VGG-19 at its full width with drawn weights: they take as long as real ones. The peak (a
convolution) and the work are timed in turns in one process.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from measure import (
    Cell,
    convolution_peak,
    forget_peak_memory,
    interleave,
    machine,
    peak_memory_megabytes,
    with_speed,
)

from networks import count_flops
from reskin.device import Compute, choose_compute
from reskin.methods.gatys import Gatys, GatysConfig, read_features
from reskin.storage import write_json

WIDTHS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
"""Channels of VGG-19, block by block."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="of the picture, px")
    parser.add_argument("--steps", type=int, default=300, help="evaluations of loss and gradient")
    parser.add_argument("--rounds", type=int, default=1, help="pictures that are made")
    parser.add_argument("--threads", type=int, help="of the processor; by default all cores")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    compute = choose_compute(arguments.device, "fp32")
    row = measure_gatys(compute, arguments.side, arguments.steps, arguments.rounds)
    print(
        f"gatys {arguments.side}x{arguments.side}, {arguments.steps} evaluations: {row['seconds']} s,"
        f" {row['gflops_per_second']} gflop/s, {100 * row['share_of_peak']:.0f} % of the peak"
    )
    if arguments.out:
        write_json(arguments.out, {"machine": machine(), "gatys": row})
        print(f"written: {arguments.out}")


def measure_gatys(compute: Compute, side: int, steps: int, rounds: int) -> dict[str, Any]:
    """One picture from start to end with the default layers, beside the convolution peak in fp32."""
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    content, style = images.to(compute.device).split(1)
    with tempfile.TemporaryDirectory() as folder:
        weights = write_drawn_vgg19(Path(folder))

        def model(count: int) -> Gatys:
            config = GatysConfig(size=side, steps=count)
            made = Gatys(config, read_features(weights, config), [style])
            compute.move(made)
            return made

        once, twice, gatys = model(1), model(2), model(steps)
    one, two = count_flops(lambda: once.stylise(content)), count_flops(lambda: twice.stylise(content))
    peak = convolution_peak(compute.device, "fp32")
    forget_peak_memory()
    cells = {"peak": peak, "gatys": Cell(lambda: gatys.stylise(content), one + (two - one) * (steps - 1))}
    samples = interleave(cells, rounds)
    memory = peak_memory_megabytes()
    return {
        "side": side,
        "evaluations": steps,
        "gflops_per_evaluation": round((two - one) / 1e9, 1),
        "peak_memory_megabytes": memory,
        **with_speed(cells["gatys"], samples["gatys"], peak, samples["peak"]),
    }


def write_drawn_vgg19(folder: Path) -> Path:
    """A file in torchvision's layout whose weights are drawn so that features keep their size."""
    torch.manual_seed(0)
    state, channels, index = {}, 3, 0
    for block in WIDTHS:
        for width in block:
            spread = (2 / (9 * channels)) ** 0.5
            state[f"features.{index}.weight"] = torch.randn(width, channels, 3, 3) * spread
            state[f"features.{index}.bias"] = torch.zeros(width)
            channels, index = width, index + 2
        index += 1  # the pool
    torch.save(state, folder / "vgg19.pth")
    return folder / "vgg19.pth"


if __name__ == "__main__":
    main()
