"""The facts about a video, without whatever reads them from a file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video.

    Attributes:
        path: the file.
        width: pixels of an upright frame as `VideoReader` gives it: rotation applied, and pixels made square
            (a sample aspect ratio above 1 widens the frame, one below 1 makes it taller; nothing shrinks).
        height: pixels, see `width`.
        frame_rate: average frames per second.
        frames: how many frames the container states or, where it states none, its duration times the frame
            rate; None when it gives neither.
        duration: seconds, or None when the container does not say.
        has_sound: whether there is at least one sound track.
        sound_codec: codec of the first sound track, such as "aac".
        codec: codec of the pictures, such as "h264".
        pixel_format: FFmpeg's name of the stored pixel format, such as "yuv420p10le".
        rotation: degrees counterclockwise that set stored frames upright: 0, 90, 180 or 270.
        bit_depth: bits of each stored colour sample.
    """

    path: Path
    width: int
    height: int
    frame_rate: Fraction
    frames: int | None
    duration: Fraction | None
    has_sound: bool
    sound_codec: str | None
    codec: str
    pixel_format: str
    rotation: int
    bit_depth: int
