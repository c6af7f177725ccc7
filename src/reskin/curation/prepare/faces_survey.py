"""Looking through a video for faces and measuring each one, before any is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reskin.config import Settings
from reskin.curation.prepare.faces_config import FacesConfig
from reskin.faces.alignment import (
    Matrix,
    box_matrix,
    cut_out,
    landmark_matrix,
    share_outside,
    turned_away,
)
from reskin.faces.detectors import FaceDetector
from reskin.faces.tracks import FaceTracker, Seen, rounded
from reskin.types import NO_BARS, Bars

if TYPE_CHECKING:
    from reskin.video.reader import Frame

_MEASURE_PX = 96


class Candidate(Settings):
    """A face in a frame, with what was measured of it."""

    index: int
    """Place of the frame in its video."""
    time: str
    """When it is shown, in seconds, as an exact fraction."""
    width: int
    """Of the frame, in px."""
    height: int
    """Of the frame, in px."""
    box: tuple[float, float, float, float]
    """Left, top, width, height, in frame px."""
    score: float
    """How sure the detector is, 0 to 1."""
    landmarks: tuple[tuple[float, float], ...] | None
    """Five places in frame px; None where the detector knows none."""
    track: int
    """Number of its track in the video."""
    shot: int
    """Number of its shot in the video."""
    sharpness: float
    """See `sharpness_of`."""
    brightness: float
    """Mean of the face, 0 to 255."""
    turned: float | None
    """See `alignment.turned_away`; None without landmarks."""
    outside: float
    """Share of the picture that lies outside of the frame."""

    def matrix(self, config: FacesConfig) -> Matrix:
        """The map from frame px to the px of the picture that the settings ask for."""
        return _matrix(self.box, self.landmarks, config, size=config.size, margin=config.margin)


class Survey(Settings):
    """What was found in one video."""

    looked_at: int
    """Frames that were searched."""
    candidates: list[Candidate]
    """Every face, good or not, by frame; within a frame the surest first."""
    damaged: list[str]
    """One line for each damaged stretch."""


def survey(
    video: Path,
    indices: Sequence[int],
    detector: FaceDetector,
    config: FacesConfig,
    *,
    bars: Bars = NO_BARS,
    tick: Callable[[], None],
) -> Survey:
    """Search the given frames of a video for faces.

    One frame is held at a time.

    Args:
        video: the file.
        indices: numbers of frames, rising.
        detector: finds faces.
        config: how pictures will be cut; its limits are not applied here.
        bars: black px at the left, top, right and bottom, which are not searched.
        tick: called once for each of `indices`.

    Raises:
        VideoError: the file cannot be read.
    """
    from reskin.video.reader import VideoReader

    tracker = FaceTracker(detector, every=config.search_every)
    candidates = []
    count = 0
    with VideoReader(video) as reader:
        for frame in reader.frames_at(indices):
            count += 1
            height, width = frame.image.shape[:2]
            inside = np.ascontiguousarray(frame.image[bars[1] : height - bars[3], bars[0] : width - bars[2]])
            for seen in tracker.follow(inside, frame.index):
                moved = replace(seen, face=rounded(seen.face.moved(bars[0], bars[1])))
                candidates.append(_measured(moved, frame, config, bars))
            tick()
        found = Survey(looked_at=count, candidates=candidates, damaged=list(reader.damaged))
    for _ in range(len(indices) - count):
        tick()
    return found


def _measured(seen: Seen, frame: Frame, config: FacesConfig, bars: Bars) -> Candidate:
    face = seen.face
    height, width = frame.image.shape[:2]
    cut = _matrix(face.box, face.landmarks, config, size=config.size, margin=config.margin)
    close = _matrix(face.box, face.landmarks, config, size=_MEASURE_PX, margin=0.0)
    grey = cut_out(frame.image, close, size=_MEASURE_PX, bars=bars).mean(axis=2)
    outside = share_outside(cut, size=config.size, width=width, height=height, bars=bars)
    return Candidate(
        index=frame.index,
        time=str(frame.time),
        width=width,
        height=height,
        box=face.box,
        score=face.score,
        landmarks=face.landmarks,
        track=seen.track,
        shot=seen.shot,
        sharpness=round(sharpness_of(grey), 4),
        brightness=round(float(grey.mean()), 1),
        turned=None if face.landmarks is None else round(turned_away(face.landmarks), 3),
        outside=round(outside, 3),
    )


def _matrix(
    box: tuple[float, float, float, float],
    landmarks: tuple[tuple[float, float], ...] | None,
    config: FacesConfig,
    *,
    size: int,
    margin: float,
) -> Matrix:
    if config.align == "landmarks" and landmarks is not None:
        return landmark_matrix(landmarks, size=size, margin=margin)
    return box_matrix(box, size=size, margin=margin)


def sharpness_of(grey: np.ndarray) -> float:
    """The variance of a picture's Laplacian as a share of its variance; higher is sharper.

    So it does not depend on brightness and contrast; 20 for noise, near 0 for what is blurred or enlarged.

    Args:
        grey: (H, W), 0 to 255.

    Returns:
        0 for a picture of one colour.

    >>> sharpness_of(np.arange(100.0).reshape(10, 10) * 1.0)  # a ramp has no fine detail
    0.0
    """
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    contrast = float(middle.var())
    return float(laplacian.var()) / contrast if contrast > 0 else 0.0
