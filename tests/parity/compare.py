"""A training step of a method beside the same step from the papers' equations, in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from tests.contract.first_losses import double_precision
from tests.parity import steps
from torch import Tensor

from reskin.methods import find_trained
from reskin.parsing import parse
from reskin.training.loop import seed_step
from reskin.types import Batch, Step

SMALL: dict[str, Any] = {"width": 8, "blocks": 2}
METHODS: dict[str, dict[str, Any]] = {
    "cyclegan": SMALL,
    "pix2pix": {"width": 8, "downsamplings": 5, "has_dropout": False},
    "cut": SMALL | {"num_patches": 5000},  # all positions, so that none is drawn
    "fastcut": SMALL | {"num_patches": 5000, "flip_probability": 1.0},
    "munit": {
        "width": 8,
        "blocks": 2,
        "disc_width": 8,
        "disc_layers": 3,
        "scales": 2,
        "mlp_width": 16,
        "cycle_weight": 10.0,
    },
    "unit": {"width": 8, "blocks": 2, "disc_width": 8, "disc_layers": 4},
    "attentiongan": SMALL,
}
"""Settings of each method; what is not named is as published."""


class Parity(NamedTuple):
    """How far two steps are apart.

    Attributes:
        gradients: for each optimizer the worst relative L2 difference of a weight's gradient. Left out are
            gradients that are 0 in theory, of a constant in front of a norm: below 1e-9 of the largest.
        weights: the largest absolute difference of a weight after the step, which moves them by 1e-4 or 2e-4.
    """

    gradients: dict[str, float]
    weights: float


def compare(name: str, *, count: int = 1, edge: int = 32, seed: int = 0) -> Parity:
    """Take one step both ways, from the same weights and pictures."""
    with double_precision():
        kind = find_trained(name)
        seed_step(seed, 0, 0)
        method = kind(parse(kind.Config, METHODS[name])).double()
        source = torch.Generator().manual_seed(seed + 1)
        a, b = torch.rand((2, count, 3, edge, edge), generator=source) * 2 - 1
        start = {key: p.detach().clone() for key, p in method.named_parameters()}
        seed_step(seed, 1, 0)
        method.training_step(Batch(a, b), Step(1, 100))
        seed_step(seed, 1, 0)
        wanted, after = reference(name, method, start, Batch(a, b))
        found = {key: p.grad for key, p in method.named_parameters()}
        apart: dict[str, float] = {}
        for optimizer, gradients in wanted.items():
            largest = max(gradient.norm().item() for gradient in gradients.values())
            apart[optimizer] = max(
                (((found[key] - gradient).norm() / gradient.norm()).item())  # type: ignore[operator]
                for key, gradient in gradients.items()
                if gradient.norm() > 1e-9 * largest
            )
        weights = max((p.detach() - after[key]).abs().max().item() for key, p in method.named_parameters())
    return Parity(apart, weights)


def reference(
    name: str, method: torch.nn.Module, start: dict[str, Tensor], batch: Batch
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """The gradients for each optimizer, and all weights after the step, from the papers' equations."""
    owners = {id(p): key for key, p in method.named_parameters()}
    config = method.config
    now, gradients = dict(start), {}
    for optimizer, loss in getattr(steps, name)(start, batch.a, batch.b):
        groups = method.optimizers[optimizer].param_groups  # type: ignore[index, union-attr]
        taught = [owners[id(p)] for group in groups for p in group["params"]]
        leaves = {key: now[key].clone().requires_grad_() for key in taught}
        found = torch.autograd.grad(loss(now | leaves), list(leaves.values()))
        gradients[optimizer] = dict(zip(taught, found, strict=True))
        decay = getattr(config, "weight_decay", 0.0)
        for key, gradient in gradients[optimizer].items():
            now[key] = steps.adam(now[key], gradient, rate=config.learning_rate, decay=decay)  # type: ignore[union-attr]
    return gradients, now
