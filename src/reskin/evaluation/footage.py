"""How near translations of footage come to the other footage, and what of the input they kept: no truth
needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from reskin.data.folders import split_images
from reskin.evaluation.pictures import find_held_out, resized
from reskin.evaluation.reinhard import Reinhard, measure
from reskin.images import Picture, read_image, to_tensor
from reskin.metrics.patch_swd import patch_distance, patches_of
from reskin.metrics.structure import structure
from reskin.spread import spread
from reskin.types import Domain

EDGE_PX = 144
"""Shorter edge at which footage is compared: what people see of a look, and no single pixels."""

MOST_FRAMES = 24
"""Held-out frames of each domain that are compared, evenly spread."""

KEPT_SHARE = 0.95
"""A translation has kept the structure of its input if it has at least this share of what colour transfer
keeps."""

CLIPPED_POINTS = 10.0
"""Points of a hundred by which clipped pixels may exceed those of the input, the target and colour
transfer."""


@dataclass(frozen=True)
class Closeness:
    """One way to change footage, measured.

    Attributes:
        distance: sliced Wasserstein distance of 5 px patches to the other footage, in levels; lower is
        closer.
        structure: local correlation with the input, 1 for all of its structure; higher is more kept.
        clipped: percent of pixels with a channel at black or white.
    """

    distance: float
    structure: float
    clipped: float

    def to_dict(self) -> dict[str, float]:
        """JSON-ready."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def compare_footage(
    a: Path | str, b: Path | str, candidates: Mapping[str, Callable[[Picture], Picture]]
) -> dict[str, Closeness]:
    """Held-out frames of A, changed in several ways, against held-out frames of B.

    Args:
        a: dataset of domain A.
        b: dataset of domain B.
        candidates: name to a function of one frame, (H, W, 3) uint8, which keeps its size.

    Returns:
        By name; besides the candidates "input", "reinhard" (colour transfer, learnt as they were from
        training frames where there are any) and "target" (B itself, whose structure is 1 by definition).

    Raises:
        DataError: no readable held-out frame.
    """
    frames = list(find_held_out(Path(a), "a", limit=MOST_FRAMES))
    target = list(find_held_out(Path(b), "b", limit=MOST_FRAMES))
    learnt_b = _training_frames(Path(b), "b") or target
    learnt_a = _training_frames(Path(a), "a") or frames
    reinhard = Reinhard().fit(measure(learnt_b), measure(learnt_a))
    ways: dict[str, Callable[[Picture], Picture]] = {"input": _same, "reinhard": reinhard.transfer}
    reference = patches_of([_small(frame) for frame in target])
    found = {"target": Closeness(0.0, 1.0, _clipped(target))}
    for name, change in {**ways, **candidates}.items():
        made = [change(frame) for frame in frames]
        small = [_small(frame) for frame in made]
        kept = [structure(one, _small(frame)) for one, frame in zip(small, frames, strict=True)]
        distance = patch_distance(patches_of(small), reference).mean
        found[name] = Closeness(distance, float(torch.cat(kept).mean()), _clipped(made))
    return found


def choose(found: dict[str, Closeness], candidates: Sequence[str]) -> tuple[str, str]:
    """The candidate that is nearest to the target among those that kept the structure, and why, in one
    sentence.

    Where none has kept it, the one that kept most is taken.
    """
    reinhard = found["reinhard"]
    most_clipped = CLIPPED_POINTS + max(found[name].clipped for name in ("input", "target", "reinhard"))
    sound = [
        name
        for name in candidates
        if found[name].structure >= KEPT_SHARE * reinhard.structure and found[name].clipped <= most_clipped
    ]
    if sound:
        name = min(sound, key=lambda name: found[name].distance)
        reason = "the structure is kept" if len(candidates) == 1 else "nearest with the structure kept"
    else:
        name = max(candidates, key=lambda name: found[name].structure)
        reason = "none kept as much structure as wanted; this one kept most"
    one, untouched = found[name], found["input"]
    distances = f"distance {one.distance:.1f}, colour transfer {reinhard.distance:.1f}"
    structures = f"structure {one.structure:.2f}, colour transfer {reinhard.structure:.2f}"
    return name, f"{name}: {reason} ({distances}, input {untouched.distance:.1f}; {structures})"


def _training_frames(folder: Path, domain: Domain) -> list[Picture]:
    paths = split_images(folder, domain, "train")
    return [read_image(paths[index]) for index in spread(len(paths), MOST_FRAMES)]


def _same(frame: Picture) -> Picture:
    return frame


def _small(frame: Picture) -> torch.Tensor:
    edge = min(EDGE_PX, *frame.shape[:2])
    return to_tensor(resized(frame, edge))


def _clipped(frames: Sequence[Picture]) -> float:
    """Percent of pixels with a channel at black or white, to a level."""
    shares = [float(((frame <= 1) | (frame >= 254)).any(axis=2).mean()) for frame in frames]
    return 100 * float(np.mean(shares))
