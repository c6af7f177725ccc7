"""What `make` is given: its size and length, and what of it is refused before the work begins."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from reskin.errors import NoFramesError, SettingsError

LEAST_EDGE_PX = 32
"""Frames with a shorter edge than this are too small to learn from."""


def check_footage(domains: Sequence[Sequence[Path]]) -> None:
    """Refuse now what could not be learnt from.

    Args:
        domains: what is given for A and for B.

    Raises:
        SettingsError: several folders for one domain, the same footage for both, or frames that are too
            small.
        VideoError: one that cannot be read, or in which nothing is seen.
        NoFramesError: a film of a single frame.
    """
    for given in domains:
        if len(given) > 1 and any(path.is_dir() for path in given):
            raise SettingsError(
                "several folders, or folders and videos, for one domain", "Give one folder, or videos."
            )
    ours, theirs = ({path.resolve() for path in given} for given in domains)
    if ours == theirs:
        what = f"{domains[0][0]} is both what is to be changed and what it is to look like"
        raise SettingsError(what, "Give --like footage that has the wanted look.")
    for given in domains:
        for path, (width, height, _) in zip(given, shapes(given), strict=True):
            if min(width, height) < LEAST_EDGE_PX:
                fix = f"Give footage of {LEAST_EDGE_PX}x{LEAST_EDGE_PX} px or more."
                raise SettingsError(f"{path} is {width}x{height} px, too small to learn from", fix)
        _check_more_than_one_frame(given)
        _check_is_seen(given)


def check_end(clip: Path, target: Path) -> None:
    """Refuse now what the last but one part would refuse after hours: a clip that cannot be written.

    Raises:
        VideoError: the clip is a single frame or black all over, or its first frames, or its sound, cannot
            be written to a file of this kind.
    """
    if clip.is_dir():
        return
    from reskin.translation.film import FilmOptions
    from reskin.translation.part import part_of_film
    from reskin.video.reader import VideoReader
    from reskin.video.writer import check_can_write

    with VideoReader(clip) as reader:
        part_of_film(reader, FilmOptions())
    _check_is_seen([clip])
    check_can_write(clip, target)


def _check_more_than_one_frame(given: Sequence[Path]) -> None:
    """Refuse (NoFramesError) films that are one frame together: none would be left to judge by."""
    from reskin.video.reader import VideoReader

    if any(path.is_dir() for path in given):
        return
    frames = 0
    for path in given:
        with VideoReader(path) as reader:
            frames += len(reader.times())
        if frames > 1:
            return
    raise NoFramesError(f"{given[0]} holds a single frame", "Give a longer film, or a folder of pictures.")


def _check_is_seen(given: Sequence[Path]) -> None:
    """Refuse videos of which none shows anything (VideoError); folders of pictures are taken as they are."""
    from reskin.video.reader import VideoReader
    from reskin.video.survey import check_shows_something

    for left, path in reversed(list(enumerate(reversed(given)))):
        if path.is_dir():
            return
        try:
            with VideoReader(path) as reader:
                numbers = range(len(reader.times()))
                check_shows_something(reader, numbers, fix="Give footage in which something is seen.")
        except NoFramesError:
            if not left:
                raise
        else:
            return


def shapes(given: Sequence[Path]) -> list[tuple[int, int, int]]:
    """Width, height and number of frames of each video, or of the pictures in a folder.

    Raises:
        SettingsError: an empty folder or a single picture.
        VideoError: a video that cannot be read.
    """
    from reskin.data.folders import list_images
    from reskin.image_formats import is_image_name
    from reskin.images import read_image
    from reskin.video.probe import probe

    found = []
    for path in given:
        if path.is_dir():
            pictures = list_images(path)
            if not pictures:
                raise SettingsError(f"no pictures in {path}", "Give a folder with pictures, or videos.")
            height, width = read_image(pictures[0]).shape[:2]
            found.append((width, height, len(pictures)))
        elif is_image_name(path):
            raise SettingsError(f"{path} is a single picture", "Give a video or a folder of pictures.")
        else:
            info = probe(path)
            frames = info.frames or int((info.duration or Fraction(0)) * info.frame_rate)
            found.append((info.width, info.height, frames))
    return found
