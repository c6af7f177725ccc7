"""Losses that compare a picture with the one it should be, value by value."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.precision import at_least_float32


def l1(image: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute difference; lower is closer.

    Args:
        image: any shape, float.
        reference: same shape as `image`.

    Returns:
        A scalar, float32, in the unit of the input: 0 to 2 for pictures in [-1, 1].

    Raises:
        ShapeError: the shapes differ (nothing is broadcast).

    >>> import torch
    >>> l1(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0]))
    tensor(0.2500)
    """
    _check_shapes(image, reference)
    return F.l1_loss(at_least_float32(image), at_least_float32(reference))


def squared(image: Tensor, reference: Tensor) -> Tensor:
    """Mean squared difference; lower is closer.

    Args:
        image: any shape, float.
        reference: same shape as `image`.

    Returns:
        A scalar, float32, in the squared unit of the input: 0 to 4 for pictures in [-1, 1].

    Raises:
        ShapeError: the shapes differ (nothing is broadcast).

    >>> import torch
    >>> squared(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0]))
    tensor(0.1250)
    """
    _check_shapes(image, reference)
    return F.mse_loss(at_least_float32(image), at_least_float32(reference))


def _check_shapes(image: Tensor, reference: Tensor) -> None:
    if image.shape != reference.shape:
        raise ShapeError(
            f"pictures of {tuple(image.shape)} cannot be compared with {tuple(reference.shape)}",
            "Use the same size and channels in both.",
        )
