"""Rules about duplicates: the same picture twice in a set, in two splits, or on two sides."""

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
DUPLICATE_SIDE = Rule("duplicate-side", "below", SAME, "nearly the same as one of the other side")

_HELD_OUT_FIRST: tuple[Split, ...] = ("test", "val", "train")


@dataclass(frozen=True)
class Candidate:
    """A picture that may have a duplicate.

    Attributes:
        hash: its perceptual hash.
        side: number of its side, from 0; duplicates stay on the lower one.
        split: of test, val and train, duplicates stay in the first.
        is_kept: stays in any case.
    """

    hash: int
    side: int
    split: Split
    is_kept: bool = False


@dataclass(frozen=True)
class Twin:
    """That a picture is a duplicate.

    Attributes:
        of: place of the picture that stays.
        bits: in how many bits the two hashes differ.
        rule: `DUPLICATE` or one of the others.
    """

    of: int
    bits: int
    rule: Rule


def find_duplicates(candidates: Sequence[Candidate], distance: int = SAME) -> dict[int, Twin]:
    """Which pictures can go so that no two of the rest are duplicates.

    A picture goes where it is near to one that stays; being near to one that went is no reason, so that a
    slow pan does not melt into its first frame.

    Args:
        candidates: in the order in which the first of several stays.
        distance: bits of 64 in which the hashes of duplicates may differ.

    Returns:
        By place, for each picture that can go, the one that stays.
    """
    hashes = np.array([candidate.hash for candidate in candidates], dtype=np.uint64)
    different, numbers = np.unique(hashes, return_inverse=True)
    near: dict[int, list[int]] = {number: [number] for number in range(len(different))}
    for one, other in near_pairs(different, distance):
        near[one].append(other)
        near[other].append(one)
    stays: dict[int, int] = {}
    twins: dict[int, Twin] = {}
    for place in sorted(range(len(candidates)), key=lambda place: _order(candidates[place], place)):
        number = int(numbers[place])
        others = [stays[other] for other in near[number] if other in stays]
        if others and not candidates[place].is_kept:
            twins[place] = _nearest(place, others, candidates, hashes)
        elif number not in stays:
            stays[number] = place
    return twins


def _order(candidate: Candidate, place: int) -> tuple[bool, int, int, int]:
    return not candidate.is_kept, candidate.side, _HELD_OUT_FIRST.index(candidate.split), place


def _nearest(
    place: int, others: list[int], candidates: Sequence[Candidate], hashes: NDArray[np.uint64]
) -> Twin:
    bits = hamming(hashes[others], hashes[place])
    of = others[int(bits.argmin())]
    mine, its = candidates[place], candidates[of]
    rule = DUPLICATE
    if mine.side != its.side:
        rule = DUPLICATE_SIDE
    elif mine.split != its.split:
        rule = DUPLICATE_SPLIT
    return Twin(of, int(bits.min()), rule)
