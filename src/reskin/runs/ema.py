"""The running mean of the weights that translate."""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.methods.base import Method


class Ema:
    """Exponential moving average of the weights of a method but its discriminators'.

    Args:
        method: whose weights to average; the mean starts at their present values.
        decay: share of the old mean that each step keeps, 0 to 1; 0 makes no mean at all. Early on the share
            is smaller, (1 + step) / (10 + step), so that the first weights are soon forgotten.
    """

    def __init__(self, method: Method, decay: float) -> None:
        self.decay = decay
        judges = method.adversary.networks if method.adversary else ()
        self.names: list[str] = []
        self.weights: list[Tensor] = []
        for name, parameter in method.named_parameters():
            if decay and name.split(".")[0] not in judges:
                self.names.append(name)
                self.weights.append(parameter)
        self.means = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after `step` (1-based) into the mean."""
        if self.means:
            keep = min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.means, self.weights, 1 - keep)

    def state(self) -> dict[str, Tensor]:
        """The means by parameter name."""
        return dict(zip(self.names, self.means, strict=True))

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over means that `state` returned; from an empty state, start at the present weights."""
        for name, mean, weight in zip(self.names, self.means, self.weights, strict=True):
            mean.copy_(state[name] if state else weight.detach())

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange means and weights; called twice it changes nothing."""
        for weight, mean in zip(self.weights, self.means, strict=True):
            kept = weight.detach().clone()
            weight.copy_(mean)
            mean.copy_(kept)
