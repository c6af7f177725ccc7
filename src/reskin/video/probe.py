"""What a video file holds, without decoding more than its first frame."""

from __future__ import annotations

from pathlib import Path

from reskin.video.info import VideoInfo

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts"}
    | {".flv", ".wmv", ".ogv"}
)
"""Endings of files that are taken for videos; what is inside is checked when the file is opened."""


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
