"""The toy pair of domains: one square on grey, red in A and blue in B, its place the content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from reskin.methods.base import Method
from reskin.training.loop import seed_step
from reskin.types import Batch, Step

SIZE, SQUARE = 32, 10
COLOURS = {"red": (0.8, -0.7, -0.7), "blue": (-0.7, -0.7, 0.8)}


def squares(count: int, *, colour: Literal["red", "blue"], seed: int) -> Tensor:
    """`count` pictures, (count, 3, 32, 32) in [-1, 1]: a square of 10 px anywhere on grey."""
    source = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, SIZE - SQUARE + 1, (count, 2), generator=source).tolist()
    images = torch.zeros(count, 3, SIZE, SIZE)
    for image, (top, left) in zip(images, corners, strict=True):
        image[:, top : top + SQUARE, left : left + SQUARE] = torch.tensor(COLOURS[colour])[:, None, None]
    return images


def recoloured(images: Tensor) -> Tensor:
    """The true translation: red and blue exchanged, everything in its place."""
    return images.flip(1)


def train(
    method: Method, steps: int, *, batch: int = 4, seed: int = 0, paired: bool = False
) -> list[dict[str, float]]:
    """Teach `method` red to blue for `steps`; the losses of every step."""
    method.train()
    losses = []
    for step in range(1, steps + 1):
        a = squares(batch, colour="red", seed=2 * step + 1_000_000 * seed)
        b = recoloured(a) if paired else squares(batch, colour="blue", seed=2 * step + 1 + 1_000_000 * seed)
        seed_step(seed, step, 0)
        losses.append(
            {name: loss.item() for name, loss in method.training_step(Batch(a, b), Step(step, steps)).items()}
        )
    return losses


def train_until(method: Method, is_learnt: Callable[[], bool], steps: int, *, times: int = 6) -> bool:
    """Teach `method` red to blue, `steps` at a time and `times` at most, until it is learnt; whether it was.

    The weights of a GAN go on moving: at a fixed step one processor finds them near and another far, by the
    order of its sums alone.
    """
    for seed in range(times):
        train(method, steps, seed=seed)
        if is_learnt():
            return True
    return False


def colour_share(translated: Tensor, truth: Tensor) -> float:
    """Share of pixels that differ by less than 0.35 from the truth in every channel."""
    return ((translated - truth).abs().amax(dim=1) < 0.35).float().mean().item()


def colour_share_inside(translated: Tensor, truth: Tensor) -> float:
    """As `colour_share`, of the pixels of the squares alone: 0 for a picture left as it was."""
    inside = truth.abs().amax(dim=1) > 0.5
    return ((translated - truth).abs().amax(dim=1) < 0.35)[inside].float().mean().item()


def place_error(translated: Tensor, truth: Tensor) -> float:
    """Mean distance, in px, between the centres of what stands out from grey in both."""
    return (_centres(translated) - _centres(truth)).norm(dim=1).mean().item()


def _centres(images: Tensor) -> Tensor:
    stands_out = (images.abs().amax(dim=1) - 0.25).clamp(min=0) + 1e-6
    axis = torch.arange(SIZE, dtype=torch.float32)
    total = stands_out.sum(dim=(1, 2))
    rows, columns = stands_out.sum(dim=2) @ axis, stands_out.sum(dim=1) @ axis
    return torch.stack([rows, columns], dim=1) / total[:, None]
