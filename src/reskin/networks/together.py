"""Two batches through one network in one call where that gives what two calls would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

T = TypeVar("T")

Inputs = Tensor | tuple[Tensor, ...]
"""What a network is called with: one batch, or several that belong together picture by picture."""


def together(call: Callable[..., T], one: Inputs, other: Inputs) -> tuple[T, T]:
    """What a network makes of two batches, in one call if their pictures may share a batch.

    They may not where the sizes differ, or where the network has a batch norm, whose statistics would mix the
    two; then it is called twice. Other norms are of each picture alone.

    Args:
        call: a network or a method of one; its result is a tensor, or a tuple, list or dict of such results,
            with the pictures along the first axis.
        one: (N, ...), or a tuple of such tensors, the arguments of the call.
        other: (M, ...), as many tensors as `one`.

    Returns:
        The result for `one` and the result for `other`.

    >>> double = nn.Upsample(scale_factor=2)
    >>> [list(made.shape) for made in together(double, torch.zeros(1, 3, 2, 2), torch.zeros(2, 3, 4, 4))]
    [[1, 3, 4, 4], [2, 3, 8, 8]]
    """
    first = (one,) if isinstance(one, Tensor) else one
    second = (other,) if isinstance(other, Tensor) else other
    network = call if isinstance(call, nn.Module) else call.__self__  # type: ignore[attr-defined]
    differ = any(a.shape[1:] != b.shape[1:] for a, b in zip(first, second, strict=True))
    if differ or any(isinstance(layer, _BatchNorm) for layer in network.modules()):
        return call(*first), call(*second)
    made = call(*(torch.cat(pair) for pair in zip(first, second, strict=True)))
    return _part(made, slice(len(first[0]))), _part(made, slice(len(first[0]), None))


def _part(made: Any, pictures: slice) -> Any:
    """Some of the pictures of a result."""
    if isinstance(made, Tensor):
        return made[pictures]
    if isinstance(made, dict):
        return {name: _part(value, pictures) for name, value in made.items()}
    parts = [_part(value, pictures) for value in made]
    return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
