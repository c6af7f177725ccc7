"""PatchNCE against values worked out by hand and against its definition, row by row."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.losses.contrastive import patch_nce


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_orthonormal_rows_are_all_told_apart() -> None:
    rows = torch.eye(256)[None]
    assert patch_nce([rows], [rows]).item() == pytest.approx(1.59330e-4, abs=5e-7)  # float32 near 0
    rows = torch.eye(4)[None]
    assert patch_nce([rows], [rows]).item() == pytest.approx(1.8746e-6, abs=2e-7)


def test_rows_that_are_all_alike_cost_the_logarithm_of_their_number() -> None:
    rows = drawn(1, 1, 256).expand(1, 256, 256)
    assert patch_nce([rows], [rows]).item() == pytest.approx(math.log(256), abs=1e-5)
    assert math.log(256) == pytest.approx(5.545177)


def test_every_query_taken_for_its_neighbour_costs_one_over_the_temperature() -> None:
    rows = torch.eye(4)[None]
    assert patch_nce([rows], [rows.roll(1, dims=1)]).item() == pytest.approx(14.285716, abs=1e-5)


def by_definition(query: Tensor, key: Tensor, temperature: float) -> float:
    """The paper's way, one query after the other: right answer first, -10 where it would come again."""
    losses = []
    for n in range(len(query)):
        for place in range(query.shape[1]):
            right = query[n, place] @ key[n, place]
            wrong = key[n] @ query[n, place]
            wrong[place] = -10.0
            logits = torch.cat([right[None], wrong]) / temperature
            losses.append(-F.log_softmax(logits.double(), dim=0)[0])
    return torch.stack(losses).mean().item()


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_it_is_the_papers_cross_entropy_averaged_over_depths(temperature: float) -> None:
    queries = [drawn(3, 12, 8), drawn(3, 5, 16, seed=1)]  # a shallow map, and a deep one with fewer places
    keys = [drawn(3, 12, 8, seed=2), drawn(3, 5, 16, seed=3)]
    expected = [by_definition(q, k, temperature) for q, k in zip(queries, keys, strict=True)]
    assert patch_nce(queries, keys, temperature=temperature).item() == pytest.approx(
        sum(expected) / 2, rel=1e-5
    )


def test_other_pictures_of_the_batch_never_count() -> None:
    query, key = drawn(2, 6, 8), drawn(2, 6, 8, seed=1)
    alone = patch_nce([query[:1]], [key[:1]])
    assert patch_nce([query[:1].repeat(2, 1, 1)], [key[:1].repeat(2, 1, 1)]).item() == pytest.approx(
        alone.item()
    )
    apart = (alone + patch_nce([query[1:]], [key[1:]])) / 2
    assert patch_nce([query], [key]).item() == pytest.approx(apart.item())


def test_only_queries_get_a_gradient() -> None:
    query, key = drawn(1, 6, 8).requires_grad_(), drawn(1, 6, 8, seed=1).requires_grad_()
    patch_nce([query], [key]).backward()
    assert query.grad is not None and query.grad.abs().max() > 0
    assert key.grad is None


def test_it_is_computed_in_float32_under_autocast() -> None:
    query, key = drawn(1, 32, 64), drawn(1, 32, 64, seed=1)
    exact = patch_nce([query], [key])
    with torch.autocast("cpu", torch.bfloat16):
        under = patch_nce([query], [key])
    assert under.dtype == torch.float32 and under.equal(exact)
    assert patch_nce([query.bfloat16()], [key.bfloat16()]).dtype == torch.float32


def test_shapes_that_do_not_fit_are_refused() -> None:
    rows = drawn(1, 4, 8)
    for queries, keys in (
        ([rows], [rows[:, :3]]),
        ([rows], [rows, rows]),
        ([rows[0]], [rows[0]]),
        ([], []),
    ):
        with pytest.raises(ShapeError, match="queries of"):
            patch_nce(queries, keys)
