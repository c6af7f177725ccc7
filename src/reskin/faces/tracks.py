"""Following faces from frame to frame, with the whole frame searched only now and then.

Between two searches of the whole frame a face is searched near the position to which its motion would have
brought it: as sure as the full search, and several times cheaper. Whatever is lost is searched for in the
whole frame at once, so a frame costs at most one full search more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reskin.faces.detectors import Face, FaceDetector
from reskin.faces.orientation import detect_at, detect_turned, without_overlaps
from reskin.images import Picture

Box = tuple[float, float, float, float]

_SAME = 0.3
"""Two boxes show one face where they overlap by this much (intersection over union)."""

_ROOM = 1.0
"""A face is searched in a window with this much room around its expected position, in faces."""

_WINDOW_PX = 192


@dataclass(frozen=True)
class TrackedFace:
    """A face in one frame of a video.

    Attributes:
        face: where it is, in frame px.
        track: number of the face in its video, from 0; a new one after a cut or a longer absence.
        shot: number of the shot in its video, from 0.
    """

    face: Face
    track: int
    shot: int


@dataclass
class _Track:
    number: int
    face: Face
    index: int
    speed: tuple[float, float] = (0.0, 0.0)

    def expected(self, index: int) -> Face:
        """Where the face should be by now; the speed is trusted for as long as it was measured over."""
        steps = index - self.index
        return self.face.moved(self.speed[0] * steps, self.speed[1] * steps)

    def meet(self, face: Face, index: int) -> None:
        steps = max(1, index - self.index)
        (x, y), (old_x, old_y) = _middle(face.box), _middle(self.face.box)
        self.speed = ((x - old_x) / steps, (y - old_y) / steps)
        self.face, self.index = face, index


class FaceTracker:
    """Faces in the frames of one video, given in the order of showing; not every frame need be given.

    Args:
        detector: finds faces in a picture.
        every: search the whole frame at every Nth frame that is given.
        shots: the first frame of each shot, rising, the first 0; see `reskin.video.scenes.find_shots`.
        patience: a face that was lost for at most so many frames keeps its track.
        first_track: number of the first track.
        turns_every: look for heads that are turned by a quarter or more in every Nth search of a whole frame;
            in between only at the turns of the faces that are known.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        every: int = 3,
        shots: Sequence[int] = (0,),
        patience: int = 0,
        first_track: int = 0,
        turns_every: int = 1,
    ) -> None:
        self.detector = detector
        self.every, self.patience, self.turns_every = every, patience, turns_every
        self.shot = 0
        self._shots = list(shots)
        self._tracks: list[_Track] = []
        self._count = first_track
        self._since_search = every
        self._searches = 0

    def follow(self, image: Picture, index: int) -> list[TrackedFace]:
        """The faces in the next frame.

        Args:
            image: (H, W, 3), uint8, RGB.
            index: its index in the video, larger than that of the frame before.

        Returns:
            The faces, the surest first.
        """
        shot = max(0, bisect_right(self._shots, index) - 1)
        if shot != self.shot:
            self.cut(shot)
        faces = None if self._since_search >= self.every else self._near(image, index)
        if faces is None:
            faces, self._since_search = self._everywhere(image), 0
        self._since_search += 1
        return self._matched(faces, index)

    def cut(self, shot: int) -> None:
        """Forget the faces so far: a new shot, number `shot`, begins with the next frame."""
        self.shot, self._tracks, self._since_search, self._searches = shot, [], self.every, 0

    def _everywhere(self, image: Picture) -> list[Face]:
        """The faces in the whole frame."""
        known = [track.face.turn for track in self._tracks] or [0]
        looks_for_turns = self._searches % self.turns_every == 0
        self._searches += 1
        if looks_for_turns:
            return detect_turned(self.detector, image, first=known)
        return without_overlaps(
            [face for turn in dict.fromkeys(known) for face in detect_at(self.detector, image, turn)]
        )

    def _near(self, image: Picture, index: int) -> list[Face] | None:
        """The known faces, each found again near its expected position; None where one is lost."""
        found: list[Face] = []
        for track in self._tracks:
            expected = track.expected(index)
            faces = _search(self.detector, image, expected)
            best = max(faces, key=lambda face: overlap(face.box, expected.box), default=None)
            if best is None or overlap(best.box, expected.box) < _SAME:
                return None
            if all(overlap(best.box, other.box) < 0.5 for other in found):
                found.append(best)
        return found

    def _matched(self, faces: list[Face], index: int) -> list[TrackedFace]:
        """Give each face its track; the pairs that overlap most come first. Tracks without a face end, the
        later the more patience there is."""
        pairs = [
            (overlap(track.expected(index).box, face.box), -t, -f)
            for t, track in enumerate(self._tracks)
            for f, face in enumerate(faces)
        ]
        owner: dict[int, _Track] = {}
        taken: set[int] = set()
        for share, t, f in sorted(pairs, reverse=True):
            if share >= _SAME and -t not in taken and -f not in owner:
                owner[-f] = self._tracks[-t]
                taken.add(-t)
        for f, face in enumerate(faces):
            if f in owner:
                owner[f].meet(face, index)
            else:
                owner[f] = _Track(self._count, face, index)
                self._count += 1
        lost = [track for t, track in enumerate(self._tracks) if t not in taken]
        waiting = [track for track in lost if index - track.index <= self.patience]
        self._tracks = [owner[f] for f in range(len(faces))] + waiting
        return [TrackedFace(face, owner[f].number, self.shot) for f, face in enumerate(faces)]


def _search(detector: FaceDetector, image: Picture, expected: Face) -> list[Face]:
    """The faces in a window around an expected one, turned as it is, in px of the whole image."""
    import cv2

    height, width = image.shape[:2]
    box = expected.box
    x, y = _middle(box)
    reach = max(box[2], box[3]) * (0.5 + _ROOM)
    left, top = max(0, round(x - reach)), max(0, round(y - reach))
    right, bottom = min(width, round(x + reach)), min(height, round(y + reach))
    if right - left < 8 or bottom - top < 8:
        return []
    window = image[top:bottom, left:right]
    # Small faces are enlarged: a detector is less sure of a face in a tiny picture than in a large one.
    scale = min(2.0, _WINDOW_PX / max(window.shape[:2]))
    size = (max(1, round(window.shape[1] * scale)), max(1, round(window.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    window = np.asarray(cv2.resize(window, size, interpolation=way), np.uint8)
    return [face.moved(left, top, scale=1 / scale) for face in detect_at(detector, window, expected.turn)]


def _middle(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes (left, top, width, height), 0 to 1.

    >>> overlap((0, 0, 2, 2), (1, 0, 2, 2))
    0.3333333333333333
    """
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    whole = one[2] * one[3] + other[2] * other[3] - shared
    return shared / whole if whole > 0 else 0.0


def rounded(face: Face) -> Face:
    """The face with its positions to 1/100 px and its score to 1/1000: the form that is stored.

    So the last bits of a detector, which differ between machines, change nothing.
    """
    left, top, width, height = (round(value, 2) for value in face.box)
    points = face.landmarks and tuple((round(x, 2), round(y, 2)) for x, y in face.landmarks)
    return replace(face, box=(left, top, width, height), score=round(face.score, 3), landmarks=points)
