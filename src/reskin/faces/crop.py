"""The record of a face that was cut out of a frame, from which it can be put back."""

from __future__ import annotations

from reskin.config import Settings


class Crop(Settings):
    """Where a picture was cut out of its frame, exactly enough to put it back."""

    matrix: tuple[float, float, float, float, float, float]
    """The 2x3 affine map, row by row, from frame px to picture px (pixel centres at whole numbers)."""
    frame_width: int
    """Width of the upright frame, in px."""
    frame_height: int
    """Height of the upright frame, in px."""
    box: tuple[float, float, float, float] | None = None
    """The detected face in the frame: left, top, width, height, in px."""
    landmarks: tuple[tuple[float, float], ...] | None = None
    """Right eye, left eye, nose, right and left corner of the mouth (of the person), in frame px."""
    score: float | None = None
    """How sure the detector was, 0 to 1."""
    track: int | None = None
    """Number of the face's track in its source."""
    person: int | None = None
    """Number of the person in the dataset, guessed from how faces look."""
    filled: float | None = None
    """Share of the picture, 0 to 1, that lies beyond the frame or its bars and was filled by reflection."""
