"""Share of outputs that a classifier of ImageNet puts into named classes, such as zebras.

The measure of "did the horse become a zebra" that needs nobody to look. The share of real images of the
target domain bounds it and stands beside.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("named_share", "numbers", better="higher", best=1.0, symmetric=False)

FIRST = 5
"""An image counts if one of the classes is among so many of the likeliest."""


def named_share(scores: Tensor, classes: Sequence[int], *, first: int = FIRST) -> Tensor:
    """Whether each image is put into one of the classes; higher is better.

    Args:
        scores: (N, C), higher for a likelier class.
        classes: indices below C.
        first: how many of the likeliest classes count.

    Returns:
        (N,) of 0 and 1; their mean is the share.

    Raises:
        ShapeError: another shape, no classes, or a class that there is not.

    >>> import torch
    >>> named_share(torch.tensor([[0.1, 0.7, 0.2], [0.8, 0.1, 0.1]]), [1], first=1)
    tensor([1., 0.])
    """
    if scores.ndim != 2 or not classes or not all(0 <= each < scores.shape[1] for each in classes):
        raise ShapeError(
            f"classes {list(classes)} among scores of {tuple(scores.shape)}",
            f"Give class numbers from 0 to {scores.shape[-1] - 1}.",
        )
    likeliest = scores.topk(min(first, scores.shape[1]), dim=1).indices
    wanted = likeliest.new_tensor(list(classes))
    return (likeliest[:, :, None] == wanted).flatten(1).any(dim=1).float()
