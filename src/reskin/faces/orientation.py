"""Faces of heads that lie sideways or hang upside down, for detectors that know upright faces only.

Such a detector sees an upside-down face too, but is less sure of it, and takes the mouth for the eyes. So the
picture is searched in four orientations, and of each face the detection of which the detector is surest is
kept. Where all faces are clearly upright, which is nearly always, one search is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from reskin.faces.detectors import Face, FaceDetector
from reskin.images import Picture

TURNS = (0, 90, 180, 270)
"""Degrees, clockwise, by which a head may be turned in its frame."""

CERTAIN = 0.9
"""A face with at least this score is as upright as it was taken for: YuNet gives upright faces 0.9 and more,
the same faces upside down or sideways 0.5 to 0.88."""

_UPRIGHT_BONUS = 0.03
"""How much surer the detector must be of a turned face than of an upright one in the same position."""


def detect_turned(detector: FaceDetector, image: Picture, *, first: Iterable[int] = (0,)) -> list[Face]:
    """The faces in a picture, whichever way up they are, the surest first.

    Args:
        detector: finds upright faces.
        image: (H, W, 3), uint8, RGB.
        first: turns to try before the others; these are tried only where nothing is found, or something of
            which the detector is not certain.

    Returns:
        Faces in px of `image`, with their `turn`; of detections that overlap only the surest.
    """
    begin = list(dict.fromkeys(first))
    found = [face for turn in begin for face in detect_at(detector, image, turn)]
    for turn in TURNS:
        kept = without_overlaps(found)
        if kept and all(face.score >= CERTAIN for face in kept):
            return kept
        if turn not in begin:
            found += detect_at(detector, image, turn)
    return without_overlaps(found)


def detect_at(detector: FaceDetector, image: Picture, turn: int) -> list[Face]:
    """The faces in a picture whose heads are turned by `turn` degrees (0, 90, 180 or 270, clockwise)."""
    height, width = image.shape[:2]
    upright = np.ascontiguousarray(np.rot90(image, turn // 90))
    return [_turned_back(face, turn, width, height) for face in detector.detect(upright)]


def _turned_back(face: Face, turn: int, width: int, height: int) -> Face:
    """A face in the turned picture, in px of the picture as it was, of `width` and `height`."""
    left, top, across, down = face.box
    if turn == 90:
        box = (width - top - down, left, down, across)
    elif turn == 180:
        box = (width - left - across, height - top - down, across, down)
    elif turn == 270:
        box = (top, height - left - across, down, across)
    else:
        return face
    points = face.landmarks and tuple(_point_back(x, y, turn, width, height) for x, y in face.landmarks)
    return replace(face, box=box, landmarks=points, turn=turn)


def _point_back(x: float, y: float, turn: int, width: int, height: int) -> tuple[float, float]:
    """Pixel centres lie at whole numbers, so the last one is at width - 1."""
    if turn == 90:
        return width - 1 - y, x
    if turn == 180:
        return width - 1 - x, height - 1 - y
    return y, height - 1 - x


def without_overlaps(faces: list[Face]) -> list[Face]:
    """The surest of detections that overlap, the surest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score - _UPRIGHT_BONUS * (face.turn == 0)):
        if not any(_is_same(face, other) for other in kept if other.turn != face.turn):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.score)


def _is_same(one: Face, other: Face) -> bool:
    """Whether two detections are of one face: the middle of one lies in the other."""
    return _holds_middle(one, other) or _holds_middle(other, one)


def _holds_middle(one: Face, other: Face) -> bool:
    x, y = other.box[0] + other.box[2] / 2, other.box[1] + other.box[3] / 2
    left, top, width, height = one.box
    return left <= x <= left + width and top <= y <= top + height
