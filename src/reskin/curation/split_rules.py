"""Which pictures train, which test: by time, shot or source, so that neighbours are not parted.

A frame resembles the ones beside it. A random split would put one of two near-duplicates into training and
the other into the test, and every score would be too good.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator

from reskin.errors import DataError
from reskin.types import Split

SplitBy = Literal["block", "shot", "source", "random", "none"]

FEWEST = 10
"""A source with fewer frames goes to training whole: to part it would cost more than it shows."""

_FRAMES_PER_SEGMENT = 100
_MOST_SEGMENTS = 4


def parse_ratio(ratio: str) -> dict[Split, float]:
    """The shares of train, val and test, which sum to 1.

    Args:
        ratio: "4:1" for train:test or "8:1:1" for train:val:test, in whole numbers.

    Raises:
        DataError: not of this form, or training would not get the largest share.

    >>> parse_ratio("4:1")
    {'train': 0.8, 'val': 0.0, 'test': 0.2}
    """
    if not re.fullmatch(r"[0-9]{1,4}(:[0-9]{1,4}){1,2}", ratio):
        raise DataError(
            f"the ratio '{ratio}' is not of the form 4:1 or 8:1:1", "Give train:test or train:val:test."
        )
    parts = [int(part) for part in ratio.split(":")]
    train, val, test = (parts[0], parts[1], parts[2]) if len(parts) == 3 else (parts[0], 0, parts[1])
    if train == 0 or train < max(val, test) or test == 0:
        raise DataError(
            f"the ratio '{ratio}' gives training or test too little", "Use for example 4:1 or 8:1:1."
        )
    whole = sum(parts)
    return {"train": train / whole, "val": val / whole, "test": test / whole}


def _checked_ratio(ratio: str) -> str:
    try:
        parse_ratio(ratio)
    except DataError as error:
        raise ValueError(error.what) from None
    return ratio


Ratio = Annotated[str, AfterValidator(_checked_ratio)]
"""A setting that `parse_ratio` takes."""


class SourceUnits(NamedTuple):
    """What of one source is split, in time order; a unit is a frame, a clip or a picture.

    Attributes:
        sizes: pictures of each unit.
        shots: the shot of each unit; needed for a split by shot alone.
        guard: units to leave out between segments of time.
        segments: into how many a split by block cuts the source, each with its share of the test; None for
            one for every 100 units, at most 4. Where it is given, an eighth of a segment at most is left
            out beside another, else a quarter.
    """

    sizes: Sequence[int]
    shots: Sequence[int] = ()
    guard: int = 1
    segments: int | None = None


def split_sources(
    sources: Sequence[SourceUnits],
    *,
    by: SplitBy,
    ratio: str,
    seed: int,
    first: int = 0,
    have: Mapping[Split, int] | None = None,
) -> list[list[Split | None]]:
    """The split of every unit of every source, whichever way; a pure function of its arguments.

    Args:
        sources: what to split.
        by: how; see `assign_splits` and `assign_groups`.
        ratio: "4:1" (train:test) or "8:1:1" (train:val:test).
        seed: what is held out.
        first: number of the first of these sources in the dataset.
        have: pictures that each split has already.

    Returns:
        For each source the split of each unit; None for what is left out between two splits.

    Raises:
        DataError: the ratio is wrong, or there are too few shots or sources to split by these.
    """
    counts = [len(source.sizes) for source in sources]
    if by == "block":
        shares = parse_ratio(ratio)
        return [
            _by_block(len(source.sizes), shares, (seed, first + i), source.guard, source.segments)
            for i, source in enumerate(sources)
        ]
    if by == "none" or (by == "source" and not have):
        return assign_splits(counts, by=by, ratio=ratio, seed=seed + first)
    if by == "source":
        groups = [[number] * count for number, count in enumerate(counts)]
    elif by == "shot":
        groups = shot_groups([source.shots for source in sources], ratio=ratio)
    else:
        starts = accumulate(counts, initial=0)
        groups = [list(range(start, start + count)) for start, count in zip(starts, counts, strict=False)]
    sizes = [0] * (1 + max((group for mine in groups for group in mine), default=-1))
    for source, mine in zip(sources, groups, strict=True):
        for size, group in zip(source.sizes, mine, strict=True):
            sizes[group] += size
    try:
        splits = assign_groups(sizes, ratio=ratio, seed=seed + first, have=have)
    except DataError as error:
        raise DataError(f"by {by}: {error.what}", error.fix) from None
    return [[splits[group] for group in mine] for mine in groups]


def assign_splits(
    counts: Sequence[int],
    *,
    by: Literal["block", "source", "none"],
    ratio: str,
    seed: int,
    guard: Sequence[int] | int = 1,
    first: int = 0,
) -> list[list[Split | None]]:
    """The split of every frame of every source; a pure function of its arguments.

    block: each source is cut into a few segments of time; between segments of different splits some frames
    are left out (None). Every source with at least `FEWEST` frames gives at least one to the test (and to
    val, if the ratio has one). source: whole sources go to one split. none: everything is "train".

    Args:
        counts: frames of each source, in time order.
        by: how to split.
        ratio: "4:1" (train:test) or "8:1:1" (train:val:test); see `parse_ratio`.
        seed: which segments or sources are held out.
        guard: frames to leave out between segments, at least 1, for each source or for all; never more than
            a quarter of a segment.
        first: number of the first of these sources in the dataset; a source's blocks depend on its number,
            not on what comes before or after.

    Raises:
        DataError: the ratio is wrong, or there are too few sources to split by source.

    >>> assign_splits([12], by="block", ratio="4:1", seed=0)[0].count("test")
    2
    """
    shares = parse_ratio(ratio)
    if by == "none":
        return [["train"] * count for count in counts]
    if by == "source":
        return _by_source(counts, shares, seed)
    guards = [guard] * len(counts) if isinstance(guard, int) else list(guard)
    return [_by_block(n, shares, (seed, first + i), guards[i]) for i, n in enumerate(counts)]


def _by_source(counts: Sequence[int], shares: dict[Split, float], seed: int) -> list[list[Split | None]]:
    filled = [i for i, count in enumerate(counts) if count]
    needed = sum(share > 0 for share in shares.values())
    if len(filled) < needed:
        what = f"{len(filled)} source{'s' * (len(filled) != 1)} cannot be split by source into {needed} parts"
        raise DataError(what, "Split by block, or give more sources.")
    order = np.random.default_rng([seed % 2**64]).permutation(filled)
    tests = max(1, round(len(filled) * shares["test"]))
    vals = max(1, round(len(filled) * shares["val"])) if shares["val"] else 0
    while tests + vals >= len(filled):  # rounding up must leave something to train on
        tests, vals = (tests - 1, vals) if tests >= vals else (tests, vals - 1)
    held_out: dict[int, Split] = {int(i): "test" for i in order[:tests]}
    held_out.update({int(i): "val" for i in order[tests : tests + vals]})
    return [[held_out.get(i, "train")] * count for i, count in enumerate(counts)]


def _by_block(
    count: int, shares: dict[Split, float], seed: tuple[int, int], guard: int, segments: int | None = None
) -> list[Split | None]:
    if count < FEWEST:
        return ["train"] * count
    runs = _runs(count, shares, seed, segments or min(_MOST_SEGMENTS, count // _FRAMES_PER_SEGMENT))
    splits: list[Split | None] = [split for split, length in runs for _ in range(length)]
    border = 0
    for (_, length), (_, following) in pairwise(runs):
        border += length
        gap = min(max(1, guard), max(1, max(length, following) // (4 if segments is None else 8)))
        # The longer neighbour gives up the frames: a run of one test frame must stay.
        first = border - gap if length >= following else border
        splits[first : first + gap] = [None] * gap
    return splits


def _runs(
    count: int, shares: dict[Split, float], seed: tuple[int, int], segments: int
) -> list[tuple[Split, int]]:
    """Splits and lengths in time order; training lies between val and test, equal neighbours are one run."""
    segments = max(1, min(segments, count // FEWEST))
    edges = [count * i // segments for i in range(segments + 1)]
    turned = bool(np.random.default_rng([seed[0] % 2**64, seed[1]]).integers(2))
    runs: list[tuple[Split, int]] = []
    for start, end in pairwise(edges):
        length = end - start
        val = max(1, round(length * shares["val"])) if shares["val"] else 0
        test = max(1, round(length * shares["test"]))
        parts: list[tuple[Split, int]] = [("val", val), ("train", length - val - test), ("test", test)]
        # Every other segment runs backwards, so that test meets test and val meets val.
        for split, size in reversed(parts) if turned else parts:
            if runs and runs[-1][0] == split:
                runs[-1] = (split, runs[-1][1] + size)
            elif size:
                runs.append((split, size))
        turned = not turned
    return runs


def guard_frames(spacing_seconds: float) -> int:
    """Frames to leave out between segments so that a second of film lies there, at least 1.

    >>> guard_frames(0.25), guard_frames(4.0)
    (4, 1)
    """
    return max(1, math.ceil(1.0 / spacing_seconds)) if spacing_seconds > 0 else 1


def assign_groups(
    sizes: Sequence[int], *, ratio: str, seed: int, have: Mapping[Split, int] | None = None
) -> list[Split]:
    """The split of every group of pictures that must stay together; a pure function of its arguments.

    Groups are drawn at random for the test and for val until their shares are met as nearly as whole groups
    can; the rest trains.

    Args:
        sizes: pictures of each group; a group without any goes to training.
        ratio: "4:1" (train:test) or "8:1:1" (train:val:test); see `parse_ratio`.
        seed: which groups are held out.
        have: pictures that each split has already; these count for the shares and stay where they are.

    Raises:
        DataError: the ratio is wrong, or there are fewer groups than parts and none has pictures yet.

    >>> splits = assign_groups([1] * 10, ratio="8:1:1", seed=0)
    >>> splits.count("train"), splits.count("val"), splits.count("test")
    (8, 1, 1)
    """
    shares = parse_ratio(ratio)
    filled = [group for group, size in enumerate(sizes) if size]
    parts = sum(share > 0 for share in shares.values())
    if not have and len(filled) < parts:
        one = len(filled) == 1
        what = f"{len(filled)} group{'s' * (not one)} of pictures cannot be split into {parts} parts"
        raise DataError(what, "Split by another rule (--by) or into fewer parts (--ratio), or give more.")
    total = sum(sizes) + sum((have or {}).values())
    left = [int(group) for group in np.random.default_rng([seed % 2**64]).permutation(filled)]
    splits: list[Split] = ["train"] * len(sizes)
    held_out: tuple[Split, ...] = ("test", "val")
    for number, split in enumerate(held_out):
        if not shares[split]:
            continue
        # Every part that comes after this one, training at the end, must be able to get a group.
        spare = len(left) - (
            0 if have else len([part for part in held_out[number + 1 :] if shares[part]]) + 1
        )
        chosen = _filled_up(
            left, sizes, wanted=shares[split] * total - (have or {}).get(split, 0), most=spare, needs=not have
        )
        for group in chosen:
            splits[group] = split
        left = [group for group in left if group not in chosen]
    return splits


def _filled_up(
    order: Sequence[int], sizes: Sequence[int], *, wanted: float, most: int, needs: bool
) -> set[int]:
    """Groups, by `order`, that come near to `wanted` pictures: each one taken must bring the sum nearer."""
    chosen: set[int] = set()
    for group in order:
        if len(chosen) < most and sizes[group] < 2 * wanted:
            chosen.add(group)
            wanted -= sizes[group]
    if needs and not chosen:
        chosen.add(min(order, key=lambda group: sizes[group]))
    return chosen


def shot_groups(shots: Sequence[Sequence[int]], *, ratio: str) -> list[list[int]]:
    """The group of every picture for a split by shot: neighbouring shots together, up to a third of a part.

    The shots of a dialogue go to and fro between two views; if each went its own way, every view would be on
    both domains.

    Args:
        shots: for each source the shot of each of its pictures, rising.
        ratio: see `parse_ratio`; the smallest share decides how large a group gets.

    Returns:
        In the same form, numbers of groups, counted through over all sources.

    >>> shot_groups([[0, 0, 1, 1, 2, 2], [0, 0]], ratio="1:1")
    [[0, 0, 1, 1, 2, 2], [3, 3]]
    """
    shares = parse_ratio(ratio)
    smallest = min(share for share in shares.values() if share)
    large = sum(map(len, shots)) * smallest / 3
    groups: list[list[int]] = []
    number = -1
    for source in shots:
        mine: list[int] = []
        size = 0
        for place, shot in enumerate(source):
            if not place or (shot != source[place - 1] and size >= large):
                number, size = number + 1, 0
            size += 1
            mine.append(number)
        groups.append(mine)
    return groups
