"""Perceptual hashes: 64 bits that hardly change when a picture is resized, recompressed or brightened."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.errors import DataError, ShapeError
from reskin.images import Picture

BITS = 64

SAME = 4
"""Two pictures whose hashes differ in at most this many bits are taken for the same one."""

_SIZE = 32
_FLAT = 1.0
"""A smaller difference between two coefficients is rounding (a picture of one grey level has about 16)."""
_ROWS = 512


def _waves() -> NDArray[np.float32]:
    """The orthonormal cosine transform (DCT-II) of 32 values, (32, 32), one frequency per row."""
    place, number = np.arange(_SIZE), np.arange(_SIZE)[:, None]
    waves = np.cos(np.pi * number * (2 * place + 1) / (2 * _SIZE)) * np.sqrt(2 / _SIZE)
    waves[0] = np.sqrt(1 / _SIZE)
    return waves.astype(np.float32)


def _slowest() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the 64 lowest frequencies, without the mean: a hash must not depend on brightness."""
    places = [(row, column) for row in range(_SIZE) for column in range(_SIZE) if row or column]
    places.sort(key=lambda place: (sum(place), place))
    rows, columns = zip(*places[:BITS], strict=True)
    return np.array(rows), np.array(columns)


_WAVES, _PLACES = _waves(), _slowest()
_BIT_VALUES = np.uint64(1) << np.arange(BITS, dtype=np.uint64)


def phash(image: Picture) -> int:
    """The perceptual hash of a picture: the same picture gives nearly the same bits, another about 32 others.

    The picture is made grey and 32 x 32; a bit says whether one of its 64 lowest frequencies is well above
    their median. A picture without any structure has the hash 0.

    Args:
        image: (H, W, 3) or grey (H, W), uint8.

    Returns:
        0 to 2**64 - 1.

    Raises:
        ShapeError: another shape or type, or no pixels.

    >>> ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8)[:, None, None], (1, 40, 3))
    >>> phash(ramp) == phash(ramp // 2 + 60), phash(np.zeros((8, 8, 3), np.uint8))
    (True, 0)
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(f"a picture must be (H, W, 3) or (H, W) uint8, not {image.shape} {image.dtype}")
    grey = Image.fromarray(image).convert("L").resize((_SIZE, _SIZE), Image.Resampling.BOX)
    waves = (_WAVES @ np.asarray(grey, np.float32) @ _WAVES.T)[_PLACES]
    return int(np.bitwise_or.reduce(_BIT_VALUES[waves > np.median(waves) + _FLAT]))


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64] | int) -> NDArray[np.uint8]:
    """In how many bits the hashes differ; shapes broadcast.

    >>> hamming(np.array([0, 7], np.uint64), 1)
    array([1, 2], dtype=uint8)
    """
    return np.bitwise_count(a ^ np.asarray(b, np.uint64))


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> list[tuple[int, int]]:
    """All pairs of hashes that differ in at most `distance` bits.

    Two hashes that differ in d bits agree wholly in one of d + 1 bands; only hashes that share a band are
    compared. Many equal hashes make many pairs: pass `np.unique(hashes)` where that is to be feared.

    Args:
        hashes: (N,), one for each picture.
        distance: 0 to 64.

    Returns:
        (i, j) with i < j, rising.

    Raises:
        DataError: the distance is out of range.

    >>> near_pairs(np.array([5, 4, 255], np.uint64), 1)
    [(0, 1)]
    """
    if not 0 <= distance <= BITS:
        raise DataError(f"the distance {distance} between hashes is not from 0 to {BITS}", "Use 4.")
    hashes = np.asarray(hashes, np.uint64)
    found = [np.empty((0, 2), np.intp)]
    for mask in _bands(distance):
        found += _pairs_in_band(hashes, mask, distance)
    pairs = np.unique(np.concatenate(found), axis=0)
    return list(zip(pairs[:, 0].tolist(), pairs[:, 1].tolist(), strict=True))


def _bands(distance: int) -> list[np.uint64]:
    """Masks of distance + 1 bands; one empty mask (all are compared) where bands would be too narrow."""
    if distance > 9:
        return [np.uint64(0)]
    edges = np.linspace(0, BITS, distance + 2).round().astype(int).tolist()
    return [np.uint64((1 << end) - (1 << start)) for start, end in pairwise(edges)]


def _pairs_in_band(hashes: NDArray[np.uint64], mask: np.uint64, distance: int) -> Iterator[NDArray[np.intp]]:
    """Pairs (i, j), i < j, that agree in the bits of `mask` and differ in at most `distance` bits."""
    keys = hashes & mask
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    for group in np.split(order, starts[1:]):
        mine = hashes[group]
        for first in range(0, len(group) if len(group) > 1 else 0, _ROWS):
            rows = mine[first : first + _ROWS]
            near = np.bitwise_count(rows[:, None] ^ mine[None, first:]) <= distance
            at, other = np.nonzero(np.triu(near, 1))
            yield np.stack([group[first + at], group[first + other]], axis=1)
