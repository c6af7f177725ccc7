"""Face detectors behind one small protocol."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reskin.errors import WeightsError
from reskin.framing import DetectorName
from reskin.images import Picture
from reskin.paths import read_plain
from reskin.storage import file_digest
from reskin.weights import find_weights, local_weights

LONGEST_SIDE = 960
"""A larger frame is made smaller for the detector, in px; positions are given in px of the frame itself."""

_LEAST_SCORE = 0.5
_MOST_FACES = 100
_OVERLAP = 0.3
_one_at_a_time = threading.Lock()
_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Attributes:
        box: left, top, width, height, in px; may reach beyond the picture.
        score: how sure the detector is, 0 to 1.
        landmarks: right eye, left eye, nose, right and left corner of the mouth (of the person), in px;
            None from a detector that does not know them.
        turn: degrees, clockwise, by which the head is turned in the picture, in quarters: 0, 90, 180 or 270.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...] | None = None
    turn: int = 0

    def moved(self, x: float, y: float, *, scale: float = 1.0) -> Face:
        """The same face after enlarging the picture and then shifting it.

        >>> Face((1, 2, 3, 4), 0.9).moved(10, 0, scale=2).box
        (12, 4, 6, 8)
        """
        left, top, width, height = self.box
        box = (left * scale + x, top * scale + y, width * scale, height * scale)
        points = self.landmarks and tuple((px * scale + x, py * scale + y) for px, py in self.landmarks)
        return replace(self, box=box, landmarks=points)


class FaceDetector(Protocol):
    """Anything that finds faces; used by one thread at a time.

    Attributes:
        name: what it is and of which version, as the manifest records it.
        has_landmarks: whether its faces have landmarks.
    """

    name: str
    has_landmarks: bool

    def detect(self, image: Picture) -> list[Face]:
        """The faces in a picture, the surest first.

        Args:
            image: (H, W, 3), uint8, RGB.
        """
        ...


def open_detector(name: DetectorName = "auto") -> FaceDetector:
    """The detector that is asked for.

    "auto" is YuNet; where its weights are neither here nor to be fetched, and dlib is installed, dlib's.

    Raises:
        WeightsError: the detector cannot be had; says what to get and where to put it.
    """
    if name == "dlib":
        return DlibDetector()
    try:
        return YuNetDetector(_yunet_weights())
    except WeightsError as error:
        if name == "yunet":
            raise
        if importlib.util.find_spec("dlib") is None:
            what, fix = error.what, error.fix
            raise WeightsError(
                what, f"{fix} Or install a detector without landmarks: pip install 'reskin[faces]'."
            ) from None
        _log.warning(
            "%s; using dlib's detector, which knows no landmarks: crops are not turned upright", error
        )
        return DlibDetector()


def _yunet_weights() -> Path:
    """Either export of the same network will do; only the first is ever fetched."""
    return local_weights("yunet") or local_weights("yunet-640") or find_weights("yunet")


class YuNetDetector:
    """YuNet through OpenCV: faces with five landmarks.

    Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023.

    Args:
        weights: its ONNX file.

    Raises:
        WeightsError: OpenCV cannot load the file.
    """

    has_landmarks = True

    def __init__(self, weights: Path) -> None:
        import cv2

        self.name = f"yunet {file_digest(weights)[:8]}"
        try:
            # As bytes: OpenCV ends the process at a name that is no UTF-8.
            network = np.frombuffer(read_plain(weights, follow=True), np.uint8)
            with _quiet():
                self._net = cv2.FaceDetectorYN.create(
                    "onnx", network, np.empty(0, np.uint8), (320, 320), _LEAST_SCORE, _OVERLAP, _MOST_FACES
                )
        except cv2.error as error:
            raise WeightsError(f"OpenCV cannot load {weights} ({error.err})", "Get the file again.") from None

    def detect(self, image: Picture) -> list[Face]:
        """The faces in a picture, the surest first; see `FaceDetector`."""
        seen, scale = _small_enough(image)
        height, width = seen.shape[:2]
        self._net.setInputSize((width, height))
        _, rows = self._net.detect(np.ascontiguousarray(seen[:, :, ::-1]))
        faces = [_from_row(row).moved(0, 0, scale=1 / scale) for row in (rows if rows is not None else ())]
        return sorted(faces, key=lambda face: -face.score)


def _from_row(row: Any) -> Face:
    numbers = [float(number) for number in row]
    points = tuple((numbers[i], numbers[i + 1]) for i in range(4, 14, 2))
    return Face((numbers[0], numbers[1], numbers[2], numbers[3]), numbers[14], points)


def _small_enough(image: Picture) -> tuple[Picture, float]:
    import cv2

    height, width = image.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return image, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV 5 warns at every loading that it has chosen a backend itself; errors are still said."""
    import cv2

    with _one_at_a_time:  # the level is the whole process's
        before = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(before)


class DlibDetector:
    """The detector that is built into dlib: frontal faces of 80 px and more, without landmarks.

    Raises:
        WeightsError: dlib is not installed.
    """

    has_landmarks = False

    def __init__(self) -> None:
        try:
            dlib: Any = importlib.import_module("dlib")
        except ImportError:
            raise WeightsError(
                "the face detector dlib is not installed", "Type: pip install 'reskin[faces]'"
            ) from None
        self.name = f"dlib {dlib.__version__}"
        self._net = dlib.get_frontal_face_detector()

    def detect(self, image: Picture) -> list[Face]:
        """The faces in a picture, the surest first; see `FaceDetector`.

        Its margins (0 where it begins to see a face, above 2 for a clear one) are squeezed into 0 to 1, so
        that the default threshold of the settings suits both detectors.
        """
        seen, scale = _small_enough(image)
        enlarged = 1 if max(seen.shape[:2]) <= 640 else 0
        boxes, margins, _ = self._net.run(np.ascontiguousarray(seen), enlarged, 0.0)
        faces = []
        for box, margin in zip(boxes, margins, strict=True):
            place = (float(box.left()), float(box.top()), float(box.width()), float(box.height()))
            faces.append(Face(place, _as_score(float(margin))).moved(0, 0, scale=1 / scale))
        return sorted(faces, key=lambda face: -face.score)


def _as_score(margin: float) -> float:
    return float(1.0 / (1.0 + np.exp(-4.0 * margin - 0.5)))
