"""Losses that ask whether a piece of one picture can be told to belong to its place in another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError


def patch_nce(queries: Sequence[Tensor], keys: Sequence[Tensor], *, temperature: float = 0.07) -> Tensor:
    """How hard it is to find each query's own place among the keys of its picture; lower is easier.

    PatchNCE of Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020, eq. 4:
    a classification among P places. The right answer is the key of the same place, the wrong ones are the
    keys of the other places in the same picture; other pictures of the batch never count.

    Args:
        queries: for each depth of an encoder (N, P, C): vectors of length 1 at P places of N pictures.
        keys: as many, of the same shapes: the vectors of the other version of the pictures at the same
            places. No gradient flows into them.
        temperature: the cosines are divided by it; less makes close mistakes dearer.

    Returns:
        A scalar, float32, the mean over places, pictures and depths: 0 at best, log(P) where all are alike.

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
        alike = query.float() @ key.detach().float().mT / temperature  # (N, P, P)
    # The right answers lie on the diagonal. The paper's code puts them in a column of their own and -10 in
    # their place, which then weighs e^(-10 / 0.07): the same value, from a larger table.
    places = torch.arange(alike.shape[1], device=alike.device).expand(alike.shape[:2])
    return F.cross_entropy(alike.flatten(0, 1), places.flatten())
