"""How many times faster than plain PyTorch this machine trains and translates: `make bench-ratios`.

python -m benchmarks.ratios [--train 256 128] [--translate 512x512 1280x720] [--rounds 3] [--compiled]
                            [--out FILE.json]

The reference is benchmarks/reference/cyclegan.py: the paper's networks and losses, eager, float32. It and
reskin take turns in one process, with the same sizes, and the ratio is that of the medians. Training takes
one picture of each domain a step; with `--compiled` reskin's networks are compiled too, as `reskin train
--compile on` does it, in minutes that are not counted. Engines that are not installed are left out, and so is
bf16 where this processor has no arithmetic for it. The most operations a second that a convolution reaches
here, in each precision, stand beside: no ratio goes far beyond that of the two.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from benchmarks.measure import Cell, Sample, convolution_peak, interleave, machine, significant
from benchmarks.reference.cyclegan import Training, generator
from torch import Tensor

from reskin.device import Compute, choose_compute, computes_bf16
from reskin.engine_names import EngineName
from reskin.errors import ReskinError
from reskin.inference.engine import Engine
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.storage import write_json
from reskin.training.loop import PlainStep
from reskin.types import Batch, Step

REFERENCE = "reference fp32"
ENGINES: tuple[EngineName, ...] = ("torch", "openvino", "onnxruntime")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", nargs="*", type=int, default=[256, 128], help="sides, px")
    parser.add_argument("--translate", nargs="*", default=["512x512", "1280x720"], help="WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of the processor; by default all cores")
    parser.add_argument("--compiled", action="store_true", help="training steps of compiled networks too")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    compute = replace(choose_compute("cpu"), precision="fp32")
    results: dict[str, Any] = {"machine": machine(), "training": {}, "translation": {}}
    results["convolution_gflops_per_second"] = peaks(compute)
    for side in given.train:
        cells = training_cells(side, compute, are_compiled=given.compiled)
        results["training"][f"{side}x{side}"] = said(f"training {side}x{side}", cells, given.rounds)
    for text in given.translate:
        width, height = (int(part) for part in text.split("x"))
        cells = translation_cells(width, height, compute)
        results["translation"][text] = said(f"translation {text}", cells, given.rounds)
    if given.out:
        write_json(given.out, results)
        print(f"written: {given.out}")


def precisions(compute: Compute) -> list[Compute]:
    """fp32, and bf16 where the processor computes in it."""
    faster = [replace(compute, precision="bf16")] if computes_bf16(compute.device) else []
    return [compute, *faster]


def peaks(compute: Compute) -> dict[str, float]:
    """Operations a second of a large convolution in each precision, 10^9."""
    cells = {one.precision: convolution_peak(one.device, one.precision) for one in precisions(compute)}
    for cell in cells.values():
        cell.work()
    samples = interleave(cells, 5)
    found = {
        name: significant(cell.flops / min(each.seconds for each in samples[name]) / 1e9)
        for name, cell in cells.items()
    }
    print(f"a convolution: {found} GFLOP/s", flush=True)
    return found


def training_cells(
    side: int, compute: Compute, *, are_compiled: bool = False
) -> dict[str, Callable[[], object]]:
    """A step of the reference, and reskin's in each precision, as it is and with compiled networks."""
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 3, side, side) * 2 - 1
    reference = Training()
    cells: dict[str, Callable[[], object]] = {REFERENCE: lambda: reference.step(a, b)}
    for one in precisions(compute):
        for kind in ("", ", compiled") if are_compiled else ("",):
            method = CycleGAN(parse(CycleGANConfig, {}))
            for network in method.children():
                if kind and next(network.parameters(), None) is not None:
                    network.compile()
            teach = PlainStep(method, one)
            cells[f"reskin {one.precision}{kind}"] = lambda teach=teach: teach(Batch(a, b), Step(1, 1))  # type: ignore[misc]
    return cells


def translation_cells(width: int, height: int, compute: Compute) -> dict[str, Callable[[], object]]:
    """A picture through the reference's generator, and through reskin's with each engine."""
    torch.manual_seed(0)
    picture = torch.rand(1, 3, height, width) * 2 - 1
    reference = generator().eval()

    @torch.no_grad()
    def translate() -> Tensor:
        return reference(picture)

    cells: dict[str, Callable[[], object]] = {REFERENCE: translate}
    for one in precisions(compute):
        for name in ENGINES:
            model = CycleGAN(parse(CycleGANConfig, {})).eval()
            try:
                engine = Engine(model, "a2b", replace(one, engine=name))
                engine.run(picture)
            except ReskinError as error:
                print(f"{name} {one.precision} is left out: {error}")
                continue
            cells[f"reskin {engine.used.in_words()}"] = lambda engine=engine: engine.run(picture)  # type: ignore[misc]
    return cells


def said(title: str, cells: dict[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    """Time the cells in turns, print a line for each; seconds and ratios."""
    for work in cells.values():
        work()  # the first call allocates, converts and chooses algorithms
    samples = interleave({name: Cell(work) for name, work in cells.items()}, rounds)
    rows = {name: row(samples[name], samples[REFERENCE]) for name in cells}
    print(title, flush=True)
    for name, values in rows.items():
        print(f"  {name}: {values['seconds']:.4g} s, {values['times_faster']} times as fast", flush=True)
    return rows


def row(samples: list[Sample], reference: list[Sample]) -> dict[str, Any]:
    """Medians, and the ratio of the reference's to these, by the clock and by processor time."""

    def median(of: list[Sample], name: str) -> float:
        return statistics.median(getattr(sample, name) for sample in of)

    others = [sample.others for sample in samples if sample.others is not None]
    return {
        "seconds": significant(median(samples, "seconds")),
        "times_faster": round(median(reference, "seconds") / median(samples, "seconds"), 2),
        "times_faster_by_cpu_time": round(
            median(reference, "cpu_seconds") / median(samples, "cpu_seconds"), 2
        ),
        "cores_used_by_others": round(statistics.median(others), 2) if others else None,
    }


if __name__ == "__main__":
    main()
