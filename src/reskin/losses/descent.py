"""Pixels that make a loss small: L-BFGS that counts evaluations and steps back where it diverges."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import torch
from torch import Tensor

from reskin.errors import NotFiniteError

Tell = Callable[[int, float, Tensor], None]
"""Called with the number of an evaluation, from 1, its loss and its pixels."""

HISTORY = 100
"""Earlier steps from which the curvature is guessed."""

_ROSE_BY = 1e4
"""A loss of this many times the first one has diverged; hundredfold rises come and go (measured)."""

_LEAST_RATE = 1 / 64

_log = logging.getLogger("reskin")


def descend(
    loss_of: Callable[[Tensor], Tensor], start: Tensor, steps: int, tell: Tell | None = None
) -> Tensor:
    """The pixels of least loss that L-BFGS comes by in `steps` evaluations of the loss and its gradient.

    Where it diverges it steps back to the best pixels, says so, and goes on with half the step size.

    Args:
        loss_of: pixels to a scalar.
        start: the pixels to begin with, any shape, float32; left as they are.
        steps: evaluations (calls of the closure, of which one step of an optimizer makes several). Fewer are
            made only where the gradient is 0 or no step size helps.
        tell: called for each evaluation that did not diverge.

    Returns:
        Pixels of the shape of `start`, which have been evaluated: their loss is finite and at most the first.

    Raises:
        NotFiniteError: loss or gradient of `start` is not finite.

    >>> descend(lambda pixels: (pixels - 3).square().sum(), torch.zeros(2), 20)
    tensor([3., 3.])
    """
    return _Descent(loss_of, start, steps, tell).run()


class _Diverged(Exception):
    """The loss or its gradient is not finite, or the loss is thousands of times the first."""


class _Descent:
    """The state of one descent: the best pixels so far and how many evaluations were made."""

    def __init__(
        self, loss_of: Callable[[Tensor], Tensor], start: Tensor, steps: int, tell: Tell | None
    ) -> None:
        self.loss_of, self.steps, self.tell = loss_of, steps, tell
        self.best = start.detach().clone()
        self.least = self.first = math.inf
        self.done, self.is_flat = 0, False

    def run(self) -> Tensor:
        """Evaluate until all steps are made."""
        rate = 1.0
        while self.done < self.steps and not self.is_flat:
            pixels = self.best.clone().requires_grad_()
            left = self.steps - self.done
            # Its own tolerances know nothing of the size of a loss, and would stop it before the count.
            optimizer = torch.optim.LBFGS(
                [pixels], rate, left, left, tolerance_grad=0, tolerance_change=0, history_size=HISTORY
            )
            try:
                optimizer.step(lambda pixels=pixels: self._evaluate(pixels))
            except _Diverged as error:
                if self.first == math.inf:
                    raise NotFiniteError(
                        f"the loss is not finite from the start ({error})",
                        "Check the pictures and the weights file.",
                    ) from None
                rate /= 2
                _log.warning(
                    "evaluation %d of %d: %s; stepped back to the best picture", self.done, self.steps, error
                )
                if rate < _LEAST_RATE:
                    _log.warning(
                        "no step size helps: stopped at evaluation %d with the best picture", self.done
                    )
                    break
        return self.best

    def _evaluate(self, pixels: Tensor) -> float:
        """The loss of `pixels`, whose gradient is renewed."""
        self.done += 1
        pixels.grad = None
        loss = self.loss_of(pixels)
        loss.backward()
        value = loss.item()
        assert pixels.grad is not None
        steepest = pixels.grad.abs().max().item()  # NaN where any is
        if not (math.isfinite(value) and math.isfinite(steepest) and value <= _ROSE_BY * self.first):
            raise _Diverged(f"loss {value:.3g}, gradient {steepest:.3g}")
        if self.first == math.inf:
            self.first = value
        self.is_flat = steepest == 0
        if value < self.least:
            self.least = value
            self.best.copy_(pixels.detach())
        if self.tell is not None:
            self.tell(self.done, value, pixels.detach())
        return value
