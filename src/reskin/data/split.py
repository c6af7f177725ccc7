"""Which frames train and which test: by stretches of time or by source, so that neighbours are never parted.

A frame resembles the ones beside it. A random split would put one of two twins into training and the other
into the test, and every score would be too good.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from reskin.errors import DataError
from reskin.types import Split

SplitBy = Literal["block", "source", "none"]

FEWEST = 10
"""A source with fewer frames goes to training whole: to part it would cost more than it shows."""

_FRAMES_PER_STRETCH = 100
_MOST_STRETCHES = 4


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


def assign_splits(
    counts: Sequence[int], *, by: SplitBy, ratio: str, seed: int, guard: Sequence[int] | int = 1
) -> list[list[Split | None]]:
    """The split of every frame of every source; a pure function of its arguments.

    block: each source is cut into a few stretches of time; between stretches of different splits some frames
        are
    left out (None). Every source with at least `FEWEST` frames gives at least one to the test (and to val, if
    the ratio has one). source: whole sources go to one split. none: everything is "train".

    Args:
        counts: frames of each source, in time order.
        by: how to split.
        ratio: "4:1" (train:test) or "8:1:1" (train:val:test); see `parse_ratio`.
        seed: which stretches or sources are held out.
        guard: frames to leave out between stretches, at least 1, for each source or for all; never more than
            a quarter of a stretch.

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
    return [_by_block(n, shares, (seed, i), guards[i]) for i, n in enumerate(counts)]


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
    count: int, shares: dict[Split, float], seed: tuple[int, int], guard: int
) -> list[Split | None]:
    if count < FEWEST:
        return ["train"] * count
    runs = _runs(count, shares, seed)
    splits: list[Split | None] = [split for split, length in runs for _ in range(length)]
    border = 0
    for (_, length), (_, following) in pairwise(runs):
        border += length
        gap = min(max(1, guard), max(1, max(length, following) // 4))
        # The longer neighbour gives up the frames: a run of one test frame must stay.
        first = border - gap if length >= following else border
        splits[first : first + gap] = [None] * gap
    return splits


def _runs(count: int, shares: dict[Split, float], seed: tuple[int, int]) -> list[tuple[Split, int]]:
    """Splits and lengths in time order; training lies between val and test, equal neighbours are one run."""
    stretches = min(_MOST_STRETCHES, max(1, count // _FRAMES_PER_STRETCH))
    edges = [count * i // stretches for i in range(stretches + 1)]
    turned = bool(np.random.default_rng([seed[0] % 2**64, seed[1]]).integers(2))
    runs: list[tuple[Split, int]] = []
    for start, end in pairwise(edges):
        length = end - start
        val = max(1, round(length * shares["val"])) if shares["val"] else 0
        test = max(1, round(length * shares["test"]))
        parts: list[tuple[Split, int]] = [("val", val), ("train", length - val - test), ("test", test)]
        # Every other stretch runs backwards, so that test meets test and val meets val.
        for split, size in reversed(parts) if turned else parts:
            if runs and runs[-1][0] == split:
                runs[-1] = (split, runs[-1][1] + size)
            elif size:
                runs.append((split, size))
        turned = not turned
    return runs


def guard_frames(spacing_seconds: float) -> int:
    """Frames to leave out between stretches so that a second of film lies there, at least 1.

    >>> guard_frames(0.25), guard_frames(4.0)
    (4, 1)
    """
    return max(1, math.ceil(1.0 / spacing_seconds)) if spacing_seconds > 0 else 1
