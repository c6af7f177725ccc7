"""Cutting the chosen faces out of the frames of one video."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Literal

import numpy as np

from reskin.config import Settings
from reskin.curation.thumbnails import ThumbnailKeeper
from reskin.faces.alignment import cut_out
from reskin.images import write_image
from reskin.progress import Report
from reskin.types import NO_BARS, Bars


class FacePicture(Settings):
    """A picture to make."""

    index: int
    """Number of the frame."""
    file: str
    """Path of the picture below the folder of the dataset."""
    matrix: tuple[float, float, float, float, float, float]
    """See `reskin.faces.crop.Crop`."""


class FaceCut(Settings):
    """Which faces to cut out of a video; JSON-ready, so that it can be done in another process."""

    video: str
    """The file."""
    out: str
    """The folder of the dataset."""
    size: int
    """Edge of the square pictures, in px."""
    bars: Bars = NO_BARS
    """Black bars at the left, top, right and bottom of the frame, in px."""
    pictures: list[FacePicture]
    """What to cut."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    """As when the faces were searched."""


class FacesCut(Settings):
    """What came of it."""

    bad: str | None = None
    """Why the video could not be read to the end of what was asked for."""


def cut_faces(cut: FaceCut, progress: Report) -> FacesCut:
    """Cut faces out of a video and write them.

    Raises:
        VideoError: the file cannot be read; what was cut before stays.
        StorageError: the disk refuses a write.
    """
    from reskin.video.reader import VideoReader

    wanted: dict[int, list[FacePicture]] = defaultdict(list)
    for picture in cut.pictures:
        wanted[picture.index].append(picture)
    done = 0
    with VideoReader(Path(cut.video), deinterlace=cut.deinterlace) as reader, ThumbnailKeeper() as keeper:
        for frame in reader.frames_at(sorted(wanted)):
            for picture in wanted[frame.index]:
                matrix = np.array(picture.matrix, np.float64).reshape(2, 3)
                face = cut_out(frame.image, matrix, size=cut.size, bars=cut.bars)
                write_image(Path(cut.out) / picture.file, face)
                keeper.keep(Path(cut.out), picture.file, face)
                done += 1
                progress(done, len(cut.pictures))
    return FacesCut()
