"""Methods of a few channels, what they learn from, and the terms that a step hands to the optimizers."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, TypeVar

import torch
from tests.support.drawn_vgg import drawn_vgg
from torch import Tensor, nn

from reskin.methods.base import Method
from reskin.parsing import parse
from reskin.training.pretrained import load_features
from reskin.types import Batch, Step

SIZES: dict[str, Any] = {
    "width": 4,
    "disc_width": 4,
    "style_width": 4,
    "mlp_width": 8,
    "blocks": 1,
    "downsamplings": 5,
    "disc_layers": 1,
    "frames": 7,
    "first_frames": 7,
    "predictor_width": 4,
    "predictor_downsamplings": 5,
    "scales": 1,
    "pool_size": 2,
    "picture_size": 32,
    "num_patches": 16,
    "feature_size": 32,
    "ssim_scales": 1,
    "restarts": 2,
    "inversion_steps": 5,
    "start_steps": 1,
}
"""Small values for settings of these names, whichever method has them."""

Kind = TypeVar("Kind", bound=Method)


def tiny(kind: type[Kind], *, ready: bool = True, **settings: Any) -> Kind:
    """A method of few channels, its weights drawn from the seed 0.

    Args:
        kind: its class.
        ready: whether it is prepared for training (has its feature network).
        settings: in place of those in `SIZES` and of its defaults.
    """
    torch.manual_seed(0)
    fields = kind.Config.model_fields
    small = {key: value for key, value in SIZES.items() if key in fields}
    if "feature_weights" in fields:
        small["feature_weights"] = str(drawn_vgg())
    method = kind(parse(kind.Config, small | settings))
    if ready:
        method.prepare_training(load_features)
    return method


def doubled(method: Kind) -> Kind:
    """The method in float64, with the pretrained networks that are no part of its state."""
    for frozen in vars(method).values():
        if isinstance(frozen, nn.Module):
            frozen.double()
    return method.double()


def drawn(count: int = 2, *, edge: int = 32, seed: int = 1) -> Batch:
    """Noise in [-1, 1]: `count` square pictures for each domain, (count, 3, edge, edge)."""
    a, b = torch.rand((2, count, 3, edge, edge), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Batch(a, b)


def count(*networks: nn.Module) -> int:
    """How many numbers the networks hold in their parameters."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def terms_of(method: Method, batch: Batch, step: Step | None = None) -> dict[str, dict[str, float]]:
    """The weighted terms that a step, by default the first of 100, gives each optimizer; it is taken."""
    seen: dict[str, dict[str, float]] = defaultdict(dict)
    update = method.update

    def spy(name: str, **terms: Tensor) -> None:
        seen[name] = {key: value.item() for key, value in terms.items()}
        update(name, **terms)

    method.update = spy  # type: ignore[method-assign]
    method.training_step(batch, step or Step(1, 100))
    return seen


def graphs_of(method: Method, batch: Batch) -> dict[str, dict[str, Tensor]]:
    """The weighted terms of one step with the graphs behind them; nothing is learnt from them."""
    seen: dict[str, dict[str, Tensor]] = defaultdict(dict)
    method.update = lambda name, **terms: seen[name].update(terms)  # type: ignore[method-assign]
    torch.manual_seed(7)
    method.training_step(batch, Step(1, 100))
    return seen
