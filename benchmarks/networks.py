"""Seconds of a training step and of a translated picture, and the share of the peak that they reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from measure import (
    Cell,
    convolution_peak,
    forget_peak_memory,
    interleave,
    peak_memory_megabytes,
    summary,
    with_speed,
)
from torch.utils.flop_counter import FlopCounterMode

from reskin.device import Compute
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.training.graph import GraphedStep
from reskin.training.loop import PlainStep
from reskin.types import Batch, Step
from reskin.workflows.make import choose_settings

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Case:
    """A training that is measured.

    Attributes:
        name: in the results.
        side: of the pictures, px.
        batch: pictures of each side in a step.
        settings: of the method; what is absent is the paper's.
        rounds: samples of each kind.
    """

    name: str
    side: int
    batch: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    rounds: int = 4


def paper_case(text: str) -> Case:
    """The paper's networks at `SIDE` or `SIDExBATCH`.

    >>> paper_case("128x4").name
    '128px_9blocks_batch4'
    """
    side, batch = (int(part) for part in [*text.split("x"), "1"][:2])
    return Case(f"{side}px_9blocks_batch{batch}", side, batch, rounds=4 if side >= 256 else 6)


def demo_case() -> Case:
    """What `reskin demo` trains on a CPU."""
    train = choose_settings("cyclegan", 96, is_gpu=False)
    settings = {name: value for name, value in train.items() if name in CycleGANConfig.model_fields}
    return Case("demo", train["crop_size"], train["batch"], settings, rounds=12)


def made(case: Case, compute: Compute) -> CycleGAN:
    """The networks of a case on their device."""
    torch.manual_seed(0)
    method = CycleGAN(parse(CycleGANConfig, case.settings))
    compute.move(method)
    return method


def noise(case: Case, device: torch.device) -> Batch:
    """Random pictures: they take as long as any other."""
    shape = (2, case.batch, 3, case.side, case.side)
    a, b = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch(a.to(device), b.to(device))


def count_flops(work: Callable[[], object]) -> int:
    """Floating point operations of the convolutions, two for each multiply-add; does the work once."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def measure_step(case: Case, compute: Compute) -> dict[str, Any]:
    """Plain steps in fp32 and bf16 beside the convolution peak of each."""
    method, batch = made(case, compute), noise(case, compute.device)
    cells, memory = {}, {}
    for precision in PRECISIONS:
        teach = PlainStep(method, replace(compute, precision=precision))
        forget_peak_memory()
        flops = count_flops(lambda teach=teach: teach(batch, Step(1, 1)))  # type: ignore[misc]
        teach(batch, Step(1, 1))
        memory[precision] = peak_memory_megabytes()
        cells[f"peak {precision}"] = convolution_peak(compute.device, precision)
        repeats = 10 if compute.device.type == "cuda" else 1
        cells[precision] = Cell(lambda teach=teach: teach(batch, Step(1, 1)), flops, repeats)  # type: ignore[misc]
    samples = interleave(cells, case.rounds)
    rows = {
        name: with_speed(cells[name], samples[name], cells[f"peak {name}"], samples[f"peak {name}"])
        | {"peak_memory_megabytes": memory[name]}
        for name in PRECISIONS
    }
    return {
        "side": case.side,
        "batch": case.batch,
        "settings": case.settings,
        "gflops_per_step": round(cells["fp32"].flops / 1e9, 1),
        "steps": rows,
        **_ratios(samples),
    }


def _ratios(samples: dict[str, list[Any]]) -> dict[str, float]:
    """How many times faster bf16 is than fp32, round by round."""
    pairs = list(zip(samples["fp32"], samples["bf16"], strict=True))
    return {
        "bf16_times_faster": round(statistics.median(a.seconds / b.seconds for a, b in pairs), 2),
        "bf16_times_faster_at_best": round(
            min(a.seconds for a, _ in pairs) / min(b.seconds for _, b in pairs), 2
        ),
        "bf16_times_faster_by_cpu_time": round(
            statistics.median(a.cpu_seconds / b.cpu_seconds for a, b in pairs), 2
        ),
    }


def measure_variants(case: Case, compute: Compute, *, has_compile: bool) -> dict[str, Any]:
    """bf16 steps on a GPU: plain, as a CUDA graph, compiled, and both."""
    rows: dict[str, Any] = {}
    where, batch = replace(compute, precision="bf16"), noise(case, compute.device)
    for compiled in (False, True) if has_compile else (False,):
        torch._dynamo.reset()
        for kind in (PlainStep, GraphedStep):
            method = made(case, where)
            if compiled:
                for network in method.children():
                    if any(True for _ in network.parameters()):
                        network.compile()
            teach = kind(method, where)
            forget_peak_memory()
            for _ in range(4):
                teach(batch, Step(1, 1))
            cell = Cell(lambda teach=teach: teach(batch, Step(1, 1)), repeats=10)  # type: ignore[misc]
            name = ("compiled" if compiled else "plain") + (" graph" if kind is GraphedStep else "")
            rows[name] = summary(interleave({name: cell}, case.rounds)[name])
            rows[name]["peak_memory_megabytes"] = peak_memory_megabytes()
    return rows


@torch.inference_mode()
def measure_translation(side: int, compute: Compute, rounds: int = 6) -> dict[str, Any]:
    """One picture through the paper's generator, and how far bf16 is from fp32."""
    case = Case("translation", side)
    method, images = made(case, compute).eval(), noise(case, compute.device).a
    cells, shown = {}, {}
    for precision in PRECISIONS:
        where = replace(compute, precision=precision)

        def translate(where: Compute = where) -> torch.Tensor:
            with where.autocast():
                return method.translate(images, "a2b")

        flops = count_flops(translate)
        shown[precision] = translate().float()
        cells[f"peak {precision}"] = convolution_peak(compute.device, precision)
        cells[precision] = Cell(translate, flops, 10 if compute.device.type == "cuda" else 1)
    samples = interleave(cells, rounds)
    rows = {
        name: with_speed(cells[name], samples[name], cells[f"peak {name}"], samples[f"peak {name}"])
        for name in PRECISIONS
    }
    apart = (shown["bf16"] - shown["fp32"]).abs() * 127.5
    return {
        "side": side,
        "gflops_per_picture": round(cells["fp32"].flops / 1e9, 1),
        "pictures": rows,
        **_ratios(samples),
        "bf16_levels_apart": {
            "mean": round(float(apart.mean()), 2),
            "max": round(float(apart.max()), 2),
            "note": "of 255, networks that have not learned",
        },
    }
