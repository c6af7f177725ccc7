"""Which engine computes a job: the one that was asked for, or the one with which it is done soonest."""

from __future__ import annotations

import logging
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.inference.engines.backend import Backend, NotExportableError, Used
from reskin.inference.engines.compiled import TorchCompile
from reskin.inference.engines.look import Look
from reskin.inference.engines.measured import Candidate, Measured, measure, one_call, soonest
from reskin.inference.engines.onnx_runtime import OnnxRuntime
from reskin.inference.engines.openvino import OpenVino
from reskin.inference.engines.remembered import keep, recall, say_once
from reskin.methods.searching import Searching
from reskin.version import __version__

BACKENDS: tuple[Backend, ...] = (OpenVino(), OnnxRuntime(), TorchCompile())
"""Every engine but plain PyTorch."""

WORTH_SECONDS = 20.0
"""A job that PyTorch does sooner than this is not measured: measuring takes about as long."""

_CALLS = 10
"""So many pictures are computed in measuring, so that a job must be longer than these."""

_ADVISED_FROM = 100
"""A job of so many pictures is worth a word about engines that are not installed."""

_ADVICE = (
    "pip install 'reskin[cpu]' would add OpenVINO: on another machine (2 cores of an AMD EPYC) it made "
    "pictures of 512 px 1.5 times as fast as PyTorch in bf16 and 1.8 times in fp32; here it was not measured"
)

_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class Settled:
    """What computes a job.

    Attributes:
        used: engine, version and precision.
        program: of the engine; None for PyTorch itself.
    """

    used: Used
    program: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Subject:
    """What is to be computed.

    Attributes:
        look: model, direction, styles; it is not learning.
        compute: as asked for.
        picture: (1, 3, H, W), one of the job, of a size that the model takes.
        number: how many such pictures the job has.
        key: digest of the model.
    """

    look: Look
    compute: Compute
    picture: Tensor
    number: float
    key: str

    def by_torch(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        """The look as PyTorch computes it."""

        def run(pictures: Tensor) -> Tensor:
            with torch.no_grad(), compute.autocast():
                return self.look(pictures).float()

        return run


def settle(subject: Subject, earlier: Used | None = None) -> Settled:
    """The engine for a job.

    Args:
        subject: what is to be computed.
        earlier: what computed the first part of the same job, which `auto` takes again.

    Raises:
        SettingsError: the engine that was asked for is not installed or does not compute there.
    """
    compute = subject.compute
    if compute.engine == "torch":
        return Settled(by_torch(compute))
    if compute.engine != "auto":
        return _asked_for(subject)
    return _soonest(subject, earlier)


def by_torch(compute: Compute) -> Used:
    """What computes where no other engine does."""
    return Used("torch", "", compute.precision)


def check_engine(compute: Compute) -> Compute:
    """The same with a precision that the engine has, where the precision is left open.

    Raises:
        SettingsError: the engine is not installed, or does not compute on this device or in this precision.
    """
    if compute.engine in ("auto", "torch"):
        return compute
    (backend,) = (one for one in BACKENDS if one.name == compute.engine)
    if backend.version() is None:
        raise SettingsError(
            f"--engine {backend.name}: it is not installed", f"Type: pip install '{backend.extra}'."
        )
    if compute.is_precision_free and backend.lacks(compute.device, compute.precision):
        compute = replace(compute, precision="fp32")
    lacks = backend.lacks(compute.device, compute.precision)
    if lacks is not None:
        raise SettingsError(*lacks)
    return compute


def _asked_for(subject: Subject) -> Settled:
    compute = check_engine(subject.compute)
    (backend,) = (one for one in BACKENDS if one.name == compute.engine)
    used = Used(backend.name, backend.version() or "", compute.precision)
    try:
        return Settled(used, backend.build(subject.look, subject.picture, compute))
    except NotExportableError as error:
        _log.info("%s; PyTorch translates instead", error.what)
        return Settled(by_torch(subject.compute))


def _soonest(subject: Subject, earlier: Used | None) -> Settled:
    compute = subject.compute
    candidates = _candidates(subject)
    plain = replace(compute, precision="fp32")
    known = candidates
    if compute.is_precision_free and compute.precision != "fp32":
        known = [*candidates, Candidate(by_torch(plain), lambda: subject.by_torch(plain))]
    again = next((one for one in known if one.used == earlier), None)
    if again is not None:
        return _built(again, {})
    if len(candidates) == 1:
        is_for_advice = compute.device.type == "cpu" and not isinstance(subject.look.model, Searching)
        if is_for_advice and subject.number >= _ADVISED_FROM:
            say_once("openvino", _ADVICE)
        return _built(candidates[0], {})
    facts = _facts(subject, candidates)
    names = [one.used for one in known]
    rows = [row for row in recall(facts) if row.used in names]
    programs: dict[Used, Callable[[Tensor], Tensor]] = {}
    if not rows:
        first = subject.by_torch(compute)
        if not (subject.number - _CALLS) * one_call(first, subject.picture) > WORTH_SECONDS:
            return _built(candidates[0], {})
        exact = subject.by_torch(plain)
        rows, programs = measure(candidates, subject.picture, exact, is_free=compute.is_precision_free)
        keep(facts, rows)
        _log.info("%s", _in_words(rows, soonest(rows, subject.number)))
    best = soonest(rows, subject.number).used
    return _built(next(one for one in known if one.used == best), programs)


def _built(candidate: Candidate, programs: dict[Used, Callable[[Tensor], Tensor]]) -> Settled:
    if candidate.used.engine == "torch":
        return Settled(candidate.used)
    return Settled(candidate.used, programs.get(candidate.used) or candidate.build())


def _candidates(subject: Subject) -> list[Candidate]:
    """PyTorch as it would compute by itself, then what else is installed; compilers take too long to try."""
    compute = subject.compute
    found = [Candidate(by_torch(compute), lambda: subject.by_torch(compute))]
    if compute.device.type != "cpu" or isinstance(subject.look.model, Searching):
        return found
    precisions = sorted({compute.precision, "fp32"} if compute.is_precision_free else {compute.precision})
    for backend in BACKENDS[:2]:
        version = backend.version()
        for precision in precisions if version is not None else ():
            one = replace(compute, precision=precision)
            if backend.lacks(one.device, one.precision) is None:
                used = Used(backend.name, version or "", one.precision)
                found.append(Candidate(used, _builder(backend, subject, one)))
    return found


def _builder(
    backend: Backend, subject: Subject, compute: Compute
) -> Callable[[], Callable[[Tensor], Tensor]]:
    return lambda: backend.build(subject.look, subject.picture, compute)


def _facts(subject: Subject, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Everything that what is measured depends on, JSON-ready."""
    return {
        "reskin": __version__,
        "torch": str(torch.__version__),
        "model": subject.key,
        "size": list(subject.picture.shape[2:]),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "candidates": [one.used.facts() for one in candidates],
        "is_precision_free": subject.compute.is_precision_free,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []  # no Linux
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _in_words(rows: Sequence[Measured], best: Measured) -> str:
    """One line on what was found, such as "engine openvino 2026.4.1, bf16 (0.11 s a picture, ...)"."""
    others = ", ".join(f"{row.used.in_words()}: {row.seconds:.3g} s" for row in rows if row is not best)
    off = "" if math.isclose(best.difference, 0) else f", {best.difference:.2g} levels off"
    return f"engine {best.used.in_words()}: {best.seconds:.3g} s a picture{off} ({others})"
