"""How fast each engine is on a picture of a job, how far its result is off, and which one is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from reskin.inference.engines.backend import NotExportableError, Used

MOST_LEVELS = {"fp32": 1.0, "bf16": 2.5}
"""How far an engine's result may be off the model's own in fp32, in levels of 255: in fp32 at most at any
pixel, in bf16 on average over the picture."""

LEVELS = 127.5
"""Levels of 255 for a step of 1 in [-1, 1]."""

clock = time.perf_counter
"""Exchanged by tests."""

_TIMED = 2


@dataclass(frozen=True)
class Measured:
    """One engine on one picture.

    Attributes:
        used: which.
        seconds: for a picture, the least of a few.
        build_seconds: before the first picture.
        difference: to the model in fp32, in levels; see `MOST_LEVELS`.
    """

    used: Used
    seconds: float
    build_seconds: float
    difference: float

    @property
    def is_near(self) -> bool:
        """Whether the result is as near to the model's as is promised."""
        return self.difference <= MOST_LEVELS[self.used.precision]

    def job_seconds(self, number: float) -> float:
        """What so many pictures take."""
        return self.build_seconds + number * self.seconds

    def facts(self) -> dict[str, Any]:
        """For a record, JSON-ready."""
        numbers = {
            "seconds": self.seconds,
            "build_seconds": self.build_seconds,
            "difference": self.difference,
        }
        return self.used.facts() | numbers


@dataclass(frozen=True)
class Candidate:
    """An engine that may be taken.

    Attributes:
        used: what it is.
        build: makes the program; it may refuse the model (NotExportableError).
    """

    used: Used
    build: Callable[[], Callable[[Tensor], Tensor]]


def difference(made: Tensor, exact: Tensor, precision: Literal["fp32", "bf16"]) -> float:
    """How far a result is off, in levels of 255: the largest in fp32, the mean in bf16; infinite for NaN.

    >>> difference(torch.zeros(1, 3, 1, 1), torch.full((1, 3, 1, 1), 2 / 255), "fp32")
    1.0
    """
    levels = (made.float().clamp(-1, 1) - exact.float().clamp(-1, 1)).abs() * LEVELS
    found = levels.max() if precision == "fp32" else levels.mean()
    return round(float(torch.nan_to_num(found, nan=float("inf"), posinf=float("inf"))), 4)


def one_call(program: Callable[[Tensor], Tensor], picture: Tensor) -> float:
    """Seconds that one picture takes, the first time."""
    began = clock()
    program(picture)
    return clock() - began


def measure(
    candidates: Sequence[Candidate], picture: Tensor, exact: Callable[[Tensor], Tensor], *, is_free: bool
) -> tuple[list[Measured], dict[Used, Callable[[Tensor], Tensor]]]:
    """Candidates on a picture, in turns; those that refuse the model are left out.

    Where a processor computes in bf16 that is faster with every engine, so fp32 is measured only where no
    result in bf16 is near enough.

    Args:
        candidates: engines and precisions; the first is PyTorch.
        picture: (1, 3, H, W).
        exact: the model in fp32, by PyTorch.
        is_free: whether PyTorch in fp32 may be taken too.

    Returns:
        What was measured, the first candidate first, and the programs.
    """
    began = clock()
    wanted = exact(picture)
    exact_seconds = clock() - began
    rows, programs = _in_turns([c for c in candidates if c.used.precision == "bf16"], picture, wanted)
    if not any(row.is_near for row in rows):
        more, others = _in_turns([c for c in candidates if c.used.precision == "fp32"], picture, wanted)
        rows, programs = rows + more, programs | others
    plain = Used("torch", "", "fp32")
    if is_free and plain not in programs:
        rows.append(Measured(plain, exact_seconds, 0.0, 0.0))
        programs[plain] = exact
    return rows, programs


def _in_turns(
    candidates: Sequence[Candidate], picture: Tensor, wanted: Tensor
) -> tuple[list[Measured], dict[Used, Callable[[Tensor], Tensor]]]:
    programs: dict[Used, Callable[[Tensor], Tensor]] = {}
    builds: dict[Used, tuple[float, float]] = {}
    for candidate in candidates:
        began = clock()
        try:
            program = candidate.build()
            made = program(picture)
        except NotExportableError:
            continue
        spent = 0.0 if candidate.used.engine == "torch" else clock() - began
        programs[candidate.used] = program
        builds[candidate.used] = (spent, difference(made, wanted, candidate.used.precision))
    seconds: dict[Used, list[float]] = {used: [] for used in programs}
    for _ in range(_TIMED):
        for used, program in programs.items():
            seconds[used].append(one_call(program, picture))
    return [Measured(used, min(seconds[used]), *builds[used]) for used in programs], programs


def soonest(rows: Sequence[Measured], number: float) -> Measured:
    """With which of them a job of so many pictures is done first; the first of all where none is near.

    >>> slow, fast = (Used(name, "", "fp32") for name in ("torch", "openvino"))
    >>> rows = [Measured(slow, 2.0, 0.0, 0.0), Measured(fast, 1.0, 5.0, 0.1)]
    >>> [soonest(rows, number).used.engine for number in (4, 6)]
    ['torch', 'openvino']
    """
    near = [row for row in rows if row.is_near] or rows[:1]
    return min(near, key=lambda row: row.job_seconds(number))
