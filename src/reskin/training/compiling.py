"""Whether it pays to compile the networks of a run: `--compile auto`.

The compiler takes minutes before the first step and makes later ones faster, so a long run gains and a short
one loses. A few steps are timed both ways and thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from reskin.data.batches import Batches
from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.methods.base import Method
from reskin.progress import in_words
from reskin.runs.folder import as_group
from reskin.training.estimate import timed_steps

LEAST_MINUTES = 30
"""A run that is expected to be shorter is not compiled, and the compiler is not tried."""
LATER_STEPS = 3
"""Steps of each kind that are timed behind the first one, which pays for what later ones reuse."""
LEAST_GAIN = 1.05
"""A smaller one may be the machine's unrest."""


@dataclass(frozen=True)
class Decision:
    """Whether the networks of a run are compiled.

    Attributes:
        value: kept in the run's `resolved`.
        why: one line for people; empty where it is as they asked for.
    """

    value: Literal["on", "off"]
    why: str = ""


@dataclass(frozen=True)
class Costs:
    """Seconds of the first step of a kind, and of a later one."""

    first: float
    later: float


def recorded(begun: Mapping[str, Any]) -> Decision | None:
    """What a run with this config.json was begun with; None where there is nothing to go by."""
    value = as_group(begun.get("resolved")).get("compile")
    value = as_group(as_group(begun.get("settings")).get("train")).get("compile") if value is None else value
    if value in ("on", True):
        return Decision("on")
    return Decision("off") if value in ("off", False) else None


def missing_compiler(device: torch.device) -> str:
    """Why nothing can be compiled for a device here; empty where it can be tried."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return "" if has_triton() else "Triton is not installed"
    if device.type != "cpu":
        return ""
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception:  # torch has several errors for it, all of which mean the same
        return "there is no C++ compiler in this machine"
    return ""


def check_compiler(device: torch.device) -> None:
    """Refuse `--compile on` where the first step would fail.

    Raises:
        SettingsError: there is no compiler for the device.
    """
    if missing := missing_compiler(device):
        raise SettingsError(f"--compile on: {missing}", "Install it (such as g++), or leave --compile out.")


def decide(
    make: Callable[[Literal["on", "off"]], Method],
    batches: Batches,
    compute: Compute,
    *,
    steps: int,
    minutes: float | None,
    graphed: bool,
) -> Decision:
    """Time a few steps plain and compiled, of methods that are thrown away.

    Args:
        make: the method of the run, ready to learn, compiled or not.
        batches: what it would learn from.
        compute: device and precision.
        steps: length of the run; where `minutes` decide about it, of one of the length that epochs give.
        minutes: length of the run, if it is given so.
        graphed: whether steps are replayed as a CUDA graph.
    """
    if missing := missing_compiler(compute.device):
        return Decision("off", f"not compiled: {missing}")
    if minutes is not None and minutes < LEAST_MINUTES:
        return Decision("off", _too_short(60 * minutes))

    def timed(kind: Literal["on", "off"]) -> Costs:
        first, *later = timed_steps(
            make(kind), batches, compute, steps=steps, count=1 + LATER_STEPS, graphed=graphed
        )
        return Costs(first, min(later))

    plain = timed("off")
    seconds = plain.later * steps if minutes is None else 60 * minutes
    if seconds < 60 * LEAST_MINUTES:
        return Decision("off", _too_short(seconds))
    try:
        compiled = timed("on")
    except Exception as error:  # the compiler has many, and without it the run is as good
        first = str(error).strip().split("\n", 1)[0] or type(error).__name__
        return Decision("off", f"not compiled: it fails here ({first[:200]})")
    finally:
        torch.compiler.reset()  # the run, and one that goes on, both find the compiler as it begins
    return weigh(plain, compiled, seconds)


def weigh(plain: Costs, compiled: Costs, seconds: float) -> Decision:
    """Which of the two is done sooner in a run that takes `seconds` with plain steps.

    >>> weigh(Costs(2, 1.0), Costs(100, 0.5), 3600).why
    'compiled: 0.5 s a step instead of 1 s; 1 min 38 s at the start are won back after 4 minutes'
    >>> weigh(Costs(2, 1.0), Costs(100, 0.99), 3600).why
    'not compiled: 0.99 s a step instead of 1 s does not win back 1 min 38 s at the start'
    """
    warm_up = max(0.0, (compiled.first - compiled.later) - (plain.first - plain.later))
    speeds = f"{compiled.later:.3g} s a step instead of {plain.later:.3g} s"
    gain = plain.later / compiled.later
    if gain < LEAST_GAIN or warm_up + seconds / gain >= seconds:
        return Decision("off", f"not compiled: {speeds} does not win back {in_words(warm_up)} at the start")
    won_back = warm_up / (1 - 1 / gain)
    return Decision(
        "on",
        f"compiled: {speeds}; {in_words(warm_up)} at the start are won back after "
        f"{math.ceil(won_back / 60)} minutes",
    )


def _too_short(seconds: float) -> str:
    return (
        f"not compiled: the run takes about {in_words(seconds)}, "
        f"and below {LEAST_MINUTES} minutes the compiler is not tried"
    )
