"""Searching a video for faces and measuring each one, before any is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from reskin.config import Settings
from reskin.curation.prepare.faces_config import FacesConfig
from reskin.curation.sharpness import sharpness
from reskin.data.manifest import Exact, Number
from reskin.faces.alignment import (
    Matrix,
    cut_out,
    share_outside,
    turned_away,
)
from reskin.faces.detectors import Face, FaceDetector, open_detector
from reskin.faces.framing import framed
from reskin.faces.identity import LOOK_LENGTH, Look, look_of, mean_look
from reskin.faces.tracks import FaceTracker, TrackedFace, rounded
from reskin.framing import Framing
from reskin.progress import Report
from reskin.types import Bars

if TYPE_CHECKING:
    from reskin.video.reader import Frame

_MEASURE_PX = 96


Position = Annotated[float, Field(ge=-1e6, le=1e6)]
"""In px of a frame."""


MeanLook = Annotated[
    tuple[Annotated[float, Field(ge=-1.01, le=1.01)], ...],
    Field(min_length=LOOK_LENGTH, max_length=LOOK_LENGTH),
]


class FaceCandidate(Settings):
    """A face in a frame, with what was measured of it."""

    index: Number
    """Number of the frame in its video, from 0."""
    time: Exact
    """When it is shown, in seconds, as an exact fraction."""
    width: Number
    """Of the frame, in px."""
    height: Number
    """Of the frame, in px."""
    box: tuple[Position, Position, Position, Position]
    """Left, top, width, height, in frame px."""
    score: float
    """How sure the detector is, 0 to 1."""
    landmarks: tuple[tuple[Position, Position], ...] | None
    """Five positions in frame px; None where the detector knows none."""
    turn: int = 0
    """Degrees, clockwise, by which the head is turned in the frame: 0, 90, 180 or 270."""
    track: Number
    """Number of its track in the video."""
    shot: Number
    """Number of its shot in the video."""
    sharpness: float
    """See `reskin.curation.sharpness`; of the face at 96 px, without margin."""
    brightness: float
    """Mean of the face, 0 to 255."""
    turned: float | None
    """See `alignment.turned_away`; None without landmarks."""
    outside: float
    """Share of the picture that lies beyond the frame or on its bars, 0 to 1."""
    face_outside: float = 0.0
    """The same of the face alone, without margin."""

    def matrix(self, config: FacesConfig) -> Matrix:
        """The map from frame px to the px of the picture that the settings ask for."""
        face = Face(self.box, self.score, self.landmarks, self.turn)
        return framed(face, config.framing(), config.size)


class FaceSearch(Settings):
    """What to search in a video; JSON-ready, so that it can be done in another process."""

    video: str
    """The file."""
    every: int
    """Search every Nth frame."""
    frames: int
    """Frames that the video has."""
    shots: tuple[int, ...]
    """The first frame of each shot."""
    bars: Bars
    """Black bars at the left, top, right and bottom, in px, which are not searched."""
    config: FacesConfig
    """How pictures will be cut; its limits are not applied here."""

    def indices(self) -> range:
        """The frames to search."""
        return range(0, self.frames, self.every)


class FoundFaces(Settings):
    """What was found in one video."""

    looked_at: int = 0
    """Frames that were searched."""
    candidates: list[FaceCandidate] = Field(default=[])
    """Every face, good or not, by frame; within a frame the surest first."""
    looks: list[MeanLook] = Field(default=[])
    """How the faces of each track look, by its number; see `reskin.faces.identity`."""
    damaged: list[str] = Field(default=[])
    """One line for each damaged segment."""
    bad: str | None = None
    """Why the video cannot be searched; the rest is then empty."""


def search_faces(search: FaceSearch, progress: Report, *, detector: FaceDetector | None = None) -> FoundFaces:
    """Search frames of a video for faces; one frame is held at a time.

    Args:
        search: the video and its frames.
        progress: called after each frame with the number of frames done and to do.
        detector: finds faces; by default the one that the settings name.

    Raises:
        VideoError: the file cannot be read.
        WeightsError: there is no such detector.
    """
    from reskin.video.reader import VideoReader

    detector = detector or open_detector(search.config.detector)
    tracker = FaceTracker(detector, every=search.config.search_every, shots=search.shots)
    left, top, right, bottom = search.bars
    candidates: list[FaceCandidate] = []
    looks: list[Look] = []
    count, total = 0, len(search.indices())
    with VideoReader(Path(search.video), deinterlace=search.config.deinterlace) as reader:
        for frame in reader.frames_at(search.indices()):
            count += 1
            height, width = frame.image.shape[:2]
            inside = np.ascontiguousarray(frame.image[top : height - bottom, left : width - right])
            for seen in tracker.follow(inside, frame.index):
                moved = replace(seen, face=rounded(seen.face.moved(left, top)))
                candidates.append(_measured(moved, frame, search.config, search.bars))
                # Tracks are counted in the order in which they begin.
                looks += [np.zeros(LOOK_LENGTH, np.float32)] * (seen.track + 1 - len(looks))
                looks[seen.track] = looks[seen.track] + look_of(frame.image, moved.face)
            progress(count, total)
        means = [tuple(round(float(value), 5) for value in mean_look([look])) for look in looks]
        found = FoundFaces(looked_at=count, candidates=candidates, looks=means, damaged=list(reader.damaged))
    progress(total, total)
    return found


def _measured(seen: TrackedFace, frame: Frame, config: FacesConfig, bars: Bars) -> FaceCandidate:
    face = seen.face
    height, width = frame.image.shape[:2]
    cut = framed(face, config.framing(), config.size)
    close = framed(face, Framing(0.0, config.align), _MEASURE_PX)
    grey = cut_out(frame.image, close, size=_MEASURE_PX, bars=bars).mean(axis=2)
    outside = share_outside(cut, size=config.size, width=width, height=height, bars=bars)
    face_outside = share_outside(close, size=_MEASURE_PX, width=width, height=height, bars=bars)
    return FaceCandidate(
        index=frame.index,
        time=str(frame.time),
        width=width,
        height=height,
        box=face.box,
        score=face.score,
        landmarks=face.landmarks,
        turn=face.turn,
        track=seen.track,
        shot=seen.shot,
        sharpness=round(sharpness(np.rint(grey).astype(np.uint8), if_flat=0.0), 4),
        brightness=round(float(grey.mean()), 1),
        turned=None if face.landmarks is None else round(turned_away(face.landmarks), 3),
        outside=round(outside, 3),
        face_outside=round(face_outside, 3),
    )
