"""Whether what is held out resembles what is trained on: then every score is better than it should be.

Two pictures of different splits are near-duplicates when their perceptual hashes hardly differ, or when they
are frames of one video a fraction of a second apart. Frames of one video show one scene, and somebody who
talks has the same hash all the time: they are near-duplicates only when their small grey versions are equal
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.curation.phash import SAME, hamming
from reskin.data.manifest import FrameRecord
from reskin.images import Picture

DISTANCE = SAME
"""Bits of 64 in which the hashes of near-duplicates may differ, whatever their sketches say."""
CANDIDATE_DISTANCE = 12
"""Up to so many bits, two pictures are near-duplicates if their sketches are equal too."""
FEWEST_BITS = 8
"""A hash with fewer bits set is of a picture without structure, as a fade to black: it counts for nothing."""
SECONDS = 0.5
"""Frames of one video that are closer than this are near-duplicates."""
MOST_PAIRS = 50
"""Pairs that a report keeps, the worst first."""

EQUAL = 0.15
"""Root mean square difference of two sketches up to which they are equal; JPEG, another size and brightness
give 0.01 to 0.1."""
EQUAL_IN_SOURCE = 0.06
"""The same for frames of one video, where somebody who talks gives 0.07 to 0.4 seconds later."""

_CHUNK = 1 << 22
_SKETCH_PX = 32
_SKETCH_STEPS = 30.0
_CANDIDATES = 256


@dataclass(frozen=True)
class Leak:
    """A held-out picture and its near-duplicate in another split.

    Attributes:
        held_out: path of the held-out picture, below the set's folder.
        other: path of the other one.
        splits: of the two.
        why: "picture" (equal to the eye) or "time" (moments apart).
        distance: bits in which the hashes differ, or seconds between the two.
    """

    held_out: str
    other: str
    splits: tuple[str, str]
    why: Literal["picture", "time"]
    distance: float


@dataclass(frozen=True)
class LeakReport:
    """How much of what is held out has a near-duplicate elsewhere; 0 is as it should be.

    Attributes:
        held_out: pictures of val and test.
        leaked: those of them with a near-duplicate in another split.
        by_picture: those with one that looks the same.
        by_time: those with one moments apart.
        worst: the closest pairs, at most `MOST_PAIRS`.
        distance: bits up to which two pictures were taken for near-duplicates.
        seconds: time below which two frames were.
    """

    held_out: int
    leaked: int
    by_picture: int
    by_time: int
    worst: tuple[Leak, ...]
    distance: int
    seconds: float

    @property
    def share(self) -> float:
        """Of the held-out pictures, those with a near-duplicate; 0 where nothing is held out."""
        return self.leaked / self.held_out if self.held_out else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as a card keeps it."""
        pairs = [
            {
                "held_out": leak.held_out,
                "twin": leak.other,
                "splits": list(leak.splits),
                "why": leak.why,
                "distance": round(leak.distance, 4),
            }
            for leak in self.worst[:10]
        ]
        return {
            "held_out": self.held_out,
            "leaked": self.leaked,
            "share": round(self.share, 4),
            "by_picture": self.by_picture,
            "by_time": self.by_time,
            "distance_bits": self.distance,
            "seconds": self.seconds,
            "worst": pairs,
        }


@dataclass(frozen=True)
class Prints:
    """What pictures are recognised by.

    Attributes:
        hashes: perceptual hashes, (N,).
        sketches: see `sketch_of`, (N, 1024).
    """

    hashes: NDArray[np.uint64]
    sketches: NDArray[np.int8]


def sketch_of(image: Picture) -> NDArray[np.int8]:
    """A picture as 32 x 32 grey values, (1024,), free of brightness and contrast.

    The mean is 0; 30 is one standard deviation.
    """
    small = Image.fromarray(image).convert("L").resize((_SKETCH_PX, _SKETCH_PX), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float32).ravel()
    grey = (grey - grey.mean()) / max(float(grey.std()), 4.0)
    return np.clip(np.rint(grey * _SKETCH_STEPS), -127, 127).astype(np.int8)


def leaks_among(
    records: Sequence[FrameRecord],
    prints: Prints,
    *,
    distance: int = DISTANCE,
    seconds: float = SECONDS,
) -> LeakReport:
    """Look for near-duplicates between the splits of a dataset.

    Args:
        records: pictures that are used.
        prints: what each is recognised by, in the same order.
        distance: bits of 64 in which the hashes of near-duplicates may differ.
        seconds: frames of one video closer than this are near-duplicates.
    """
    places = {
        split: np.array([i for i, record in enumerate(records) if record.split == split], dtype=np.intp)
        for split in ("train", "val", "test")
    }
    leaks: list[Leak] = []
    by_picture: set[int] = set()
    # Each held-out picture is compared with training, and a test picture with validation too.
    for held_out, other in (("test", "train"), ("val", "train"), ("test", "val")):
        for i, j, bits in _near_by_hash(records, prints, (places[held_out], places[other]), distance):
            by_picture.add(i)
            leaks.append(_leak(records[i], records[j], "picture", float(bits)))
    by_time = _near_in_time(records, seconds)
    leaks += [_leak(records[i], records[j], "time", gap) for i, (j, gap) in by_time.items()]
    # Bits and seconds are brought to one scale by what each allows at most.
    scale = {"picture": distance + 1.0, "time": seconds}
    leaks.sort(key=lambda leak: (leak.distance / scale[leak.why], leak.held_out, leak.other))
    return LeakReport(
        held_out=len(places["val"]) + len(places["test"]),
        leaked=len(by_picture | set(by_time)),
        by_picture=len(by_picture),
        by_time=len(by_time),
        worst=tuple(leaks[:MOST_PAIRS]),
        distance=distance,
        seconds=seconds,
    )


def _leak(
    held_out: FrameRecord, other: FrameRecord, why: Literal["picture", "time"], distance: float
) -> Leak:
    return Leak(held_out.file, other.file, (held_out.split, other.split), why, distance)


def _near_by_hash(
    records: Sequence[FrameRecord],
    prints: Prints,
    places: tuple[NDArray[np.intp], NDArray[np.intp]],
    distance: int,
) -> Iterator[tuple[int, int, int]]:
    """Held-out pictures that have near-duplicates, with the nearest one and the bits of difference."""
    mine, others = places
    _, nearest_bits = nearest_hashes(prints.hashes[mine], prints.hashes[others])
    sources = np.array([-1 if records[j].source is None else records[j].source for j in others])
    widest = max(distance, CANDIDATE_DISTANCE)
    for i in mine[nearest_bits <= widest].tolist():
        bits = hamming(prints.hashes[others], prints.hashes[i])
        near = np.argsort(bits, kind="stable")[:_CANDIDATES]
        near = near[bits[near] <= widest]
        near = near[np.bitwise_count(prints.hashes[others[near]]) >= FEWEST_BITS]
        apart = prints.sketches[others[near]].astype(np.float32) - prints.sketches[i]
        differences = np.sqrt(np.mean(apart**2, axis=1)) / _SKETCH_STEPS
        in_source = (sources[near] == records[i].source) & (sources[near] >= 0)
        equal = differences <= np.where(in_source, EQUAL_IN_SOURCE, EQUAL)
        alike = near[equal | (~in_source & (bits[near] <= distance))]
        if len(alike):
            yield i, int(others[alike[0]]), int(bits[alike[0]])


def _near_in_time(records: Sequence[FrameRecord], seconds: float) -> dict[int, tuple[int, float]]:
    """For each held-out frame with a frame of another split closer than `seconds`: that frame and the gap."""
    sources: dict[int, list[tuple[float, int]]] = {}
    for place, record in enumerate(records):
        if record.source is not None and record.seconds is not None:
            sources.setdefault(record.source, []).append((record.seconds, place))
    found: dict[int, tuple[int, float]] = {}
    for moments in sources.values():
        moments.sort()
        # Two passes in opposite directions: the nearest frame of another split lies before or behind.
        for position, other, gap in chain.from_iterable(
            _last_of_others(records, each) for each in (moments, moments[::-1])
        ):
            if gap < min(seconds, found.get(position, (0, seconds))[1]):
                found[position] = (other, gap)
    return found


def _last_of_others(
    records: Sequence[FrameRecord], moments: Sequence[tuple[float, int]]
) -> Iterator[tuple[int, int, float]]:
    """For each held-out frame the last frame of another split before it, and the seconds between them.

    Args:
        records: of the frames.
        moments: time and index of the frames of one video, in order, either way.
    """
    last: dict[str, tuple[float, int]] = {}
    for moment, position in moments:
        split = records[position].split
        last[split] = (moment, position)
        others = [(abs(moment - t), p) for other, (t, p) in last.items() if other != split]
        if split != "train" and others:
            gap, other = min(others)
            yield position, other, gap


def nearest_hashes(
    hashes: NDArray[np.uint64], others: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """For each of `hashes` the index of the nearest of `others`, and the bits in which the two differ.

    Returns:
        (N,) indices and (N,) bits, 0 to 64; 65 where a picture has no structure, or there are no others.

    >>> position, bits = nearest_hashes(np.array([255], np.uint64), np.array([0, 511], np.uint64))
    >>> position.tolist(), bits.tolist()
    ([1], [1])
    """
    count = len(hashes)
    places, bits = np.zeros(count, np.intp), np.full(count, 65, np.int64)
    has_structure = np.bitwise_count(others) >= FEWEST_BITS
    if not has_structure.any():
        return places, bits
    originals, others = np.flatnonzero(has_structure), others[has_structure]
    step = max(1, _CHUNK // len(others))
    for start in range(0, count, step):
        some = slice(start, start + step)
        differing = hamming(hashes[some, None], others[None, :])
        nearest = differing.argmin(axis=1)
        places[some] = originals[nearest]
        bits[some] = differing[np.arange(len(nearest)), nearest]
    bits[np.bitwise_count(hashes) < FEWEST_BITS] = 65
    return places, bits
