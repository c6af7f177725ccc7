"""Films with drawn faces and a detector that sees them: everything but the real network."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from reskin.faces.alignment import TEMPLATE
from reskin.faces.detectors import Face
from reskin.images import Picture

RATE = Fraction(25)
Place = tuple[float, float, int]
"""Middle x, middle y and side of a drawn face, in px."""


def drawn(places: Sequence[Place], *, width: int = 160, height: int = 120, background: int = 60) -> Picture:
    """A frame with red, textured squares for faces, on a grey slope."""
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = (background + np.arange(width) // 4)[None, :, None]
    for x, y, side in places:
        left, top = round(x - side / 2), round(y - side / 2)
        texture = np.indices((side, side)).sum(axis=0) // 4 % 2 * 60
        part = frame[max(0, top) : top + side, max(0, left) : left + side]
        texture = texture[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
        part[..., 0], part[..., 1], part[..., 2] = 180 + texture, 20 + texture, 20 + texture
    return frame


def film(path: Path, frames: Sequence[Sequence[Place]], *, cut_at: int | None = None, **size: int) -> Path:
    """A clip of drawn frames; from `cut_at` on the ground is far lighter, which is another shot."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "6", "g": "12", "bf": "0"})
        first = drawn(frames[0], **size)
        stream.height, stream.width, stream.pix_fmt = first.shape[0], first.shape[1], "yuv420p"
        for number, places in enumerate(frames):
            is_cut = cut_at is not None and number >= cut_at
            picture = drawn(places, background=190 if is_cut else 60, **size)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


class RedDetector:
    """Sees red squares; `searches` counts pictures and the pixels in them."""

    name = "red squares"
    has_landmarks = True

    def __init__(self, score: float = 0.95) -> None:
        self.score = score
        self.searches: list[int] = []

    def detect(self, image: Picture) -> list[Face]:
        """The red squares, each a connected piece."""
        import cv2

        self.searches.append(image.shape[0] * image.shape[1])
        red = (image[..., 0].astype(int) - image[..., 1] > 80).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red)
        faces = []
        for left, top, width, height, area in stats[1:count].tolist():
            if area < 60:
                continue
            middle = left + width / 2 - 0.5, top + height / 2 - 0.5
            points = tuple((middle[0] + x * height, middle[1] + y * height) for x, y in TEMPLATE)
            faces.append(Face((left, top, width, height), self.score, points))
        return faces


def with_brow(places: Sequence[Place], **size: int) -> Picture:
    """A drawn frame whose faces have a blue brow, the upper quarter of each."""
    frame = drawn(places, **size)
    for x, y, side in places:
        left, top = round(x - side / 2), round(y - side / 2)
        frame[top : top + side // 4, left : left + side] = (40, 40, 200)
    return frame


class UprightDetector:
    """Sees red squares below a blue brow; a turned one it takes for upright, and is not quite sure of it."""

    name = "red squares with a brow"
    has_landmarks = True

    def detect(self, image: Picture) -> list[Face]:
        """The squares; the brow is part of the face."""
        import cv2

        red = (image[..., 0].astype(int) - image[..., 1] > 80).astype(np.uint8)
        blue = (image[..., 2].astype(int) - image[..., 1] > 80).astype(np.uint8)
        whole = cv2.morphologyEx(
            red | blue, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
        )  # colours run in video
        count, _, stats, _ = cv2.connectedComponentsWithStats(whole)
        faces = []
        for left, top, width, height, area in stats[1:count].tolist():
            if area < 60:
                continue
            is_upright = blue[top : top + height // 5, left : left + width].mean() > 0.8
            middle = left + width / 2 - 0.5, top + height / 2 - 0.5
            points = tuple((middle[0] + x * height, middle[1] + y * height) for x, y in TEMPLATE)
            faces.append(Face((left, top, width, height), 0.95 if is_upright else 0.85, points))
        return faces
