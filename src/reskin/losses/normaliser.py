"""Losses divided by running means of themselves, so that their weights say what each of them counts.

Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1808.04325: scheduled loss normalisation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LossNormaliser(nn.Module):
    """Divides losses by running means of themselves that are renewed now and then.

    Each divisor stays as it is for many steps. Divisors and means begin at 1; nothing learns through them.

    Args:
        count: how many losses.
        decay: of the running means, per step.
        every: steps between renewals; 0 for none at all.
        first: step of one more renewal; 0 for none.
    """

    means: Tensor
    divisors: Tensor

    def __init__(self, count: int, *, decay: float, every: int, first: int) -> None:
        super().__init__()
        self.decay, self.every, self.first = decay, every, first
        self.register_buffer("means", torch.ones(count))
        self.register_buffer("divisors", torch.ones(count))

    def forward(self, losses: Tensor, noted: Tensor, step: int) -> Tensor:
        """Note the losses of a step, renew the divisors if it is time, and divide.

        Args:
            losses: (count,).
            noted: (count,), their mean over processes; no gradient is taken through it.
            step: from 1.

        Returns:
            (count,).
        """
        if not self.every:
            return losses
        self.means.lerp_(noted.detach().to(self.means), 1 - self.decay)
        if step == self.first or step % self.every == 0:
            self.divisors.copy_(self.means)
        return losses / (self.divisors + 1e-10)
