"""Clips: which frames of a dataset follow each other without a gap or a cut, and the windows cut from them.

Two layouts hold clips. Folders as `reskin prepare clips` makes them: a folder for each clip, in it its
frames, whose names end in consecutive numbers. And strips, as the authors of Recycle-GAN publish their data
(Bansal et al., ECCV 2018, https://arxiv.org/abs/1808.05174): three consecutive square frames side by side in
each image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reskin.data.cache import Cache, Fit, Source
from reskin.data.manifest import MANIFEST_NAME, read_manifest
from reskin.errors import DataError, ImageError, SettingsError
from reskin.images import Picture, read_image

STRIP_FRAMES = 3
"""Frames side by side in an image of the Recycle-GAN layout."""


class Position(NamedTuple):
    """Where a frame belongs: the clip or shot, and its number therein."""

    clip: tuple[str | int | None, ...]
    number: int


@dataclass(frozen=True)
class Windows:
    """The samples that a cache holds, each of `length` frames that follow each other.

    Attributes:
        starts: (M,), int64, the index in the cache of the first frame of each sample, or of its strip.
        length: frames in a sample; 1 for single images.
        are_strips: whether the frames of a sample lie one above the other in one cached picture.
        step: frames from one of a sample to the next; 1 for consecutive ones.
    """

    starts: NDArray[np.int64]
    length: int
    are_strips: bool = False
    step: int = 1

    def frames(self, cache: Cache, sample: int) -> list[Picture]:
        """The frames of sample number `sample`, in order; views, not copies."""
        start = int(self.starts[sample])
        if self.are_strips:
            return split_stack(cache.picture(start), self.length)
        return [cache.picture(start + number * self.step) for number in range(self.length)]


def positions(paths: Sequence[Path], root: Path) -> list[Position | None]:
    """Where each frame belongs, by the manifest of `root` where it says so, else by folder and name.

    Returns:
        One for each path; None for an image whose name ends in no number, which follows no other.
    """
    manifest = read_manifest(root) if (root / MANIFEST_NAME).is_file() else None
    records = {record.file: record for record in manifest.frames} if manifest else {}
    found: list[Position | None] = []
    for path in paths:
        below = path.relative_to(root) if path.is_relative_to(root) else path
        record = records.get(below.as_posix())
        if record is not None and record.index is not None:
            found.append(Position((record.source, record.shot, record.clip), record.index))
            continue
        number = re.search(r"([0-9]{1,18})$", path.stem)
        stem = path.stem[: number.start()] if number else path.stem
        found.append(Position((path.parent.as_posix(), stem), int(number[1])) if number else None)
    return found


def starts_of_windows(
    found: Sequence[Position | None], length: int, sizes: NDArray[np.int64] | None = None
) -> list[int]:
    """The indices at which `length` consecutive frames of one clip begin.

    Args:
        found: the position of each frame, in the order in which they lie.
        length: frames in a window.
        sizes: (N, 2), height and width of each; frames of other sizes do not follow each other.

    >>> found = [Position(("x",), number) for number in (1, 2, 3, 5, 6)]
    >>> starts_of_windows(found, 2)
    [0, 1, 3]
    """
    starts, run = [], 0
    for index, position in enumerate(found):
        before = found[index - 1] if index else None
        follows = position is not None and before == Position(position.clip, position.number - 1)
        if follows and sizes is not None:
            follows = bool((sizes[index] == sizes[index - 1]).all())
        run = run + 1 if follows else int(position is not None)
        if run >= length:
            starts.append(index - length + 1)
    return starts


def windows_in(cache: Cache, root: Path, length: int, *, are_strips: bool = False, step: int = 1) -> Windows:
    """All samples of `length` frames, each `step` behind the one before, that a cache holds.

    Raises:
        DataError: there are none.
        SettingsError: a step where there is nothing to step over: single images, or strips.
    """
    if step > 1 and (length == 1 or are_strips):
        what = "pictures that hold three frames each" if are_strips else "a method that learns single images"
        raise SettingsError(f"--frame-step {step} for {what}", "Leave --frame-step out.")
    if length == 1 or are_strips:
        return Windows(np.arange(len(cache)), length, are_strips)
    found = positions([source[0] for source in cache.sources], root)
    starts = starts_of_windows(found, span_of(length, step), cache.table[:, 1:])
    if not starts:
        raise no_clips(found, root, length, step)
    return Windows(np.array(starts, dtype=np.int64), length, step=step)


def span_of(length: int, step: int) -> int:
    """Consecutive frames from the first of `length` frames to the last, each `step` behind the one before.

    >>> span_of(3, 2)
    5
    """
    return (length - 1) * step + 1


def no_clips(found: Sequence[Position | None], root: Path, length: int, step: int = 1) -> DataError:
    """The error for a dataset without a single window."""
    span = span_of(length, step)
    longest = max((n for n in range(1, span) if starts_of_windows(found, n)), default=1)
    holds = "only single images" if longest == 1 else f"clips of {longest} at most"
    wanted = f"{span} consecutive frames" + (f" ({length} of them, {step} apart)" if step > 1 else "")
    return DataError(
        f"{root} has no {wanted}, which this method learns from; it holds {holds}",
        f"Make clips: reskin prepare clips VIDEO --out FOLDER --length {span}, and train on FOLDER.",
    )


def whole_clips(sources: Sequence[Source], root: Path, count: int) -> list[Source]:
    """At most `count` of the frames: whole clips, spread evenly over the dataset, as far as they fit."""
    found = positions([source[0] for source in sources], root)
    clips: dict[tuple[str | int | None, ...], list[Source]] = {}
    for source, position in zip(sources, found, strict=True):
        clips.setdefault(position.clip if position else (source[0].as_posix(),), []).append(source)
    groups = list(clips.values())
    number = max(1, len(groups) * count // max(1, len(sources)))
    chosen = [groups[i * len(groups) // number] for i in range(min(number, len(groups)))]
    return [source for group in chosen for source in group][:count]


def are_strips(paths: Sequence[Path], length: int) -> bool:
    """Whether images are strips of three square frames, judged by the first that can be read."""
    if length != STRIP_FRAMES:
        return False
    for path in paths:
        try:
            height, width = read_image(path).shape[:2]
        except ImageError:
            continue
        return width == STRIP_FRAMES * height
    return False


def fit_strip(fit: Fit) -> Fit:
    """What fits a strip: each of its frames is fitted by `fit`, and all are put one above the other."""

    def fitted(pictures: list[Picture]) -> Picture:
        (strip,) = pictures
        height, width = strip.shape[:2]
        if width != STRIP_FRAMES * height:
            raise ImageError(f"is {width}x{height}, no strip of {STRIP_FRAMES} square frames", "Remove it.")
        return stack([fit([frame]) for frame in np.split(strip, STRIP_FRAMES, axis=1)])

    return fitted


def fit_clip(fit: Fit, length: int) -> Fit:
    """What fits the pictures of `length` consecutive sources: each source by `fit`, one above the other."""

    def fitted(pictures: list[Picture]) -> Picture:
        each = len(pictures) // length
        return stack([fit(pictures[i * each : (i + 1) * each]) for i in range(length)])

    return fitted


def stack(frames: Sequence[Picture]) -> Picture:
    """Frames one above the other.

    Raises:
        ImageError: they have unequal sizes.
    """
    sizes = {frame.shape[:2] for frame in frames}
    if len(sizes) > 1:
        raise ImageError("the frames of a clip have unequal sizes", "Make the clip anew from one video.")
    return np.concatenate(list(frames))


def split_stack(picture: Picture, length: int) -> list[Picture]:
    """The frames that `stack` put one above the other."""
    return np.split(picture, length)
