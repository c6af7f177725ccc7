"""What a training writes and shows beside its checkpoints: losses, sample grids, findings, progress."""

from __future__ import annotations

from torch import Tensor

from reskin.data.batches import Batches
from reskin.device import Compute
from reskin.errors import NotFiniteError
from reskin.methods.base import Method
from reskin.progress import Progress
from reskin.runs.ema import Ema
from reskin.runs.findings import Finding
from reskin.runs.run import Run
from reskin.training.health import (
    HELD_OUT_COUNT,
    Health,
    Stopwatch,
    held_out_losses,
    offers_held_out_losses,
)
from reskin.training.samples import sample_rows
from reskin.training.tensorboard import open_tensorboard


class Monitor:
    """Follows a training step by step; it changes nothing of what is learnt.

    Args:
        method: what learns.
        batches: for the held-out images of the sample grids.
        run: the folder that everything is written to.
        compute: device and precision.
        start: how many steps were done before.

    Attributes:
        watch: the clock that the loop marks: before a batch, with it, and after the step.
    """

    def __init__(self, method: Method, batches: Batches, run: Run, compute: Compute, *, start: int) -> None:
        self.method, self.run, self.compute = method, run, compute
        self.held_out = batches.held_out(samples_shown(batches.windows_a.length))
        has_unseen = offers_held_out_losses(method) and not run.rank
        self.unseen = batches.held_out(HELD_OUT_COUNT) if has_unseen else None
        self.board = open_tensorboard(run)
        self.progress = Progress("steps", events={"run": str(run.folder)})
        self.watch = Stopwatch(compute.device)
        before = run.logged("losses"), run.logged("health")
        self.health = Health(
            run.settings, run.steps, precision=compute.precision, logged=before[0], reported=before[1]
        )

    def __call__(self, step: int, losses: dict[str, Tensor], ema: Ema) -> None:
        """Write what is due after this step, and warn of what is found in it.

        Args:
            step: its number, from 1.
            losses: of the step by name, on the device; read only where they are due.
            ema: the running mean of the weights, which draws the sample grids.

        Raises:
            NotFiniteError: what a step before found on the device.
        """
        config, found = self.run.config, list[Finding]()
        if step % config.log_every == 0 or step in (1, self.run.steps):
            self.method.raise_if_broken()
            found += self._losses(step, {name: loss.item() for name, loss in losses.items()})
        if step % config.sample_every == 0 or step in (1, self.run.steps):
            found += self._samples(step, ema)
        for finding in found:
            self._warn(finding)

    def not_finite(self, step: int, error: NotFiniteError) -> NotFiniteError:
        """Warn that a value of this step was not finite; what to raise instead of `error`."""
        at = "by" if self.method.checks_later else "at"
        finding = self.health.not_finite(step, error.what)
        self._warn(finding)
        return NotFiniteError(f"{error.what} {at} step {step} of {self.run.folder}", finding.advice)

    def end(self) -> None:
        """Leave the line of progress, and close what is open."""
        self.progress.end()
        self.board.close()

    def _losses(self, step: int, values: dict[str, float]) -> list[Finding]:
        self.run.write_losses(step, values)
        self.board.losses(step, values)
        self.progress(step, self.run.steps, note=in_a_line(values))
        return self.health.losses(step, values) + self.health.waits(step, self.watch.seconds())

    def _samples(self, step: int, ema: Ema) -> list[Finding]:
        ema.swap()
        rows = {} if self.run.rank else sample_rows(self.method, self.held_out, self.compute)
        kept_back = held_out_losses(self.method, self.unseen, self.compute) if self.unseen else {}
        ema.swap()
        self.board.samples(step, self.run.write_samples(step, rows))
        self.run.write_held_out(step, kept_back)
        return self.health.pictures(step, rows, self.held_out) + self.health.held_out(step, kept_back)

    def _warn(self, finding: Finding) -> None:
        self.progress.end()
        self.run.warn(finding)


def in_a_line(losses: dict[str, float]) -> str:
    """Losses as they stand beside the count of steps.

    >>> in_a_line({"cycle": 0.51234, "identity": 2.0})
    'cycle 0.512 · identity 2.000'
    """
    return " · ".join(f"{name} {value:.3f}" for name, value in losses.items())


def samples_shown(length: int) -> int:
    """Samples of each domain in a sample grid: four images, or clips of about twelve frames together.

    Two at least, or the outputs of a healthy run would all resemble each other.

    >>> [samples_shown(length) for length in (1, 3, 7, 14)]
    [4, 4, 2, 2]
    """
    return min(4, max(2, 12 // length))
