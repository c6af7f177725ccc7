"""Samples are pure functions of (seed, step, rank)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from reskin.data.sampling import Sampler, Samples


def same(one: Samples, other: Samples) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_a_step_does_not_depend_on_what_was_asked_before() -> None:
    first = Sampler(11, 5, batch=3, seed=4).at(7)
    used = Sampler(11, 5, batch=3, seed=4)
    for step in (1, 30, 2, 8, 7, 6):
        used.at(step)
    assert same(first, used.at(7)) and not same(first, used.at(8))


def test_ranks_see_together_what_one_process_sees() -> None:
    whole = Sampler(11, 5, batch=4, seed=4)
    parts = [Sampler(11, 5, batch=2, seed=4, rank=rank, world=2) for rank in (0, 1)]
    for step in range(1, 12):
        halves = [part.at(step) for part in parts]
        for name in ("a", "b", "uniform_a", "uniform_b"):
            joined = np.concatenate([getattr(half, name) for half in halves])
            assert np.array_equal(joined, getattr(whole.at(step), name))


def test_an_epoch_covers_the_larger_side_a() -> None:
    sampler = Sampler(12, 5, batch=4, seed=0)
    epochs = [np.concatenate([sampler.at(3 * e + i).a for i in (1, 2, 3)]) for e in range(3)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3  # a new order each time
    assert not np.array_equal(epochs[0], np.arange(12))


def test_a_smaller_side_a_comes_up_evenly() -> None:
    sampler = Sampler(4, 10, batch=5, seed=0)
    seen = Counter(np.concatenate([sampler.at(1).a, sampler.at(2).a]).tolist())
    assert sampler.length == 10 and sorted(seen.values()) == [2, 2, 3, 3]


def test_b_is_drawn_evenly_whatever_a_is() -> None:
    samples = [Sampler(50, 5, batch=50, seed=1).at(step) for step in range(1, 81)]
    counts = np.bincount(np.concatenate([s.b for s in samples]), minlength=5)
    assert counts.sum() == 4000 and np.abs(counts - 800).max() < 5 * np.sqrt(4000 * 0.2 * 0.8)
    together = Counter(
        zip(np.concatenate([s.a for s in samples]), np.concatenate([s.b for s in samples]), strict=True)
    )
    assert len(together) == 250  # every picture of A meets every one of B


def test_chances_are_even_and_the_sides_are_independent() -> None:
    samples = [Sampler(50, 5, batch=50, seed=1).at(step) for step in range(1, 81)]
    a, b = (np.concatenate([getattr(s, name) for s in samples]) for name in ("uniform_a", "uniform_b"))
    assert a.shape == (4000, 8) and a.min() >= 0 and a.max() < 1
    assert np.abs(a.mean(0) - 0.5).max() < 0.025 and np.abs((a < 0.5).mean(0) - 0.5).max() < 0.04
    correlations = np.corrcoef(np.hstack([a, b]).T) - np.eye(16)
    assert np.abs(correlations).max() < 0.08


def test_pairs_share_index_and_chance() -> None:
    samples = Sampler(9, None, batch=4, seed=0).at(2)
    assert np.array_equal(samples.a, samples.b) and np.array_equal(samples.uniform_a, samples.uniform_b)


@pytest.mark.parametrize("seed", [0, -3, 2**70])
def test_any_seed_will_do_and_matters(seed: int) -> None:
    sampler = Sampler(50, 40, batch=8, seed=seed)
    assert same(sampler.at(1), sampler.at(1)) and not same(
        sampler.at(1), Sampler(50, 40, batch=8, seed=5).at(1)
    )


def test_numpys_global_generator_has_no_part_in_it() -> None:
    np.random.seed(1)
    one = Sampler(9, 7, batch=4, seed=0).at(3)
    np.random.seed(2)
    assert same(one, Sampler(9, 7, batch=4, seed=0).at(3))


def test_the_values_are_what_they_were() -> None:
    """A change here would make every run that is resumed see other pictures: it must be on purpose."""
    samples = Sampler(1000, 1000, batch=3, seed=7).at(5)
    assert samples.a.tolist() == STORED_A and samples.b.tolist() == STORED_B


def test_the_first_step_is_1() -> None:
    with pytest.raises(ValueError, match="first step is 1"):
        Sampler(3, 3, batch=1, seed=0).at(0)


STORED_A = [4, 444, 36]
STORED_B = [367, 156, 685]
