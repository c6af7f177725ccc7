"""Contrastive losses between patches of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.precision import at_least_float32


def patch_nce(queries: Sequence[Tensor], keys: Sequence[Tensor], *, temperature: float = 0.07) -> Tensor:
    """PatchNCE: the InfoNCE loss of patches, each against the other patches of its picture; lower is better.

    Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020, eq. 4: a
    classification among P locations. The positive is the key of the same location, the negatives are the keys
    of the other locations in the same picture; other pictures of the batch never count.

    Args:
        queries: for each depth of an encoder (N, P, C): vectors of length 1 at P locations of N pictures.
        keys: as many, of the same shapes: the vectors of the other version of the pictures at the same
            locations. No gradient flows into them.
        temperature: InfoNCE temperature: cosines are divided by it; a lower one punishes hard negatives more.

    Returns:
        A scalar, float32, the mean over locations, pictures and depths: 0 at best, log(P) where all agree.

    Raises:
        ShapeError: the numbers of depths or the shapes differ.

    >>> patch_nce([F.normalize(torch.ones(1, 256, 8), dim=2)], [F.normalize(torch.ones(1, 256, 8), dim=2)])
    tensor(5.5452)
    """
    got, wanted = [tuple(query.shape) for query in queries], [tuple(key.shape) for key in keys]
    if not got or got != wanted or any(len(shape) != 3 for shape in got):
        raise ShapeError(f"queries of {got} and keys of {wanted}", "Give (N, P, C) of both for every depth.")
    return torch.stack([_at_one_depth(q, k, temperature) for q, k in zip(queries, keys, strict=True)]).mean()


def _at_one_depth(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    # In bfloat16 a cosine would be wrong by up to 0.004, which divided by the temperature is 0.06.
    with torch.autocast(query.device.type, enabled=False):
        alike = at_least_float32(query) @ at_least_float32(key.detach()).mT / temperature  # (N, P, P)
    # The positives lie on the diagonal. The paper's code puts them in a column of their own and -10 on the
    # diagonal, which then weighs e^(-10 / 0.07): the same value, from a larger table.
    positives = torch.arange(alike.shape[1], device=alike.device).expand(alike.shape[:2])
    return F.cross_entropy(alike.flatten(0, 1), positives.flatten())
