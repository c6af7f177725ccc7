"""Faces of frames whose future is not known: followed and smoothed as they come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from reskin.faces.detectors import Face, FaceDetector, open_detector
from reskin.faces.identity import ALIKE, Look, look_in, look_of, mean_look, similarity
from reskin.faces.smoothing import OneEuroFilter, edge_of, matrix_of
from reskin.faces.tracks import FaceTracker
from reskin.framing import Framing
from reskin.images import Picture
from reskin.translation.face_plan import (
    FADE_SECONDS,
    GAP_FRAMES,
    LEAST_HEIGHT_PX,
    LEAST_MEAN_SCORE,
    Cut,
    FaceOptions,
    PlacedFace,
)

_SEARCH_EVERY = 1
_LOOKS = 8


@dataclass
class _Known:
    """A face that is followed: since when, how it looks, and its filter."""

    since: float
    last: int
    filter: OneEuroFilter = field(default_factory=OneEuroFilter)
    looks: list[Look] = field(default_factory=list)


class LiveFaces:
    """Where the chosen faces lie in each frame; to be asked in the order of the frames.

    Attributes:
        times: of frames by their numbers, seconds; to be set before a frame is asked for.
        cuts: numbers of frames with which a new shot begins, in order; to be added before they are asked for.
    """

    def __init__(
        self, options: FaceOptions, cut: Cut, detector: FaceDetector, like: Look | None = None
    ) -> None:
        self.options, self.cut, self.like = options, cut, like
        self.times: dict[int, float] = {}
        self.cuts: deque[int] = deque()
        self._tracker = FaceTracker(detector, every=_SEARCH_EVERY, patience=GAP_FRAMES, turns_every=10)
        self._known: dict[int, _Known] = {}

    @classmethod
    def open(cls, options: FaceOptions, framing: Framing, size: int) -> Self:
        """Ready to follow.

        Raises:
            WeightsError: there is no such detector.
            ImageError, DataError: the picture of the person to follow cannot be read or shows no face.
        """
        detector = open_detector(options.detector)
        like = look_in(options.only, detector) if isinstance(options.only, Path) else None
        return cls(options, Cut(framing, size), detector, like)

    def at(self, number: int, picture: Picture) -> list[PlacedFace]:
        """The faces of a frame."""
        moment = self.times.pop(number)
        while self.cuts and self.cuts[0] <= number:
            self._tracker.cut(self.cuts.popleft())
            self._known.clear()
        found = []
        for seen in self._tracker.follow(picture, number):
            face = seen.face
            known = self._known.setdefault(seen.track, _Known(moment, number))
            known.last = number
            is_face = face.score >= LEAST_MEAN_SCORE and face.box[3] >= LEAST_HEIGHT_PX
            if is_face and self._is_wanted(known, face, picture):
                pose = known.filter.step(moment, self.cut.pose(face))
                # A face fades in, also that of an error of the detector, which is gone before it is seen.
                strength = min(1.0, (moment - known.since) / FADE_SECONDS)
                if strength > 0 and edge_of(pose) > 1:
                    found.append(PlacedFace(seen.track, matrix_of(pose, self.cut.size), strength))
        self._known = {track: kept for track, kept in self._known.items() if number - kept.last <= GAP_FRAMES}
        if self.options.only == "largest" and found:
            return [min(found, key=lambda face: abs(face.matrix[0, 0]) + abs(face.matrix[0, 1]))]
        return found

    def _is_wanted(self, known: _Known, face: Face, picture: Picture) -> bool:
        if self.like is None:
            return True
        if len(known.looks) < _LOOKS:
            known.looks.append(look_of(picture, face))
        return similarity(mean_look(known.looks), self.like) >= ALIKE
