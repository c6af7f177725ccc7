"""The toy pair whose side B comes in three looks: red squares in A, blue, green or yellow ones in B."""

from __future__ import annotations

import torch
from tests.support.squares import squares
from torch import Tensor

from reskin.methods.base import Method
from reskin.runs.schedule import set_learning_rate
from reskin.training.loop import seed_step
from reskin.types import Batch, Step

LOOKS = torch.tensor([(-0.7, -0.7, 0.8), (-0.7, 0.8, -0.7), (0.8, 0.8, -0.7)])
RED = 4  # its place in the palette, after grey
PALETTE = torch.cat([LOOKS, torch.tensor([(0.0, 0.0, 0.0), (0.8, -0.7, -0.7)])])


def red_squares(count: int, *, seed: int) -> Tensor:
    """Pictures of A, (count, 3, 32, 32)."""
    return squares(count, colour="red", seed=seed)


def many_looks(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures of B, (count, 3, 32, 32), and the look of each, (count,)."""
    looks = torch.randint(0, len(LOOKS), (count,), generator=torch.Generator().manual_seed(seed))
    inside = red_squares(count, seed=seed)[:, :1] != 0
    return inside * LOOKS[looks][:, :, None, None], looks


def looks_of(translated: Tensor, inputs: Tensor) -> Tensor:
    """Which colour of the palette the mean is nearest to, (N,), where the square of the input is."""
    inside = (inputs[:, :1] != 0).float()
    colours = (translated * inside).sum((2, 3)) / inside.sum((2, 3))
    return torch.cdist(colours, PALETTE).argmin(1)


def train_looks(method: Method, steps: int, *, batch: int = 4) -> None:
    """Teach `method` red to any of the looks; the learning rate falls over the last third."""
    method.train()
    for step in range(1, steps + 1):
        a, (b, _) = red_squares(batch, seed=2 * step), many_looks(batch, seed=2 * step + 1)
        seed_step(0, step, 0)
        set_learning_rate(method, min(1.0, 3 - 3 * step / steps))
        method.training_step(Batch(a, b), Step(step, steps))
    method.eval()
