"""Telling people apart by how their faces look: no network, so it works offline and knows no names.

A face is described by where its edges run (histograms of oriented gradients, Dalal and Triggs, CVPR 2005)
and by its colours, both on the aligned face after its red, green and blue were scaled to one mean (grey world
of the face; von Kries, 1902): a brighter, darker, warmer or colder light as a whole changes little. That
distinguishes the people of one film. It is no face recognition: under light from another direction, in
another pose, or in a photograph from another day a person may well not be recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reskin.errors import DataError
from reskin.faces.alignment import cut_out
from reskin.faces.detectors import Face, FaceDetector
from reskin.faces.framing import framed
from reskin.faces.orientation import detect_turned
from reskin.framing import Framing
from reskin.images import Picture, read_image

Look = NDArray[np.float32]
"""(LOOK_LENGTH,): how a face looks, of length 1."""

_SIZE_PX, _CELL_PX, _TURNS = 64, 8, 8
_CELLS = _SIZE_PX // _CELL_PX
_COLOUR_CELLS = 4
_COLOUR_SHARE = 0.5
LOOK_LENGTH = _CELLS * _CELLS * _TURNS + 2 * _COLOUR_CELLS * _COLOUR_CELLS

ALIKE = 0.88
"""A face at least this similar to the mean look of a track is taken for its person. Measured on nine people
of live, drawn and black-and-white films: frames of the same shot have 0.87 to 0.99 (0.80 with the head
turned far), also where the light of one is half as bright, 1.4 times as bright, yellowish or bluish; other
people have at most 0.864. The same person in another scene may have 0.75, and is then not recognised."""

_MEAN_LEVEL = 110.0
"""Level to which the mean of each channel of a face is scaled."""


def look_of(frame: Picture, face: Face) -> Look:
    """How a face looks.

    Args:
        frame: (H, W, 3), uint8, RGB.
        face: in it.

    Returns:
        (LOOK_LENGTH,), of length 1.
    """
    import cv2

    picture = _in_grey_light(cut_out(frame, framed(face, Framing(margin=0.1), _SIZE_PX), size=_SIZE_PX))
    lab = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB), np.float32)
    edges = _gradients(lab[..., 0])
    # Against grey: against their own means all faces would have nearly the same colours.
    colours = cv2.resize(lab[..., 1:] - 128, (_COLOUR_CELLS, _COLOUR_CELLS), interpolation=cv2.INTER_AREA)
    parts = (_unit(edges.ravel()), _COLOUR_SHARE * _unit(np.asarray(colours, np.float32).ravel()))
    return _unit(np.concatenate(parts))


def _in_grey_light(picture: Picture) -> Picture:
    """The picture with each channel scaled to a mean of `_MEAN_LEVEL`: the colour of its light drops out."""
    means = picture.reshape(-1, 3).mean(axis=0, dtype=np.float32)
    scaled = picture * (_MEAN_LEVEL / np.maximum(means, 1))
    return np.asarray(scaled.clip(0, 255) + 0.5, np.uint8)


def _gradients(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(cells, cells, turns): how strong edges are in each cell and direction, each cell against its own
    sum."""
    import cv2

    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    turn = (np.arctan2(down, across) % np.pi) * (_TURNS / np.pi)
    low = np.floor(turn).astype(int) % _TURNS
    share = turn - np.floor(turn)
    planes = np.zeros((_TURNS, *grey.shape), np.float32)
    rows, columns = np.indices(grey.shape)
    planes[low, rows, columns] += strength * (1 - share)
    planes[(low + 1) % _TURNS, rows, columns] += strength * share
    cells = planes.reshape(_TURNS, _CELLS, _CELL_PX, _CELLS, _CELL_PX).sum(axis=(2, 4)).transpose(1, 2, 0)
    return np.asarray(np.sqrt(cells / (cells.sum(axis=2, keepdims=True) + 100.0)), np.float32)


def _unit(values: NDArray[np.float32]) -> Look:
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-6), np.float32)


def similarity(one: Look, other: Look) -> float:
    """How alike two faces look: 1 for the same, about 0 for faces that have nothing in common."""
    return float(one @ other)


def mean_look(looks: Sequence[Look]) -> Look:
    """The look of a person of whom several pictures are known."""
    return _unit(np.mean(np.stack(looks), axis=0))


def look_in(path: Path, detector: FaceDetector) -> Look:
    """The look of the largest face in a picture.

    Raises:
        ImageError: the picture cannot be read.
        DataError: no face is found in it.
    """
    picture = read_image(path)
    faces = detect_turned(detector, picture)
    if not faces:
        raise DataError(f"no face is found in {path}", "Give a picture that shows one, upright and sharp.")
    return look_of(picture, max(faces, key=lambda face: face.box[2] * face.box[3]))
