"""Losses and norms are computed in float32 at least, whatever precision the networks run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Floats in single precision; those in double precision stay as they are.

    >>> import torch
    >>> [at_least_float32(torch.zeros(1, dtype=t)).dtype for t in (torch.bfloat16, torch.float64)]
    [torch.float32, torch.float64]
    """
    return values if values.dtype.itemsize >= 4 else values.float()
