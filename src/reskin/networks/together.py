"""Several batches through one network in one call where that gives what a call for each would."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

T = TypeVar("T")

Inputs = Tensor | tuple[Tensor, ...]
"""What a network is called with: one batch, or several that belong together picture by picture."""


def together(call: Callable[..., T], *batches: Inputs) -> tuple[T, ...]:
    """What a network makes of several batches, in one call if their pictures may share a batch.

    They may not where the sizes differ, or where the network has a batch norm, whose statistics would mix
    them; then it is called for each. Other norms are of each picture alone.

    Args:
        call: a network or a method of one; its result is a tensor, or a tuple, list or dict of such results,
            with the pictures along the first axis.
        batches: (N, ...) each, or a tuple of such tensors, the arguments of the call, as many in each.

    Returns:
        The result for each batch.

    >>> double = nn.Upsample(scale_factor=2)
    >>> [list(made.shape) for made in together(double, torch.zeros(1, 3, 2, 2), torch.zeros(2, 3, 4, 4))]
    [[1, 3, 4, 4], [2, 3, 8, 8]]
    """
    given = [(batch,) if isinstance(batch, Tensor) else batch for batch in batches]
    network = call if isinstance(call, nn.Module) else call.__self__  # type: ignore[attr-defined]
    differ = any(
        one.shape[1:] != first.shape[1:] for each in given for one, first in zip(each, given[0], strict=True)
    )
    if len(given) == 1 or differ or any(isinstance(layer, _BatchNorm) for layer in network.modules()):
        return tuple(call(*each) for each in given)
    made = call(*(torch.cat(parts) for parts in zip(*given, strict=True)))
    ends = accumulate((len(each[0]) for each in given), initial=0)
    return tuple(_part(made, slice(start, end)) for start, end in pairwise(ends))


def _part(made: Any, pictures: slice) -> Any:
    """Some of the pictures of a result."""
    if isinstance(made, Tensor):
        return made[pictures]
    if isinstance(made, dict):
        return {name: _part(value, pictures) for name, value in made.items()}
    parts = [_part(value, pictures) for value in made]
    return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
