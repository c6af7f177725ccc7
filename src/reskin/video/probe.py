"""What a video file holds, without decoding more than its first frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts"}
    | {".flv", ".wmv", ".ogv"}
)
"""Endings of files that are taken for videos; what is inside is checked when the file is opened."""


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


def is_video_name(path: Path | str) -> bool:
    """Whether a file is called like a video; says nothing about what is in it.

    >>> is_video_name("film.MP4"), is_video_name("film.mp4.txt")
    (True, False)
    """
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def probe(path: Path | str) -> VideoInfo:
    """The facts about a video file.

    Raises:
        NotAVideoError: missing, a folder, a device, empty, or of a kind that is not on the allow list.
        NoFramesError: no picture in it can be decoded (sound only, cover art only, zero frames).
        DamagedVideoError: cut short so that its index is missing.
        CodecError: no decoder for its pictures.
    """
    from reskin.video.source import describe  # Keeps names checkable without loading FFmpeg.

    return describe(Path(path))
