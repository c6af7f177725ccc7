"""What a run will take, from a few real steps that are thrown away."""

from __future__ import annotations

import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from reskin.data.batches import Batches
from reskin.device import Compute
from reskin.methods.base import Method
from reskin.networks.image_pool import ImagePool
from reskin.training.graph import GraphedStep
from reskin.training.loop import PlainStep, seed_step
from reskin.types import Step

TIMED_STEPS = 16
TIMED_SECONDS = 10.0


@dataclass(frozen=True)
class Estimate:
    """Cost of a run.

    Attributes:
        seconds_a_step: median of the timed steps.
        memory_bytes: highest use while they ran, of the GPU where there is one; 0 where it is not known.
        checkpoint_bytes: size of one checkpoint.
    """

    seconds_a_step: float
    memory_bytes: int
    checkpoint_bytes: int


def estimate(
    method: Method, batches: Batches, compute: Compute, *, steps: int, graphed: bool = False
) -> Estimate:
    """Time a few steps of `method`, which learns from them: build it anew afterwards.

    Args:
        method: on its device.
        batches: what it would learn from.
        compute: device and precision.
        steps: length of the run, as far as it is known.
        graphed: whether the step is replayed as a CUDA graph.
    """
    _forget_peak(compute)
    times: list[float] = []
    for seconds in timed_steps(method, batches, compute, steps=steps, count=TIMED_STEPS + 1, graphed=graphed):
        times.append(seconds)
        if sum(times) > TIMED_SECONDS and len(times) > 2:
            break
    weights = sum(p.numel() * p.element_size() for p in method.parameters())
    seconds = statistics.median(times[1:])  # the first step pays for what later ones reuse
    # Adam keeps two moments of every weight; the pools are small beside that but for tiny networks.
    first = batches.at(1).a[0]
    pools = sum(m.size for m in method.modules() if isinstance(m, ImagePool)) * first.numel() * 4
    return Estimate(seconds, _memory(compute), 3 * weights + pools)


def timed_steps(
    method: Method, batches: Batches, compute: Compute, *, steps: int, count: int, graphed: bool
) -> Iterator[float]:
    """The seconds of each of `count` steps, that of fetching its batch included; see `estimate`.

    The first one pays for what later ones reuse. They are from the middle of the run, since a method may
    begin with steps of another kind.
    """
    take_step = GraphedStep(method, compute) if graphed else PlainStep(method, compute)
    begin = max(0, (steps - count) // 2)
    for index in range(count):
        number = 1 + (begin + index) % steps
        seed_step(0, number, 0)
        began = time.perf_counter()
        take_step(batches.at(number), Step(number, steps))
        if compute.device.type == "cuda":
            torch.cuda.synchronize()
        yield time.perf_counter() - began


def _forget_peak(compute: Compute) -> None:
    """Let `_memory` say what these steps take, not what the process held for something else before them."""
    gc.collect()
    if compute.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(compute.device)
    elif sys.platform == "linux":
        # `choose_compute` lets the process keep what it frees, so it has to be asked for it.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # musl has none
            trim(0)
        with suppress(OSError):  # where the system refuses it, the peak counts from the process's start
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _memory(compute: Compute) -> int:
    if compute.device.type == "cuda":
        return torch.cuda.max_memory_allocated(compute.device)
    if sys.platform == "win32":
        return 0
    if sys.platform == "linux":  # getrusage's highest value cannot be set back
        with suppress(OSError, StopIteration):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def steps_in(minutes: float, seconds_a_step: float) -> int:
    """Steps that fit into a budget of minutes, at least 1.

    >>> steps_in(2, 0.5)
    240
    """
    return max(1, int(minutes * 60 / seconds_a_step))
