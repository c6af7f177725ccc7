"""Which frames of which video become pictures, and what those are called."""

from __future__ import annotations

import re
from collections.abc import Sequence, Sized
from fractions import Fraction
from itertools import pairwise

import numpy as np

from reskin.curation.prepare.config import FramesConfig, VideoConfig
from reskin.curation.prepare.scan import frames_between
from reskin.data.folders import unique_names

DEFAULT_FRAMES = 1000
"""About how many frames are taken in all where nothing is asked for."""

MOST_A_SECOND = 5
"""Frames of a second where nothing is asked for: closer ones are near-duplicates and leak."""

Times = Sequence[Sequence[Fraction]]
"""For each video the time of each of its frames, in seconds, rising."""


def default_every(used: Sequence[Sized], times: Times) -> int:
    """The step by which about `DEFAULT_FRAMES` come out, and no more than `MOST_A_SECOND`.

    Args:
        used: the frames of each video that may be taken.
        times: see `Times`.

    >>> default_every([range(240)], [[Fraction(index, 30) for index in range(240)]])
    6
    """
    rates = [1 / spacing for of in times if (spacing := mean_spacing(of, range(len(of))))]
    return max(1, sum(map(len, used)) // DEFAULT_FRAMES, round(max(rates, default=0.0) / MOST_A_SECOND))


def pick_frames(
    times: Times,
    config: FramesConfig,
    *,
    shots: Sequence[Sequence[int]] | None = None,
    after: int = 0,
) -> list[list[int]]:
    """The numbers of the frames to take from each video, rising; a pure function of its arguments.

    Args:
        times: see `Times`.
        config: which frames.
        shots: for each video the first frame of each shot; needed for `per_shot`.
        after: videos that the dataset has already; another number draws other random frames.
    """
    inside = frames_used(times, config)
    if config.count is not None:
        picks = random_picks([len(used) for used in inside], config.count, [config.seed, after])
        return [[used[place] for place in chosen] for used, chosen in zip(inside, picks, strict=True)]
    if config.per_second is not None:
        rate = Fraction(str(config.per_second))
        ranges = zip(times, inside, strict=True)
        return [
            [used[place] for place in _regular_picks(video[used.start : used.stop], rate)]
            for video, used in ranges
        ]
    if config.per_shot is not None:
        assert shots is not None
        return [
            _shot_picks(starts, used, config.per_shot) for starts, used in zip(shots, inside, strict=True)
        ]
    every = config.every or default_every(inside, times)
    return [list(used[::every]) for used in inside]


def frames_used(times: Times, config: VideoConfig) -> list[range]:
    """The frames of each video that are not skipped.

    Raises:
        SettingsError: the times to skip are not one for all or one for each.
    """
    skipped = config.skipped(len(times))
    return [frames_between(video, *skip) for video, skip in zip(times, skipped, strict=True)]


def shots_used(starts: Sequence[int], used: range) -> list[range]:
    """The part of each shot that is used; shots without any are left out.

    >>> shots_used([0, 4, 9], range(2, 8))
    [range(2, 4), range(4, 8)]
    """
    edges = [*starts, used.stop]
    parts = [range(max(a, used.start), min(b, used.stop)) for a, b in pairwise(edges)]
    return [part for part in parts if len(part)]


def _shot_picks(starts: Sequence[int], used: range, number: int) -> list[int]:
    """`number` frames of each shot (all of a shorter one), in the middles of equal parts."""
    picks = []
    for shot in shots_used(starts, used):
        wanted = min(number, len(shot))
        picks += [shot[(2 * i + 1) * len(shot) // (2 * wanted)] for i in range(wanted)]
    return picks


def random_picks(counts: Sequence[int], count: int, seed: Sequence[int]) -> list[list[int]]:
    """`count` distinct positions over the whole of all videos; all of them if there are no more.

    Args:
        counts: positions in each video.
        count: how many to take.
        seed: whole numbers that decide which.
    """
    total = sum(counts)
    rng = np.random.default_rng([part % 2**64 for part in seed])
    chosen = rng.choice(total, min(count, total), replace=False)
    starts = np.concatenate([[0], np.cumsum(counts)])
    picks = []
    for start, end in pairwise(starts):
        inside = chosen[(chosen >= start) & (chosen < end)] - start
        picks.append(sorted(int(index) for index in inside))
    return picks


def _regular_picks(times: Sequence[Fraction], rate: Fraction) -> list[int]:
    """The first frame at or after each multiple of 1 / rate seconds since the first frame, each once."""
    picks = []
    due = 0  # ticks; comparing whole ticks keeps the arithmetic exact
    for index, time in enumerate(times):
        passed = (time - times[0]) * rate
        if passed >= due:
            picks.append(index)
            due = passed.__floor__() + 1
    return picks


def mean_spacing(times: Sequence[Fraction], picks: Sequence[int]) -> float:
    """Seconds between one picked frame and the next, on average; 0 for fewer than two."""
    if len(picks) < 2:
        return 0.0
    return float(times[picks[-1]] - times[picks[0]]) / (len(picks) - 1)


def clip_names(stems: Sequence[str]) -> list[str]:
    """What the pictures of each video are called: its stem, safe on every disk, and no two alike.

    >>> clip_names(["My film: part 1", "../x", "clip", "CLIP"])
    ['My film_ part 1', 'x', 'clip', 'CLIP-2']
    """
    return unique_names([_safe(stem) for stem in stems])


def _safe(stem: str) -> str:
    kept = re.sub(r"[^\w .()+-]", "_", stem).strip(" .-_")
    # 60 characters are at most 240 bytes, so that the frame's number and the ending fit into 255.
    return kept[:60].rstrip(" .") or "clip"
