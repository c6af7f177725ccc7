"""Which frames of which video become pictures, and what those are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from reskin.data.folders import unique_names
from reskin.data.prepare.config import FramesConfig

DEFAULT_FRAMES = 1000
"""About how many frames are taken in all where nothing is asked for."""

Times = Sequence[Sequence[Fraction]]
"""For each video the time of each of its frames, in seconds, rising."""


def default_every(times: Times) -> int:
    """The step from frame to frame by which about `DEFAULT_FRAMES` frames come out."""
    return max(1, sum(map(len, times)) // DEFAULT_FRAMES)


def pick_frames(times: Times, config: FramesConfig) -> list[list[int]]:
    """The numbers of the frames to take from each video, rising; a pure function of its arguments."""
    if config.count is not None:
        return _random_picks([len(video) for video in times], config.count, config.seed)
    if config.per_second is not None:
        return [_regular_picks(video, Fraction(str(config.per_second))) for video in times]
    every = config.every or default_every(times)
    return [list(range(0, len(video), every)) for video in times]


def _random_picks(counts: list[int], count: int, seed: int) -> list[list[int]]:
    """`count` distinct frames over the whole of all videos; all of them if there are no more."""
    total = sum(counts)
    chosen = np.random.default_rng([seed % 2**64]).choice(total, min(count, total), replace=False)
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
