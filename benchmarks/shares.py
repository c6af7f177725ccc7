"""Which kinds of work a training step consists of, and how much of its time each takes (torch profiler).

python benchmarks/shares.py [--device cuda] [--side 256] [--batch 1] [--precision bf16] [--out FILE]

On a GPU the time is that of its kernels, elsewhere that of the processor in each operator, calls inside of it
not counted twice. An operator belongs to the kind of the innermost operator around it that has one: what the
gradient of a padding adds up is padding, what a norm computes inside is norm.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from reskin.device import Compute, choose_compute
from reskin.methods.base import Method
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.storage import write_json
from reskin.training.loop import PlainStep
from reskin.types import Batch, Step

KINDS: dict[str, tuple[str, ...]] = {
    "reflection padding": ("reflection_pad", "_mirror"),
    "norm": ("instance_norm", "instancenorm", "batch_norm", "batchnorm"),
    "transposed convolution": ("conv_transpose",),
    "convolution": ("convolution", "conv2d"),
    "layout conversion": ("contiguous", "nchwtonhwc", "nhwctonchw", "tensortransform"),
    "casts": ("_to_copy", "tocopybackward"),
    "optimizer": ("optimizer.", "_fused_adam"),
    "activations": ("relu", "tanh", "clamp_min", "threshold"),
}
"""Kind of work to what its operators and kernels are called, in lower case; the first that fits counts."""
OTHER = "other"
WARM_UP_STEPS = 3
MOST_OPERATORS = 20


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--side", type=int, default=256, help="of the pictures, px")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    arguments = parser.parse_args()
    compute = choose_compute(arguments.device, arguments.precision)
    found = paper_shares(compute, side=arguments.side, batch=arguments.batch)
    print(table(found))
    if arguments.out:
        write_json(arguments.out, found)
        print(f"written: {arguments.out}")


def paper_shares(compute: Compute, *, side: int, batch: int) -> dict[str, Any]:
    """The shares of a step of the paper's CycleGAN."""
    torch.manual_seed(0)
    method = CycleGAN(CycleGANConfig())
    compute.move(method)
    return shares(method, compute, side=side, batch=batch)


def shares(method: Method, compute: Compute, *, side: int, batch: int) -> dict[str, Any]:
    """The shares of one step of `method`, which learns from random pictures.

    Returns:
        `milliseconds` of the step, `kinds` with the share of each from 0 to 1, largest first, and the
        `operators` with the largest shares, on a GPU its kernels.
    """
    a, b = torch.rand(2, batch, 3, side, side, device=compute.device) * 2 - 1
    teach = PlainStep(method, compute)
    for number in range(1, WARM_UP_STEPS + 1):
        teach(Batch(a, b), Step(number, 100))
    is_cuda = compute.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_cuda else [])]
    with profile(activities=activities, record_shapes=True) as recorded:
        teach(Batch(a, b), Step(WARM_UP_STEPS + 1, 100))
        if is_cuda:
            torch.cuda.synchronize()
    events = recorded.events()
    assert events is not None
    return _summed(_of_kernels(events) if is_cuda else _of_operators(events))


def _of_operators(events: Iterable[Any]) -> Iterable[tuple[str, str, float]]:
    """Kind, name and microseconds of each operator, without those inside of it."""
    for event in events:
        yield kind_of(event), event.name, event.self_cpu_time_total


def _of_kernels(events: Iterable[Any]) -> Iterable[tuple[str, str, float]]:
    """Kind, name and microseconds of each kernel of a GPU; those that turn a layout count as that."""
    for event in events:
        for kernel in event.kernels:
            own = _named(kernel.name)
            kind = own if own == "layout conversion" else kind_of(event)
            yield kind, kernel.name, kernel.duration


def kind_of(event: Any) -> str:
    """The kind of the innermost operator around an event, itself included, that has one."""
    while event is not None:
        kind = _named(event.name)
        if kind == "convolution" and _is_transposed(event):
            return "transposed convolution"
        if kind == "convolution" and event.cpu_parent is not None:
            outer = kind_of(event.cpu_parent)  # conv_transpose2d calls convolution
            return outer if outer == "transposed convolution" else kind
        if kind != OTHER:
            return kind
        event = event.cpu_parent
    return OTHER


def _named(name: str) -> str:
    low = name.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in low for part in parts)), OTHER)


def _is_transposed(event: Any) -> bool:
    """Whether the gradient of a convolution is that of a transposed one: its eighth argument says so."""
    arguments = getattr(event, "concrete_inputs", None) or []
    return event.name == "aten::convolution_backward" and len(arguments) > 7 and bool(arguments[7])


def _summed(parts: Iterable[tuple[str, str, float]]) -> dict[str, Any]:
    kinds, operators = defaultdict[str, float](float), defaultdict[str, float](float)
    for kind, name, microseconds in parts:
        kinds[kind] += microseconds
        operators[name] += microseconds
    total = sum(kinds.values())
    return {
        "milliseconds": round(total / 1e3, 3),
        "kinds": _largest(kinds, total),
        "operators": dict(list(_largest(operators, total).items())[:MOST_OPERATORS]),
    }


def _largest(times: dict[str, float], total: float) -> dict[str, float]:
    ordered = sorted(times.items(), key=lambda item: -item[1])
    return {name: round(time / total, 4) for name, time in ordered}


def table(found: dict[str, Any]) -> str:
    """What `shares` gave, for people."""
    lines = [f"{found['milliseconds']:.1f} ms a step"]
    lines += [f"{share:7.1%}  {name}" for name, share in found["kinds"].items()]
    lines += ["", *(f"{share:7.1%}  {name[:100]}" for name, share in found["operators"].items())]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
