"""The training loop, read from top to bottom."""

from __future__ import annotations

import shlex
import sys

import torch
from torch import Tensor

from reskin.data.batches import Batches
from reskin.device import Compute
from reskin.errors import NotFiniteError
from reskin.exits import InterruptedRunError
from reskin.methods.base import Method
from reskin.runs.ema import Ema
from reskin.runs.run import Run
from reskin.runs.schedule import set_learning_rate
from reskin.training.graph import GraphedStep
from reskin.training.monitor import Monitor
from reskin.training.signals import StopRequest
from reskin.training.validation import Validation
from reskin.types import Batch, Step


def train(method: Method, batches: Batches, run: Run, compute: Compute) -> None:
    """Train until `run.steps`, going on from the run folder's last checkpoint if there is one.

    Args:
        method: on its device already, its weights drawn from the seed.
        batches: what to learn from.
        run: the folder and the settings.
        compute: device and precision.

    Raises:
        NotFiniteError: a loss or gradient was not finite; the weights were not changed by it.
        InterruptedRunError: a signal came; the state is saved and the message has the command that goes on.
    """
    config, last = run.config, run.steps
    ema = Ema(method, config.ema)
    first = run.load(method, ema) + 1
    teach = GraphedStep(method, compute) if config.cuda_graph else PlainStep(method, compute)
    monitor = Monitor(method, batches, run, compute, start=first - 1)
    validation = Validation(method, batches, run, compute)
    if first > last:
        run.log(f"this run of {last} steps is complete")

    with StopRequest() as stop:
        for step in range(first, last + 1):
            seed_step(config.seed, step, run.rank)
            set_learning_rate(method, config.multiplier(step, last))
            try:
                monitor.watch.mark()
                batch = batches.at(step)
                monitor.watch.mark()
                losses = teach(batch, Step(step, last))
                ema.update(step)
                monitor.watch.mark()
                monitor(step, losses, ema)
                is_best = validation(step, ema)
                number = stop.agreed(step, compute.device) if step < last else 0
                run.save_if_due(step, method, ema, at_once=number != 0 or is_best)
            except NotFiniteError as error:
                raise monitor.not_finite(step, error) from None

            if number:
                monitor.end()
                raise InterruptedRunError(
                    number, f"stopped and saved after step {step} of {last}", f"Go on with: {command_line()}"
                )
    monitor.end()
    validation.end()


class PlainStep:
    """One training step as it stands, under the device's precision."""

    def __init__(self, method: Method, compute: Compute) -> None:
        self.method, self.compute = method, compute
        method.checks_later = compute.device.type == "cuda"

    def __call__(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Learn from `batch`; the losses stay on the device."""
        with self.compute.autocast():
            return self.method.training_step(batch, step)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make everything random in a step a pure function of (seed, step, process)."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) % 2**63
    torch.manual_seed(mixed)


def command_line() -> str:
    """The command that started this process, ready to be typed again."""
    name = sys.argv[0].replace("\\", "/").rsplit("/", 1)[-1]
    start = "reskin" if name in ("reskin", "__main__.py", "reskin.exe") else f"python {sys.argv[0]}"
    return " ".join([start, *(shlex.quote(word) for word in sys.argv[1:])])
