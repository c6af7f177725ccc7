"""The training loop, read from top to bottom."""

from __future__ import annotations

import shlex
import sys

import torch
from torch import Tensor

from reskin.data.batches import Batches
from reskin.device import Compute
from reskin.errors import InterruptedRunError, NotFiniteError
from reskin.methods.base import Method
from reskin.progress import Progress
from reskin.runs.ema import Ema
from reskin.runs.findings import Finding
from reskin.runs.run import Run
from reskin.training.graph import GraphedStep
from reskin.training.health import (
    HELD_OUT_COUNT,
    Health,
    Stopwatch,
    held_out_losses,
    offers_held_out_losses,
)
from reskin.training.samples import sample_rows
from reskin.training.signals import StopRequest
from reskin.training.tensorboard import open_tensorboard
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
    held_out = batches.held_out(4)
    unseen = batches.held_out(HELD_OUT_COUNT) if offers_held_out_losses(method) and not run.rank else None
    board = open_tensorboard(run)
    progress = Progress("steps", start=first - 1, events={"run": str(run.folder)})
    watch = Stopwatch(compute.device)
    before = run.logged("losses"), run.logged("health")
    health = Health(run.settings, last, precision=compute.precision, logged=before[0], reported=before[1])
    if first > last:
        run.log(f"this run of {last} steps is complete")

    with StopRequest() as stop:
        for step in range(first, last + 1):
            seed_step(config.seed, step, run.rank)
            method.set_learning_rate(config.multiplier(step, last))
            try:
                found: list[Finding] = []
                watch.mark()
                batch = batches.at(step)
                watch.mark()
                losses = teach(batch, Step(step, last))
                ema.update(step)
                watch.mark()

                if step % config.log_every == 0 or step in (1, last):
                    method.raise_if_broken()
                    values = {name: loss.item() for name, loss in losses.items()}
                    run.write_losses(step, values)
                    board.losses(step, values)
                    progress(step, last, note=in_a_line(values))
                    found += health.losses(step, values) + health.waits(step, watch.seconds())
                if step % config.sample_every == 0 or step in (1, last):
                    ema.swap()
                    rows = {} if run.rank else sample_rows(method, held_out, compute)
                    kept_back = held_out_losses(method, unseen, compute) if unseen else {}
                    ema.swap()
                    board.samples(step, run.write_samples(step, rows))
                    run.write_held_out(step, kept_back)
                    found += health.pictures(step, rows, held_out) + health.held_out(step, kept_back)
                for finding in found:
                    progress.end()
                    run.warn(finding)
                number = stop.agreed(step, compute.device) if step < last else 0
                if number or run.save_is_due(step):
                    run.save(step, method, ema)
            except NotFiniteError as error:
                progress.end()
                at = "by" if method.checks_later else "at"
                finding = health.not_finite(step, error.what)
                run.warn(finding)
                raise NotFiniteError(
                    f"{error.what} {at} step {step} of {run.folder}", finding.advice
                ) from None

            if number:
                progress.end()
                raise InterruptedRunError(
                    number, f"stopped and saved after step {step} of {last}", f"Go on with: {command_line()}"
                )
    progress.end()
    board.close()


class PlainStep:
    """One training step as it stands, under the device's precision."""

    def __init__(self, method: Method, compute: Compute) -> None:
        self.method, self.compute = method, compute
        method.checks_later = compute.device.type == "cuda"

    def __call__(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Learn from `batch`; the losses stay on the device."""
        with self.compute.autocast():
            return self.method.training_step(batch, step)


def in_a_line(losses: dict[str, float]) -> str:
    """Losses as they stand beside the count of steps.

    >>> in_a_line({"cycle": 0.51234, "identity": 2.0})
    'cycle 0.512 · identity 2.000'
    """
    return " · ".join(f"{name} {value:.3f}" for name, value in losses.items())


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make everything random in a step a pure function of (seed, step, process)."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) % 2**63
    torch.manual_seed(mixed)


def command_line() -> str:
    """The command that started this process, ready to be typed again."""
    name = sys.argv[0].replace("\\", "/").rsplit("/", 1)[-1]
    start = "reskin" if name in ("reskin", "__main__.py", "reskin.exe") else f"python {sys.argv[0]}"
    return " ".join([start, *(shlex.quote(word) for word in sys.argv[1:])])
