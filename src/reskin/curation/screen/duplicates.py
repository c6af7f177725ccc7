"""Rules about duplicates: the same picture twice in a set, in two splits, or in two domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reskin.curation.phash import SAME, hamming, near_pairs
from reskin.curation.screen.rule import Rule
from reskin.types import Split

DUPLICATE = Rule("duplicate", "below", SAME, "nearly the same as another; the first stays")
DUPLICATE_SPLIT = Rule("duplicate-split", "below", SAME, "nearly the same as one that is held out for tests")
DUPLICATE_DOMAIN = Rule("duplicate-domain", "below", SAME, "nearly the same as one of the other domain")

_HELD_OUT_FIRST: tuple[Split, ...] = ("test", "val", "train")


@dataclass(frozen=True)
class Candidate:
    """A picture that may have a duplicate.

    Attributes:
        hash: its perceptual hash.
        domain: number of its domain, from 0; duplicates stay on the lower one.
        split: of test, val and train, duplicates stay in the first.
        is_kept: stays in any case.
    """

    hash: int
    domain: int
    split: Split
    is_kept: bool = False


@dataclass(frozen=True)
class Duplicate:
    """That a picture is a duplicate.

    Attributes:
        of: index of the picture that stays.
        bits: in how many bits the two hashes differ.
        rule: `DUPLICATE` or one of the others.
    """

    of: int
    bits: int
    rule: Rule


def find_duplicates(candidates: Sequence[Candidate], distance: int = SAME) -> dict[int, Duplicate]:
    """Which pictures can go so that no two of the rest are duplicates.

    A picture goes where it is near to one that stays; being near to one that went is no reason, so that a
    slow pan does not melt into its first frame.

    Args:
        candidates: in the order in which the first of several stays.
        distance: bits of 64 in which the hashes of duplicates may differ.

    Returns:
        By index, for each picture that can go, the one that stays.
    """
    hashes = np.array([candidate.hash for candidate in candidates], dtype=np.uint64)
    different, numbers = np.unique(hashes, return_inverse=True)
    near: dict[int, list[int]] = {number: [number] for number in range(len(different))}
    for one, other in near_pairs(different, distance):
        near[one].append(other)
        near[other].append(one)
    stays: dict[int, int] = {}
    found: dict[int, Duplicate] = {}
    for index in sorted(range(len(candidates)), key=lambda index: _order(candidates[index], index)):
        number = int(numbers[index])
        others = [stays[other] for other in near[number] if other in stays]
        if others and not candidates[index].is_kept:
            found[index] = _nearest(index, others, candidates, hashes)
        elif number not in stays:
            stays[number] = index
    return found


def _order(candidate: Candidate, index: int) -> tuple[bool, int, int, int]:
    return not candidate.is_kept, candidate.domain, _HELD_OUT_FIRST.index(candidate.split), index


def _nearest(
    index: int, others: list[int], candidates: Sequence[Candidate], hashes: NDArray[np.uint64]
) -> Duplicate:
    bits = hamming(hashes[others], hashes[index])
    of = others[int(bits.argmin())]
    mine, its = candidates[index], candidates[of]
    rule = DUPLICATE
    if mine.domain != its.domain:
        rule = DUPLICATE_DOMAIN
    elif mine.split != its.split:
        rule = DUPLICATE_SPLIT
    return Duplicate(of, int(bits.min()), rule)
