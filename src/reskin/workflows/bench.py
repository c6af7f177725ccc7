"""Every engine on a picture for a run: time, share of the machine's peak, difference, memory.

Each engine and precision is measured in a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from reskin.device import Compute, choose_compute, computes_bf16
from reskin.engine_names import EngineName
from reskin.errors import ImageError, SettingsError
from reskin.inference.engine import Engine
from reskin.inference.engines.measured import difference
from reskin.inference.engines.settle import BACKENDS
from reskin.inference.export import drawn_picture
from reskin.inference.rendering import Rendering
from reskin.methods.styled import Styled
from reskin.runs.load import load
from reskin.types import Direction

TIMED, LEAST_SECONDS, MOST_SECONDS = 3, 1.0, 30.0
"""A row is the fastest of at least so many pictures, of as many as fill the least time, and of no more than
fit the most."""

LONGEST_EDGE_PX = 8192

_PEAK_SHAPE = (256, 64)
"""Channels and edge of the 3x3 convolution that the machine's peak is measured with."""


@dataclass(frozen=True)
class Row:
    """One engine in one precision.

    Attributes:
        engine: its name.
        version: of its package.
        precision: of its convolutions.
        refused: why it was not measured; "" where it was.
        ms: for a picture, the fastest.
        build_seconds: before the first picture.
        share: of the peak of the machine in this precision, 0 to 1; None where it is not measured.
        levels: largest difference to PyTorch in fp32, in levels of 255.
        mean_levels: mean difference.
        peak_mb: peak memory of the process, or of the GPU, MB; None where the system does not say.
    """

    engine: EngineName
    version: str
    precision: Literal["fp32", "bf16"]
    refused: str = ""
    ms: float | None = None
    build_seconds: float | None = None
    share: float | None = None
    levels: float | None = None
    mean_levels: float | None = None
    peak_mb: float | None = None


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        run: the run folder.
        size: (height, width) of the picture, px.
        direction: of the translation; None for the model's first.
        step: checkpoint; None for the last.
        device: as `reskin.device.choose_compute` takes it.
    """

    run: Path
    size: tuple[int, int]
    direction: Direction | None = None
    step: int | None = None
    device: str = "auto"


def bench(subject: Subject, report: Callable[[str], object]) -> dict[str, Any]:
    """Measure every engine that is installed.

    Args:
        subject: what is measured.
        report: called with what is measured next.

    Returns:
        JSON-ready: `machine`, `size`, `gigaflops` of a picture, `peak_gigaflops` by precision, `rows`.

    Raises:
        SettingsError: the picture is too large, or the model does not translate this way.
        RunError, CheckpointError: as `reskin.runs.load.load`.
    """
    height, width = subject.size
    if not (1 <= height <= LONGEST_EDGE_PX and 1 <= width <= LONGEST_EDGE_PX):
        raise SettingsError(f"--size {width}x{height}", f"Give 1 to {LONGEST_EDGE_PX} px.")
    model = load(subject.run, device="cpu", step=subject.step)
    model.check_direction(subject.direction or model.directions[0])
    del model
    device = choose_compute(subject.device).device
    precisions: list[Literal["fp32", "bf16"]] = ["fp32", "bf16"] if computes_bf16(device) else ["fp32"]
    peaks: dict[str, float] = {}
    for precision in precisions:
        report(f"the machine's peak in {precision}")
        peaks[precision] = peak_gigaflops(device, precision)
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / "exact.npy"
        rows, work = [], 0.0
        for engine, version, precision, refused in _kinds(device, precisions):
            row = Row(engine, version, precision, refused)
            if not refused:
                report(f"{engine} in {precision}")
                row, found = _alone(subject, row, exact)
                work = work or found
            if row.ms and work:
                row = replace(row, share=work / (row.ms / 1000) / peaks[precision])
            rows.append(row)
    return {
        "machine": Compute(device, "fp32").describe().rpartition(",")[0],
        "run": str(subject.run),
        "size": f"{width}x{height}",
        "gigaflops": work,
        "peak_gigaflops": peaks,
        "rows": [asdict(row) for row in rows],
    }


def _kinds(
    device: torch.device, precisions: list[Literal["fp32", "bf16"]]
) -> Iterator[tuple[EngineName, str, Literal["fp32", "bf16"], str]]:
    """Engine, version, precision and why it is not measured; PyTorch in fp32, which is exact, first."""
    for precision in precisions:
        yield "torch", str(torch.__version__), precision, ""
    for backend in BACKENDS:
        version = backend.version()
        if version is None:
            yield backend.name, "", "fp32", f"not installed: pip install '{backend.extra}'"
            continue
        for precision in precisions:
            lacks = backend.lacks(device, precision)
            if lacks is None or precision == "fp32":
                yield backend.name, version, precision, "" if lacks is None else lacks[0]


def _alone(subject: Subject, row: Row, exact: Path) -> tuple[Row, float]:
    """A row measured in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measure, subject, row, exact, torch.get_num_threads()).result()
        except BrokenProcessPool:
            return replace(row, refused="its process died, most likely for want of memory"), 0.0


def measure(subject: Subject, row: Row, exact: Path, threads: int) -> tuple[Row, float]:
    """One row and the work of a picture, 10^9 operations (0 where it is not counted), in this process.

    Args:
        subject: what is measured.
        row: which engine and precision.
        exact: the file of PyTorch's picture in fp32: written by that row, read by the others.
        threads: of PyTorch.
    """
    torch.set_num_threads(threads)
    model = load(subject.run, device=subject.device, step=subject.step)
    direction = subject.direction or model.directions[0]
    styles = model.sample_styles(1, seed=0) if isinstance(model, Styled) else None
    compute = replace(choose_compute(subject.device, row.precision), engine=row.engine)
    engine = Engine(model, direction, compute, Rendering(styles))
    picture = drawn_picture(*subject.size).to(compute.device)
    began = time.perf_counter()
    try:
        made = engine.run(picture)
    except ImageError as error:
        return replace(row, refused=error.what), 0.0
    first_seconds = time.perf_counter() - began
    if engine.used.engine != row.engine:
        return replace(row, refused="it cannot take this model: PyTorch translates instead"), 0.0
    seconds = _fastest(lambda: engine.run(picture), compute.device)
    work = 0.0
    peak = _peak_mb(compute.device)
    if (row.engine, row.precision) == ("torch", "fp32"):
        np.save(exact, made.cpu().numpy())
        work = _gigaflops(engine, picture)
    wanted = torch.from_numpy(np.load(exact))
    made = made.cpu()
    return replace(
        row,
        ms=seconds * 1000,
        build_seconds=max(0.0, first_seconds - seconds),
        levels=difference(made, wanted, "fp32"),
        mean_levels=difference(made, wanted, "bf16"),
        peak_mb=peak,
    ), work


def peak_gigaflops(device: torch.device, precision: Literal["fp32", "bf16"]) -> float:
    """What the machine reaches in a 3x3 convolution of 256 channels at 64 px, 10^9 operations a second."""
    channels, edge = _PEAK_SHAPE
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    images = torch.randn(1, channels, edge, edge, device=device, dtype=kind)
    weights = torch.randn(channels, channels, 3, 3, device=device, dtype=kind)
    with torch.inference_mode():
        seconds = _fastest(lambda: torch.conv2d(images, weights, padding=1), device)
    return 2 * 9 * channels**2 * edge**2 / seconds / 1e9


def _fastest(call: Callable[[], Tensor], device: torch.device) -> float:
    """Seconds of the fastest of several calls."""
    call()
    found: list[float] = []
    began = time.perf_counter()
    while len(found) < TIMED or time.perf_counter() - began < LEAST_SECONDS:
        _wait_for(device)
        start = time.perf_counter()
        call()
        _wait_for(device)
        found.append(time.perf_counter() - start)
        if time.perf_counter() - began > MOST_SECONDS:
            break
    return min(found)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _gigaflops(engine: Engine, picture: Tensor) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        engine.run(picture)
    return counter.get_total_flops() / 1e9


def _peak_mb(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        # Not `getrusage`, which counts what the process was before it became this program.
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None  # no Linux
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), None)


def in_words(found: dict[str, Any]) -> list[str]:
    """The lines of a table."""
    peaks = ", ".join(f"{value:.0f} in {name}" for name, value in found["peak_gigaflops"].items())
    lines = [
        f"{found['run']} at {found['size']} on {found['machine']}: {found['gigaflops']:.4g} GFLOP a picture, "
        f"peak of the machine {peaks} GFLOP/s",
        f"{'engine':<22}{'precision':<11}{'ms a frame':>11}{'of peak':>9}{'off, max':>10}{'off, mean':>10}"
        f"{'memory':>10}{'build':>8}",
    ]
    for values in found["rows"]:
        row = Row(**values)
        head = f"{f'{row.engine} {row.version}':<22}{row.precision:<11}"
        if row.ms is None:
            lines.append(f"{head}{row.refused}")
            continue
        share = "-" if row.share is None else f"{row.share:.0%}"
        memory = "-" if row.peak_mb is None else f"{row.peak_mb:.0f} MB"
        lines.append(
            f"{head}{row.ms:>11.1f}{share:>9}{row.levels:>10.2f}{row.mean_levels:>10.3f}{memory:>10}"
            f"{row.build_seconds:>6.1f} s"
        )
    lines.append("off: difference from PyTorch in fp32, in levels of 255; build: before the first picture")
    return lines
