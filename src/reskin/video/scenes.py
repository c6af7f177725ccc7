"""Where the shots of a video begin: cuts, found by PySceneDetect in frames that our own reader decodes."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reskin.errors import SettingsError
from reskin.progress import Report
from reskin.video.reader import VideoReader

_LOOK_PX = 256
"""Longer edge at which frames are compared: enough for a cut, and a tenth of the work of 720p."""

_SHORTEST_SECONDS = Fraction(1, 4)
"""Two doubtful cuts within this time count as one."""

_BLACK = 3
"""Mean level, 0 to 255, below which a frame counts as black between two scenes."""

_ABRUPT_LEVELS, _ABRUPT_LIKENESS = 25.0, 0.3
"""Mean difference in levels, and correlation, of two frames in a row between which there is a cut whatever
lies around them."""

_TINY_PX = (32, 18)
"""Width and height at which that correlation is measured: nothing that moves a little matters there."""

_NOMINAL_RATE = 25.0
"""The detectors count frames; the rate they are given does not matter to them."""


def find_shots(path: Path | str, *, part: range | None = None, progress: Report | None = None) -> list[int]:
    """The number of the first frame of each shot, rising; the first is 0, or the first of `part`.

    Hard cuts are found by how much a frame differs from the one before, measured against the frames around
    it, so that a fast pan is no cut; between two frames that are nothing like each other there is one
    whatever lies around them, so that cuts in quick succession and those in the first and last frames are
    found. Where a scene fades to black and another comes up, the cut lies in the black, or the black is a
    shot of its own. A dissolve from picture to picture may be missed. Every frame is decoded once, by
    `VideoReader`, so what it refuses is refused here.

    Args:
        path: a local file.
        part: numbers of the frames to look at; by default all.
        progress: called after each frame with how many of how many have been looked at.

    Returns:
        At least one number.

    Raises:
        VideoError: the file cannot be read; see `VideoReader`.
        SettingsError: PySceneDetect is not installed.
    """
    with VideoReader(path, longest_px=_LOOK_PX, deinterlace="off") as reader:
        numbers = part if part is not None else range(len(reader.times()))
        shortest = max(2, round(_SHORTEST_SECONDS * reader.info.frame_rate))
        cut_detector, fade_detector, timecode = _detectors(shortest)
        cuts: list[int] = []
        fades: list[int] = []
        before: NDArray[np.float32] | None = None
        for frame in reader if part is None else reader.frames_at(part):
            at = timecode(frame.index, _NOMINAL_RATE)
            # The detectors want BGR.
            image = frame.image[:, :, ::-1]
            cuts += [cut.frame_num for cut in cut_detector.process_frame(at, image)]
            fades += [cut.frame_num for cut in fade_detector.process_frame(at, image)]
            tiny = _tiny(frame.image)
            if before is not None and _nothing_alike(before, tiny):
                cuts.append(frame.index)
            before = tiny
            if progress:
                progress(frame.index + 1 - numbers.start, len(numbers))
    return [numbers.start, *_merged(cuts, fades, shortest, first=numbers.start)]


def _tiny(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, _TINY_PX, interpolation=cv2.INTER_AREA), np.float32)


def _nothing_alike(before: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
    if np.abs(now - before).mean() < _ABRUPT_LEVELS:
        return False
    one, other = before - before.mean(), now - now.mean()
    sizes = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return sizes > 0 and float((one * other).sum()) < _ABRUPT_LIKENESS * sizes


def _merged(cuts: list[int], fades: list[int], shortest: int, *, first: int) -> list[int]:
    """Both, rising, without fades that a cut beside them says already."""
    cuts = sorted({cut for cut in cuts if cut > first})
    alone = [fade for fade in fades if fade > first and _distance(fade, cuts) > 2 * shortest]
    return sorted({*cuts, *alone})


def _distance(frame: int, cuts: list[int]) -> float:
    place = bisect_left(cuts, frame)
    return min((abs(frame - cut) for cut in cuts[max(0, place - 1) : place + 1]), default=float("inf"))


def _detectors(shortest: int) -> tuple[Any, Any, Any]:
    try:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector, ThresholdDetector
    except ImportError as error:
        what = f"finding shots needs PySceneDetect, which cannot be loaded ({error})"
        raise SettingsError(what, "Type: pip install scenedetect-headless") from error
    cut_detector = AdaptiveDetector(min_scene_len=shortest)
    return cut_detector, ThresholdDetector(threshold=_BLACK, min_scene_len=shortest), FrameTimecode
