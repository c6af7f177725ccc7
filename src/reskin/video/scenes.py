"""Where the shots of a video begin: cuts, found by PySceneDetect in frames that our own reader decodes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from reskin.errors import SettingsError
from reskin.video.reader import VideoReader

_LOOK_PX = 256
"""Longer edge at which frames are compared: enough for a cut, and a tenth of the work of 720p."""

_SHORTEST_SECONDS = Fraction(1, 4)
"""No shot is shorter: two cuts within this time count as one."""

_BLACK = 3
"""Mean level, 0 to 255, below which a frame counts as black between two scenes."""

_NOMINAL_RATE = 25.0
"""The detectors count frames; the rate they are given does not matter to them."""


def find_shots(
    path: Path | str, *, part: range | None = None, progress: Callable[[int, int], None] | None = None
) -> list[int]:
    """The number of the first frame of each shot, rising; the first is 0, or the first of `part`.

    Hard cuts are found by how much a frame differs from the one before, measured against the frames around
    it, so that a fast pan is no cut; where a scene fades to black and another comes up, the cut lies in the
    black, or the black is a shot of its own. A dissolve from picture to picture may be missed. Every frame is
    decoded once, by `VideoReader`, so what it refuses is refused here.

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
        for frame in reader if part is None else reader.frames_at(part):
            at = timecode(frame.index, _NOMINAL_RATE)
            # The detectors want BGR.
            image = frame.image[:, :, ::-1]
            cuts += [cut.frame_num for cut in cut_detector.process_frame(at, image)]
            fades += [cut.frame_num for cut in fade_detector.process_frame(at, image)]
            if progress:
                progress(frame.index + 1 - numbers.start, len(numbers))
    return [numbers.start, *_merged(cuts, fades, shortest, first=numbers.start)]


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
