"""Runs of consecutive frames as pictures, for methods that learn from motion such as Recycle-GAN.

Each clip is a folder of its own, named after its video and the number of its first frame; in it lie its
frames, named by their numbers:

    data/anna/train/anna-000120/000120.png
                                000121.png
                                000122.png

So the pictures of a clip are those of one folder in the order of their names, with or without the manifest,
and whoever wants single pictures reads the whole as an ordinary dataset. The manifest gives each picture its
`clip` (a number over the whole dataset), its `shot` and its exact time. A clip lies within one shot and one
split; its frames follow each other without a gap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median_low
from typing import Any

from reskin.curation.prepare.assign import Unit, split_by, split_units
from reskin.curation.prepare.config import ClipsConfig
from reskin.curation.prepare.picks import frames_used, random_picks, shots_used
from reskin.curation.prepare.process_pool import Workers
from reskin.curation.prepare.videos import Options, Pick, Source, prepare_videos
from reskin.data.manifest import Manifest
from reskin.errors import DataError
from reskin.progress import Report
from reskin.types import Split

__all__ = ["ClipsConfig", "prepare_clips"]

_LONGEST_STEP = 4
"""Frames further apart than this many times the usual step are not consecutive: some were dropped between."""


def prepare_clips(
    videos: Sequence[Path],
    out: Path,
    config: ClipsConfig,
    *,
    report: Report | None = None,
    workers: Workers = None,
    add: bool = False,
) -> Manifest:
    """Take clips of consecutive frames from videos and write them as folders of pictures under `out`.

    In all else this does as `prepare_frames`: the arguments, what is raised, and that running it again goes
    on. A clip of which a frame is damaged is left out.
    """

    options = Options(workers=workers, add=add, report=report)
    return prepare_videos(videos, out, config, partial(choose_clips, config=config), options)


def choose_clips(
    sources: list[Source], before: Manifest | None, config: ClipsConfig
) -> tuple[list[list[Pick]], dict[str, Any]]:
    """Which frames, in clips, to take of each video; see `reskin.curation.prepare.videos.Choose`."""
    config = config.skipping([source.skip for source in sources])
    times = [source.scan.times() for source in sources]
    starts = []
    for of, used, source in zip(times, frames_used(times, config), sources, strict=True):
        shots = shots_used(source.scan.shots or [0], used)
        starts.append([start for shot in shots for start in _starts(of, shot, config)])
    if config.count is not None:
        seed = [config.seed, 0 if before is None else len(before.sources)]
        chosen = random_picks([len(mine) for mine in starts], config.count, seed)
        starts = [[mine[place] for place in places] for mine, places in zip(starts, chosen, strict=True)]
    units = [
        [Unit(of[start], bisect_right(source.scan.shots or [0], start) - 1) for start in mine]
        for of, source, mine in zip(times, sources, starts, strict=True)
    ]
    by = split_by(units, config, before)
    stride = config.stride or config.length
    overlapping = -(-config.length // stride)
    if by == "random" and overlapping > 1:
        what = "clips that share frames cannot be split at random: the test would hold what was trained on"
        raise DataError(what, "Split by block, or give no --stride.")
    splits = split_units(units, config, by=by, before=before, least_guard=overlapping)
    return _picks(sources, units, (starts, splits), _next_clip(before), config, by == "none"), {
        "split_used": by
    }


def _starts(times: Sequence[Fraction], shot: range, config: ClipsConfig) -> list[int]:
    """The first frames of the clips in a shot."""
    steps = [times[index + 1] - times[index] for index in shot[:-1]]
    longest = _LONGEST_STEP * median_low(steps) if steps else Fraction(0)
    starts, run = [], shot.start
    for index in shot:
        if index > shot.start and times[index] - times[index - 1] > longest:
            run = index
        stride = config.stride or config.length
        first = index - config.length + 1
        if first >= run and (first - run) % stride == 0:
            starts.append(first)
    return starts


def _picks(
    sources: list[Source],
    units: list[list[Unit]],
    placed: tuple[list[list[int]], list[list[Split | None]]],
    clip: int,
    config: ClipsConfig,
    is_flat: bool,
) -> list[list[Pick]]:
    all_picks = []
    for source, mine, starts, splits in zip(sources, units, *placed, strict=True):
        picks: list[Pick] = []
        for unit, start, split in zip(mine, starts, splits, strict=True):
            if split is None:
                continue
            folder = f"{'' if is_flat else f'{split}/'}{source.name}-{start:06d}"
            for index in range(start, start + config.length):
                file = f"{folder}/{index:06d}.{config.format}"
                picks.append(Pick(index, file, split, shot=unit.shot, clip=clip))
            clip += 1
        all_picks.append(picks)
    return all_picks


def _next_clip(before: Manifest | None) -> int:
    known = [frame.clip for frame in before.frames if frame.clip is not None] if before else []
    return max(known, default=-1) + 1
