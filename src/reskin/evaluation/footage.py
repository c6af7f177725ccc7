"""How near translations of footage come to the other footage, and what of the input they kept: no truth
needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from reskin.colour import to_lab
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

MOST_NOISE = 2.0
"""A translation is still enough if it makes fine noise at most so many times as strong."""

NOISE_LEVELS = 2
"""The noise by which that is tried: each value of a frame up to so many levels up or down, at random."""

MOST_FRAMES = 24
"""Held-out frames of each domain that are compared, evenly spread."""

KEPT_SHARE = 0.95
"""A translation has kept the structure of its input if it has at least this share of what colour transfer
keeps."""

CLIPPED_POINTS = 10.0
"""Points of a hundred by which clipped pixels may exceed those of the input, the target and colour
transfer."""

MOST_HAZE = 20.0
"""Levels by which the darkest pixels of a frame may rise above both what they were and those of the target,
on average over the frames that are as dark there as the target, to so many levels: fog has no dark pixels."""

LEAST_COLOURS, MOST_NEW = 0.65, 5.0
"""Colours have turned where the correlation of chroma with the input is less and more percent of the pixels
have colours that neither film has: green skin before a red wall for skin before a blue one. An orange sky may
become a blue one where the target has blue skies."""

GREY_BELOW = 4.0
"""Spread of chroma in a frame, in CIELAB units, below which it is as good as grey: no colours could turn."""

NEW_FROM, CHROMA_STEP, RARE = 8.0, 4, 0.001
"""A colour is new from so many CIELAB units (a and b) on away from all that at least this share of the pixels
of either film have, in steps of so many units."""

DARKEST = 1.0
"""Percent of the pixels of a frame that are its darkest."""


@dataclass(frozen=True)
class Closeness:
    """One way to change footage, measured.

    Attributes:
        distance: sliced Wasserstein distance of 5 px patches to the other footage, in levels; lower is
        closer.
        structure: local correlation with the input, 1 for all of its structure; higher is more kept.
        clipped: percent of pixels with a channel at black or white.
        noise: how many times as strong fine noise of the input becomes, 1 for the same: what a still
            picture would flicker.
        haze: levels by which what was dark has risen, see `MOST_HAZE`; 0 where nothing was dark.
        colours: correlation of chroma with the input's: 1 where colours differ as they did, -1 for a
            negative's; 1 where input or translation are grey.
        new: percent of pixels with a colour that neither film has, see `NEW_FROM`.
    """

    distance: float
    structure: float
    clipped: float
    noise: float = 1.0
    haze: float = 0.0
    colours: float = 1.0
    new: float = 0.0

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
        By name; besides the candidates "input", "reinhard" (colour transfer, see `fitted_reinhard`) and
        "target" (B itself, whose structure is 1 by definition).

    Raises:
        DataError: no readable held-out frame.
    """
    frames = list(find_held_out(Path(a), "a", limit=MOST_FRAMES))
    target = list(find_held_out(Path(b), "b", limit=MOST_FRAMES))
    shaken = _shaken(frames)
    reference = patches_of([_small(frame) for frame in target])
    is_new = _is_new(frames, target)
    found = {"target": Closeness(0.0, 1.0, _clipped(target))}
    baselines = {"input": _same, "reinhard": fitted_reinhard(a, b).transfer}
    for name, change in {**baselines, **candidates}.items():
        made = [change(frame) for frame in frames]
        small = [_small(frame) for frame in made]
        kept = [structure(one, _small(frame)) for one, frame in zip(small, frames, strict=True)]
        found[name] = Closeness(
            patch_distance(patches_of(small), reference).mean,
            float(torch.cat(kept).mean()),
            _clipped(made),
            _apart(made, [change(frame) for frame in shaken]) / _apart(frames, shaken),
            _haze(frames, made, target),
            _colours(frames, made),
            100 * float(_chroma_shares(made)[is_new].sum()),
        )
    return found


def fitted_reinhard(a: Path | str, b: Path | str) -> Reinhard:
    """Colour transfer that has learnt, as a method does, from training frames, where there are any.

    Raises:
        DataError: no readable frame.
    """
    sets = {"a": Path(a), "b": Path(b)}
    frames = {
        domain: _training_frames(sets[domain], domain)
        or list(find_held_out(sets[domain], domain, limit=MOST_FRAMES))
        for domain in get_args(Domain)
    }
    return Reinhard().fit(measure(frames["b"]), measure(frames["a"]))


def is_sound(found: Mapping[str, Closeness], name: str) -> bool:
    """Whether this candidate keeps the structure of its input, clips little, keeps still what is still,
    lays no haze over what is dark and turns no colours into such as neither film has."""
    return not faults(found, name)


def faults(found: Mapping[str, Closeness], name: str) -> list[str]:
    """What is wrong with a candidate, each in a few words; empty where it is sound."""
    most_clipped = CLIPPED_POINTS + max(found[of].clipped for of in ("input", "target", "reinhard"))
    one, least = found[name], KEPT_SHARE * found["reinhard"].structure
    said = []
    if one.structure < least:
        said.append(f"it keeps {one.structure:.2f} of the structure ({least:.2f} is wanted)")
    if one.clipped > most_clipped:
        said.append(f"it clips {one.clipped:.0f} % of the pixels")
    if one.noise > MOST_NOISE:
        said.append(f"it makes fine noise {one.noise:.1f} times as strong")
    if one.haze > MOST_HAZE:
        said.append(f"it lifts dark tones by {one.haze:.0f} levels, as haze does")
    if one.colours < LEAST_COLOURS and one.new > MOST_NEW:
        said.append(f"it turns colours into some that neither film has ({one.new:.0f} % of the pixels)")
    return said


def choose(found: Mapping[str, Closeness], candidates: Sequence[str]) -> tuple[str, str]:
    """The candidate that is nearest to the target among the sound ones (`is_sound`), and why, in one
    sentence.

    Where none is, the one that kept most structure is taken.
    """
    reinhard, untouched = found["reinhard"], found["input"]
    sound = [name for name in candidates if is_sound(found, name)]
    if sound:
        name = min(sound, key=lambda name: found[name].distance)
        reason = "the structure is kept" if len(candidates) == 1 else "nearest with the structure kept"
    else:
        name = max(candidates, key=lambda name: found[name].structure)
        reason = "none kept as much structure as wanted; this one kept most"
    one = found[name]
    distances = f"distance {one.distance:.1f}, colour transfer {reinhard.distance:.1f}"
    structures = f"structure {one.structure:.2f}, colour transfer {reinhard.structure:.2f}"
    return name, f"{name}: {reason} ({distances}, input {untouched.distance:.1f}; {structures})"


def _shaken(frames: Sequence[Picture]) -> list[Picture]:
    """The frames with fine noise, the same each time."""
    random = np.random.default_rng(0)
    noisy = [f + random.integers(-NOISE_LEVELS, NOISE_LEVELS + 1, f.shape, dtype=np.int16) for f in frames]
    return [frame.clip(0, 255).astype(np.uint8) for frame in noisy]


def _apart(one: Sequence[Picture], two: Sequence[Picture]) -> float:
    """Mean difference of pictures, in levels."""
    return float(np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in zip(one, two, strict=True)]))


def _training_frames(folder: Path, domain: Domain) -> list[Picture]:
    paths = split_images(folder, domain, "train")
    return [read_image(paths[index]) for index in spread(len(paths), MOST_FRAMES)]


def _same(frame: Picture) -> Picture:
    return frame


def _small(frame: Picture) -> torch.Tensor:
    edge = min(EDGE_PX, *frame.shape[:2])
    return to_tensor(resized(frame, edge))


def _haze(before: Sequence[Picture], made: Sequence[Picture], target: Sequence[Picture]) -> float:
    """Levels by which the darkest pixels of dark frames rise above what they were and those of the target."""
    level = float(np.mean([_darkest(frame) for frame in target]))
    pairs = [(_darkest(one), _darkest(other)) for one, other in zip(before, made, strict=True)]
    risen = [after - max(was, level) for was, after in pairs if was <= level + MOST_HAZE]
    return max(0.0, float(np.mean(risen))) if risen else 0.0


def _colours(before: Sequence[Picture], made: Sequence[Picture]) -> float:
    """Correlation of chroma with the input's, the mean over the frames that have colours before and after."""
    found = []
    for one, other in zip(before, made, strict=True):
        pair = [_chroma(frame) for frame in (one, other)]
        spread_of = [float(np.sqrt((chroma**2).sum(axis=1).mean())) for chroma in pair]
        if min(spread_of) >= GREY_BELOW:
            found.append(float((pair[0] * pair[1]).sum(axis=1).mean()) / (spread_of[0] * spread_of[1]))
    return float(np.mean(found)) if found else 1.0


def _chroma(frame: Picture) -> NDArray[np.float32]:
    """How far the a and b of CIELAB of each pixel are from their means over the frame, (pixels, 2)."""
    chroma = _a_and_b(frame)
    return chroma - chroma.mean(axis=0)


def _a_and_b(frame: Picture) -> NDArray[np.float32]:
    """The a and b of CIELAB of each pixel of a frame at the size of comparison, (pixels, 2)."""
    return to_lab(resized(frame, min(EDGE_PX, *frame.shape[:2])))[..., 1:].reshape(-1, 2)


def _chroma_shares(frames: Sequence[Picture]) -> NDArray[np.float64]:
    """Share of the pixels by their a and b, (64, 64)."""
    counts = np.zeros(64 * 64, np.int64)
    for frame in frames:
        steps = np.floor(_a_and_b(frame) / CHROMA_STEP).astype(np.int64).clip(-32, 31) + 32
        counts += np.bincount(64 * steps[:, 0] + steps[:, 1], minlength=64 * 64)
    return np.asarray(counts / max(1, counts.sum())).reshape(64, 64)


def _is_new(*films: Sequence[Picture]) -> NDArray[np.bool_]:
    """Which a and b are far from all that any of the films has, (64, 64)."""
    import cv2

    is_there = np.any([_chroma_shares(frames) >= RARE for frames in films], axis=0)
    away = cv2.distanceTransform((~is_there).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(CHROMA_STEP * away > NEW_FROM)


def _darkest(frame: Picture) -> float:
    """Brightness under which `DARKEST` percent of a frame's pixels lie, in levels."""
    return float(np.percentile(frame.mean(axis=2), DARKEST))


def _clipped(frames: Sequence[Picture]) -> float:
    """Percent of pixels with a channel at black or white, to a level."""
    shares = [float(((frame <= 1) | (frame >= 254)).any(axis=2).mean()) for frame in frames]
    return 100 * float(np.mean(shares))
