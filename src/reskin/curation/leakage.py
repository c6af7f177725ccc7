"""Whether what is held out resembles what is trained on: then every score is better than it should be.

Two pictures of different splits are twins when a perceptual hash can hardly tell them apart, or when they are
frames of one video a fraction of a second apart. Frames of one video show one scene, and somebody who talks
looks the same to a hash all the time: they are twins only when their small grey versions are equal too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.curation.adopt import open_set
from reskin.curation.phash import SAME, hamming, phash
from reskin.data.manifest import FrameRecord, Manifest
from reskin.errors import ImageError
from reskin.images import Picture, read_image

DISTANCE = SAME
"""Bits of 64 in which the hashes of twins may differ, whatever their sketches say."""
CANDIDATE_DISTANCE = 12
"""Up to so many bits, two pictures are twins if their sketches are equal too."""
FEWEST_BITS = 8
"""A hash with fewer bits set is of a picture without structure, such as a fade to black: it has no twin."""
SECONDS = 0.5
"""Frames of one video that are closer than this are twins."""
MOST_PAIRS = 50
"""Pairs that a report keeps, the worst first."""

TWIN_DIFFERENCE = 0.15
"""Root mean square difference of two sketches up to which they are equal; JPEG, another size and brightness
give 0.01 to 0.1."""
TWIN_DIFFERENCE_IN_SOURCE = 0.06
"""The same for frames of one video, where somebody who talks gives 0.07 to 0.4 seconds later."""

_CHUNK = 1 << 22
_SKETCH_PX = 32
_SKETCH_STEPS = 30.0
_CANDIDATES = 256


@dataclass(frozen=True)
class Leak:
    """A held-out picture and its twin in another split.

    Attributes:
        held_out: path of the held-out picture, below the set's folder.
        twin: path of the other one.
        splits: of the two.
        why: "picture" (equal to the eye) or "time" (moments apart).
        distance: bits in which the hashes differ, or seconds between the two.
    """

    held_out: str
    twin: str
    splits: tuple[str, str]
    why: Literal["picture", "time"]
    distance: float


@dataclass(frozen=True)
class LeakReport:
    """How much of what is held out has a twin elsewhere; 0 is as it should be.

    Attributes:
        held_out: pictures of val and test.
        leaked: those of them with a twin in another split.
        by_picture: those with a twin that looks the same.
        by_time: those with a twin moments apart.
        worst: the closest pairs, at most `MOST_PAIRS`.
        distance: bits up to which two pictures were taken for twins.
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
        """Of the held-out pictures, those with a twin; 0 where nothing is held out."""
        return self.leaked / self.held_out if self.held_out else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as a card keeps it."""
        pairs = [
            {
                "held_out": leak.held_out,
                "twin": leak.twin,
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


def find_leaks(
    folder: Path | Manifest, *, root: Path | None = None, distance: int = DISTANCE, seconds: float = SECONDS
) -> LeakReport:
    """Look for twins between the splits of a set; pictures that are left out or unreadable do not count.

    Args:
        folder: of the set, with or without a manifest; or its manifest.
        root: where the pictures of a manifest lie.
        distance: bits of 64 in which the hashes of twins may differ.
        seconds: frames of one video closer than this are twins.

    Raises:
        DataError: the folder is missing or its manifest damaged.
    """
    if isinstance(folder, Manifest):
        manifest = folder
    else:
        root, manifest = folder, open_set(folder)
    records, hashes, sketches = [], [], []
    for record in manifest.used():
        try:
            image = read_image((root or Path()) / record.file)
        except ImageError:  # counted and named where the set is measured
            continue
        records.append(record)
        hashes.append(phash(image))
        sketches.append(sketch_of(image))
    prints = Prints(np.array(hashes, np.uint64), np.array(sketches, np.int8).reshape(len(hashes), -1))
    return leaks_among(records, prints, distance=distance, seconds=seconds)


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
    """The same for pictures whose hashes and sketches are known."""
    places = {
        split: np.array([i for i, record in enumerate(records) if record.split == split], dtype=np.intp)
        for split in ("train", "val", "test")
    }
    leaks: list[Leak] = []
    by_picture: set[int] = set()
    # Each held-out picture is compared with training, and a test picture with validation too.
    for held_out, other in (("test", "train"), ("val", "train"), ("test", "val")):
        for i, j, bits in _twins_to_the_eye(records, prints, (places[held_out], places[other]), distance):
            by_picture.add(i)
            leaks.append(_leak(records[i], records[j], "picture", float(bits)))
    by_time = _twins_in_time(records, seconds)
    leaks += [_leak(records[i], records[j], "time", gap) for i, (j, gap) in by_time.items()]
    # Bits and seconds are brought to one scale by what each allows at most.
    scale = {"picture": distance + 1.0, "time": seconds}
    leaks.sort(key=lambda leak: (leak.distance / scale[leak.why], leak.held_out, leak.twin))
    return LeakReport(
        held_out=len(places["val"]) + len(places["test"]),
        leaked=len(by_picture | set(by_time)),
        by_picture=len(by_picture),
        by_time=len(by_time),
        worst=tuple(leaks[:MOST_PAIRS]),
        distance=distance,
        seconds=seconds,
    )


def _leak(held_out: FrameRecord, twin: FrameRecord, why: Literal["picture", "time"], distance: float) -> Leak:
    return Leak(held_out.file, twin.file, (held_out.split, twin.split), why, distance)


def _twins_to_the_eye(
    records: Sequence[FrameRecord],
    prints: Prints,
    places: tuple[NDArray[np.intp], NDArray[np.intp]],
    distance: int,
) -> Iterator[tuple[int, int, int]]:
    """For each held-out picture that has one, its nearest twin and the bits in which the hashes differ."""
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
        equal = differences <= np.where(in_source, TWIN_DIFFERENCE_IN_SOURCE, TWIN_DIFFERENCE)
        twins = near[equal | (~in_source & (bits[near] <= distance))]
        if len(twins):
            yield i, int(others[twins[0]]), int(bits[twins[0]])


def _twins_in_time(records: Sequence[FrameRecord], seconds: float) -> dict[int, tuple[int, float]]:
    """For each held-out frame with a frame of another split closer than `seconds`: that frame and the gap."""
    sources: dict[int, list[tuple[float, int]]] = {}
    for place, record in enumerate(records):
        if record.source is not None and record.seconds is not None:
            sources.setdefault(record.source, []).append((record.seconds, place))
    found: dict[int, tuple[int, float]] = {}
    for moments in sources.values():
        moments.sort()
        # Two passes in opposite directions: the nearest frame of another split lies before or behind.
        for run in (moments, moments[::-1]):
            last: dict[str, tuple[float, int]] = {}
            for moment, place in run:
                split = records[place].split
                last[split] = (moment, place)
                others = [(abs(moment - t), p) for other, (t, p) in last.items() if other != split]
                if split == "train" or not others:
                    continue
                gap, twin = min(others)
                if gap < min(seconds, found.get(place, (0, seconds))[1]):
                    found[place] = (twin, gap)
    return found


def nearest_hashes(
    hashes: NDArray[np.uint64], others: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """For each of `hashes` the place of the nearest of `others`, and the bits in which the two differ.

    Returns:
        (N,) places and (N,) bits, 0 to 64; 65 where a picture has no structure, or there are no others.

    >>> place, bits = nearest_hashes(np.array([255], np.uint64), np.array([0, 511], np.uint64))
    >>> place.tolist(), bits.tolist()
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
