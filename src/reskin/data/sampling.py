"""Which pictures and random numbers belong to a step: pure functions of (seed, step, rank)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_ORDER, _DRAWS = 1, 2  # streams that must not resemble each other

_FIRST = 6
UNIFORMS = 8
"""Uniform numbers of one domain of a sample: crop down, crop across, flip, brightness, contrast, saturation,
rotation, rescaling."""


@dataclass(frozen=True)
class Samples:
    """What one step of one process sees.

    Attributes:
        a: (N,) int64, indices of domain A, or of pairs.
        b: (N,) int64, indices of domain B; the same as `a` in paired data.
        uniform_a: (N, UNIFORMS) float64 in [0, 1).
        uniform_b: the same for domain B; equal to `uniform_a` in paired data.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    uniform_a: NDArray[np.float64]
    uniform_b: NDArray[np.float64]


Pairing = Literal["unpaired", "paired"]


@dataclass(frozen=True)
class Sampling:
    """What a sample is, and how samples are chosen.

    Attributes:
        pairing: whether A and B belong together image by image.
        clip_length: consecutive frames in a sample; 1 for single images.
        batch: samples per step and process.
        seed: of everything that is chosen at random.
        rank: number of this process, from 0.
        world: number of processes that train together; each takes its own samples of the step.
    """

    pairing: Pairing = "unpaired"
    clip_length: int = 1
    batch: int = 1
    seed: int = 0
    rank: int = 0
    world: int = 1

    def sampler(self, count_a: int, count_b: int | None) -> Sampler:
        """What chooses from so many samples of each domain; `count_b` is None for pairs."""
        return Sampler(count_a, count_b, batch=self.batch, seed=self.seed, rank=self.rank, world=self.world)


@dataclass(frozen=True)
class Sampler:
    """Chooses pictures and random numbers for a step.

    Samples are numbered through: sample n lies in epoch n // length, wherever it is drawn. Several processes
    with a small batch therefore see together what one with a large batch sees.

    Attributes:
        count_a: pictures of domain A, or pairs.
        count_b: pictures of domain B; None for paired data.
        batch: samples per step and process.
        seed: any whole number.
        rank: number of this process, from 0.
        world: number of processes.
    """

    count_a: int
    count_b: int | None
    batch: int
    seed: int
    rank: int = 0
    world: int = 1

    @property
    def length(self) -> int:
        """Samples in an epoch: in each, every picture of A (or every pair) comes up at least once."""
        return max(self.count_a, self.count_b or 0)

    def at(self, step: int) -> Samples:
        """The samples of a step; the first step is 1.

        >>> Sampler(3, 2, batch=2, seed=0).at(1).a.shape
        (2,)
        """
        if step < 1:
            raise ValueError(f"the first step is 1, not {step}")
        first = (step - 1) * self.batch * self.world + self.rank * self.batch
        numbers = range(first, first + self.batch)
        a = np.array([self._index_a(number) for number in numbers], dtype=np.int64)
        draws = np.stack([_draws(self.seed, number) for number in numbers])
        # The last two of each domain came later and lie behind the others, whose draws stay what they were.
        early, late = draws[:, 1 : 1 + 2 * _FIRST], draws[:, 1 + 2 * _FIRST :]
        parts = zip(np.hsplit(early, 2), np.hsplit(late, 2), strict=True)
        uniform_a, uniform_b = (np.concatenate(part, axis=1) for part in parts)
        if self.count_b is None:
            return Samples(a, a, uniform_a, uniform_a)
        return Samples(a, (draws[:, 0] * self.count_b).astype(np.int64), uniform_a, uniform_b)

    def _index_a(self, number: int) -> int:
        epoch, place = divmod(number, self.length)
        return int(_epoch_order(self.seed, epoch, self.length)[place]) % self.count_a


@lru_cache(maxsize=8)
def _epoch_order(seed: int, epoch: int, length: int) -> NDArray[np.int64]:
    """The numbers 0 to length - 1 in the order of one epoch."""
    key = np.random.SeedSequence([_ORDER, seed % 2**64, epoch])
    return np.random.Generator(np.random.Philox(key)).permutation(length)


def _draws(seed: int, number: int) -> NDArray[np.float64]:
    """The uniform numbers of one sample: one for B's index, then those of both domains."""
    # Philox gives any place of its stream at once: the sample's number is the upper part of its counter.
    source = np.random.Philox(counter=[0, number, 0, 0], key=_key(seed))
    return np.random.Generator(source).random(1 + 2 * UNIFORMS)


@lru_cache(maxsize=8)
def _key(seed: int) -> NDArray[np.uint64]:
    return np.random.SeedSequence([_DRAWS, seed % 2**64]).generate_state(2, np.uint64).astype(np.uint64)
