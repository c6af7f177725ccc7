"""Clocks and facts: what work takes, how busy the machine was meanwhile, what it can do at best."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

Dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""The number type in which convolutions run in each precision."""


@dataclass(frozen=True)
class Sample:
    """One timed piece of work.

    Attributes:
        seconds: by the clock, the device's work included.
        cpu_seconds: of all threads of this process.
        others: cores that other processes kept busy meanwhile, on average; None where it is not known.
    """

    seconds: float
    cpu_seconds: float
    others: float | None


@dataclass(frozen=True)
class Cell:
    """A piece of work that is timed.

    Attributes:
        work: does it once.
        flops: floating point operations of one call.
        repeats: calls in a sample, so that a sample is not too short to be timed.
    """

    work: Callable[[], object]
    flops: int = 0
    repeats: int = 1


def interleave(cells: Mapping[str, Cell], rounds: int) -> dict[str, list[Sample]]:
    """Samples of each cell by name, taken in turns (A B C A B C ...): all meet the same disturbance."""
    samples: dict[str, list[Sample]] = {name: [] for name in cells}
    gc.collect()
    for _ in range(rounds):
        for name, cell in cells.items():
            samples[name].append(_sample(cell))
    return samples


def _sample(cell: Cell) -> Sample:
    wait()
    busy, cpu, wall = _busy_seconds(), time.process_time(), time.perf_counter()
    for _ in range(cell.repeats):
        cell.work()
    wait()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    others = None
    if busy is not None:
        others = max(0.0, (_busy_seconds() or 0) - busy - cpu) / wall
    return Sample(wall / cell.repeats, cpu / cell.repeats, others)


def wait() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _busy_seconds() -> float | None:
    """Seconds that all cores together have worked since the start of the machine (Linux)."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:8]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, interrupts, soft = (int(field) for field in fields)
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def summary(samples: list[Sample]) -> dict[str, Any]:
    """Medians for the JSON file."""
    others = [sample.others for sample in samples if sample.others is not None]
    return {
        "seconds": significant(statistics.median(s.seconds for s in samples)),
        "seconds_least": significant(min(s.seconds for s in samples)),
        "cpu_seconds": significant(statistics.median(s.cpu_seconds for s in samples)),
        "cores_used_by_others": round(statistics.median(others), 2) if others else None,
        "samples": len(samples),
    }


def with_speed(cell: Cell, samples: list[Sample], peak: Cell, peak_samples: list[Sample]) -> dict[str, Any]:
    """`summary`, operations per second, and the share of the peak that was measured in the same round.

    "At best" compares the fastest sample of the work with the fastest of the peak.
    """
    shares = [
        (cell.flops / sample.seconds) / (peak.flops / best.seconds)
        for sample, best in zip(samples, peak_samples, strict=True)
    ]
    cpu_shares = [
        (cell.flops / sample.cpu_seconds) / (peak.flops / best.cpu_seconds)
        for sample, best in zip(samples, peak_samples, strict=True)
        if sample.cpu_seconds and best.cpu_seconds
    ]
    row = summary(samples) | {
        "gflops_per_second": round(cell.flops / statistics.median(s.seconds for s in samples) / 1e9, 1),
        "peak_gflops_per_second": round(peak.flops / min(s.seconds for s in peak_samples) / 1e9, 1),
        "share_of_peak": round(statistics.median(shares), 3),
        "share_of_peak_at_best": round(
            (cell.flops / min(s.seconds for s in samples))
            / (peak.flops / min(s.seconds for s in peak_samples)),
            3,
        ),
    }
    if not torch.cuda.is_available():  # there the process's own time says nothing of the device's
        row["share_of_peak_by_cpu_time"] = round(statistics.median(cpu_shares), 3)
    return row


def significant(value: float) -> float:
    """Rounded to four digits.

    >>> significant(0.0123456)
    0.01235
    """
    return float(f"{value:.4g}")


def convolution_peak(device: torch.device, precision: str) -> Cell:
    """The convolution that most of a generator's work is: 3x3, 256 to 256 channels, 64x64 px."""
    pictures = 64 if device.type == "cuda" else 1
    torch.manual_seed(0)
    dtype = Dtype[precision]
    images = torch.randn(pictures, 256, 64, 64, dtype=dtype, device=device)
    weight = torch.randn(256, 256, 3, 3, dtype=dtype, device=device)
    if device.type == "cuda":
        images = images.to(memory_format=torch.channels_last)
        weight = weight.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def convolve() -> torch.Tensor:
        return F.conv2d(images, weight, padding=1)

    repeats = 50 if device.type == "cuda" else {"fp32": 16, "bf16": 32}[precision]
    for _ in range(4):
        convolve()
    return Cell(convolve, 2 * pictures * 256 * 256 * 9 * 64 * 64, repeats)


def forget_peak_memory() -> None:
    """Let `peak_memory_megabytes` count from now on, where the system can."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError, AttributeError):  # glibc keeps what was freed unless it is asked
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # then it counts from the start of the process


def peak_memory_megabytes() -> int:
    """Most memory in use: of the GPU where there is one, else of this process with all that it has loaded."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 1e6)
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        unit = 1 if platform.system() == "Darwin" else 1024
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6)


def machine() -> dict[str, Any]:
    """What a reader must know of the machine to judge the numbers."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    if hasattr(torch.cpu, "get_capabilities"):
        known = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")
        facts["arithmetic"] = [name for name in known if torch.cpu.get_capabilities().get(name)]
    if torch.cuda.is_available():
        facts |= {
            "gpu": torch.cuda.get_device_name(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "tf32_in_convolutions": torch.backends.cudnn.allow_tf32,
        }
    return facts


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # no Linux
    return platform.processor() or platform.machine()
