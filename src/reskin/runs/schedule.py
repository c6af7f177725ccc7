"""The learning rate as a function of the epoch, and the epoch as a function of the step."""

from __future__ import annotations

from torch import Tensor

from reskin.methods.base import Method


def epoch_of(step: int, *, steps: int, epochs: int) -> int:
    """The epoch, 1-based, that `step` (1-based) of `steps` belongs to.

    >>> [epoch_of(step, steps=6, epochs=3) for step in range(1, 7)]
    [1, 1, 2, 2, 3, 3]
    """
    return 1 + (step - 1) * epochs // steps


def linear_multiplier(epoch: int, *, epochs: int, decay_epochs: int) -> float:
    """Factor of the learning rate: 1, then a straight line towards 0 that it never reaches.

    The CycleGAN paper, section 4 (100 + 100 epochs); computed from the epoch, so resuming cannot shift it.

    Args:
        epoch: 1-based.
        epochs: all epochs.
        decay_epochs: the last of them, over which the rate falls.

    >>> [round(linear_multiplier(k, epochs=200, decay_epochs=100), 6) for k in (100, 101, 150, 200)]
    [1.0, 0.990099, 0.50495, 0.009901]
    """
    return 1.0 - max(0, epoch - (epochs - decay_epochs)) / (decay_epochs + 1)


def step_multiplier(step: int, *, decay_steps: int) -> float:
    """Factor of the learning rate under step decay: 1, then half after every `decay_steps` (MUNIT, 5.1).

    Args:
        step: 1-based.
        decay_steps: steps between two decays.

    >>> [step_multiplier(step, decay_steps=100) for step in (1, 100, 101, 250)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return 0.5 ** ((step - 1) // decay_steps)


def set_learning_rate(method: Method, multiplier: float) -> None:
    """Scale the learning rate of every optimizer of a method to `multiplier` times its setting."""
    for name, optimizer in method.optimizers.items():
        rate = method.rates[name] * multiplier
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):  # a captured step reads its rate from the device
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
