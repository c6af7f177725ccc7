"""Cutting faces and putting them back: the map by hand, the way the cycle, borders."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reskin.errors import ShapeError
from reskin.faces.alignment import (
    TEMPLATE,
    Matrix,
    box_matrix,
    cut_out,
    landmark_matrix,
    put_back,
    share_outside,
    similarity,
    turned_away,
)
from reskin.faces.crop import Crop
from reskin.images import Picture


def soft(height: int, width: int, seed: int = 0) -> Picture:
    """A picture without sharp edges, so that resampling it twice changes little."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    low, high = smooth.min(), smooth.max()
    return ((smooth - low) / (high - low) * 255).round().astype(np.uint8)


def crop_of(matrix: Matrix, frame: Picture) -> Crop:
    return Crop(
        matrix=tuple(matrix.ravel().tolist()), frame_width=frame.shape[1], frame_height=frame.shape[0]
    )


def turned(angle: float, scale: float, x: float, y: float) -> Matrix:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


@settings(max_examples=30)
@given(st.floats(-3, 3), st.floats(0.1, 10), st.floats(-500, 500), st.floats(-500, 500), st.integers(0, 99))
def test_a_similarity_is_found_again(angle: float, scale: float, x: float, y: float, seed: int) -> None:
    wanted = turned(angle, scale, x, y)
    points = np.random.default_rng(seed).uniform(-100, 100, (5, 2))
    found = similarity(points.tolist(), (points @ wanted[:, :2].T + wanted[:, 2]).tolist())
    assert np.allclose(found, wanted, atol=1e-6)


def test_nothing_is_nearer_than_the_similarity() -> None:
    rng = np.random.default_rng(3)
    points, targets = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    best = similarity(points.tolist(), targets.tolist())

    def distance(matrix: Matrix) -> float:
        return float(((points @ matrix[:, :2].T + matrix[:, 2] - targets) ** 2).sum())

    for _ in range(200):
        a, b, x, y = rng.normal(scale=0.05, size=4)
        nudge = np.array([[a, -b, x], [b, a, y]])
        assert distance(best + nudge) > distance(best)


def test_faces_are_never_mirrored() -> None:
    points = [(0.0, 0.0), (4.0, 0.0), (2.0, 3.0)]
    assert np.linalg.det(similarity(points, [(-x, y) for x, y in points])[:, :2]) > 0


def test_points_that_say_nothing_are_refused() -> None:
    with pytest.raises(ShapeError, match="one position"):
        similarity([(1.0, 1.0)] * 5, [(0.0, 0.0)] * 5)
    with pytest.raises(ShapeError, match="cannot align"):
        similarity([(1.0, 1.0)], [(0.0, 0.0)])


def test_box_matrix_by_hand() -> None:
    """A box of 10x20 at (30, 40) with a margin of half its height: the square from (15, 30) to (55, 70)."""
    matrix = box_matrix((30, 40, 10, 20), size=80, margin=0.5)
    for place, wanted in (((15, 30), (-0.5, -0.5)), ((55, 70), (79.5, 79.5)), ((35, 50), (39.5, 39.5))):
        assert np.allclose(matrix[:, :2] @ place + matrix[:, 2], wanted)


def test_landmarks_go_onto_the_template() -> None:
    face = [(100 + 60 * x, 50 + 60 * y) for x, y in TEMPLATE]  # upright, 60 px high, around (100, 50)
    matrix = landmark_matrix(face, size=120, margin=0.5)
    assert np.allclose(matrix, [[1, 0, 59.5 - 100], [0, 1, 59.5 - 50]])
    tilted = [(0.8 * x - 0.6 * y, 0.6 * x + 0.8 * y) for x, y in face]
    upright = landmark_matrix(tilted, size=120, margin=0.5)
    assert np.allclose(
        [upright[:, :2] @ p + upright[:, 2] for p in tilted], [np.add(p, (-40.5, 9.5)) for p in face]
    )


def test_an_unturned_cut_is_the_frame_itself() -> None:
    frame = soft(60, 80)
    matrix = np.array([[1.0, 0, -10], [0, 1.0, -20]])
    assert np.array_equal(cut_out(frame, matrix, size=32), frame[20:52, 10:42])


def test_a_smaller_cut_averages() -> None:
    """Fine checks become their mean, not whichever pixel happens to be hit."""
    frame = np.indices((64, 64)).sum(axis=0) % 2 * 200
    frame = np.repeat(frame[..., None], 3, axis=2).astype(np.uint8)
    small = cut_out(frame, box_matrix((-0.5, -0.5, 64, 64), size=16, margin=0.0), size=16)
    assert np.abs(small[1:-1, 1:-1].astype(int) - 100).max() <= 2


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.2])
@pytest.mark.parametrize("scale", [1.0, 1.7, 0.7])
@pytest.mark.thinned(3, first=1)
def test_there_and_back(angle: float, scale: float) -> None:
    frame = soft(240, 320)
    there = turned(angle, scale, 0, 0)
    there[:, 2] = 63.5 - there[:, :2] @ (160.0, 120.0)
    picture = cut_out(frame, there, size=128)
    back = put_back(frame, picture, crop_of(there, frame))
    assert np.abs(back.astype(int) - frame).max() <= 6 and np.abs(back.astype(int) - frame).mean() < 0.3
    painted = put_back(frame, np.full_like(picture, 255), crop_of(there, frame))
    y, x = np.mgrid[0:240, 0:320]
    u, v = (there[i, 0] * x + there[i, 1] * y + there[i, 2] for i in (0, 1))
    inside = (u >= 0) & (u <= 127) & (v >= 0) & (v <= 127)
    assert np.array_equal(painted[~inside], frame[~inside]) and (painted[inside] == 255).all()


def test_put_back_reaches_over_the_edge_and_misses_it() -> None:
    frame = soft(50, 60)
    for shift in (20.0, -40.0):
        matrix = np.array([[1.0, 0, shift], [0, 1.0, shift]])
        picture = cut_out(frame, matrix, size=32)
        assert np.array_equal(put_back(frame, picture, crop_of(matrix, frame)), frame)
    away = np.array([[1.0, 0, 500], [0, 1.0, 500]])
    assert np.array_equal(put_back(frame, np.zeros((32, 32, 3), np.uint8), crop_of(away, frame)), frame)


def test_beyond_the_frame_the_picture_is_mirrored_and_more_and_more_blurred() -> None:
    """A frame of stripes; the picture begins 60 px to the left of it. Inside nothing is changed."""
    frame = np.zeros((120, 120, 3), np.uint8)
    frame[:, ::4] = frame[:, 1::4] = 200
    matrix = np.array([[1.0, 0, 60], [0, 1.0, 0]])
    picture = cut_out(frame, matrix, size=120)
    assert np.array_equal(picture[:, 60:], frame[:, :60])
    contrasts = [int(np.ptp(picture[60, at : at + 4].astype(int))) for at in (56, 52, 48, 44, 8)]
    assert contrasts[:3] == sorted(contrasts[:3], reverse=True)
    assert contrasts[0] > 100 and contrasts[2] < 60 and max(contrasts[3:]) < 20
    assert abs(int(picture[60, 59, 0]) - int(frame[60, 1, 0])) < 40  # a mirror, not a copy of the last column


def test_the_soft_border_fades() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    matrix = np.array([[1.0, 0, -20], [0, 1.0, -20]])
    row = put_back(frame, np.full((60, 60, 3), 200, np.uint8), crop_of(matrix, frame), feather=0.25)[50, :, 0]
    assert row[20] == 0 and row[50] == 200 and (np.diff(row[20:50].astype(int)) >= 0).all()
    assert 60 < row[27] < 140


def test_put_back_checks_sizes() -> None:
    frame = soft(50, 60)
    crop = crop_of(np.array([[1.0, 0, 0], [0, 1.0, 0]]), frame)
    with pytest.raises(ShapeError, match="a frame of 60x50"):
        put_back(soft(51, 60), np.zeros((8, 8, 3), np.uint8), crop)
    with pytest.raises(ShapeError, match="square"):
        put_back(frame, np.zeros((8, 9, 3), np.uint8), crop)


def test_share_outside_by_hand() -> None:
    assert (
        share_outside(box_matrix((-0.5, -0.5, 10, 10), size=32, margin=0.0), size=32, width=10, height=10)
        == 0
    )
    half = box_matrix((-5.5, -0.5, 10, 10), size=32, margin=0.0)
    assert share_outside(half, size=32, width=10, height=10) == pytest.approx(0.5)


def test_turned_away_does_not_mind_tilt() -> None:
    face = [(0.0, 0.0), (4.0, 0.0), (3.0, 3.0), (1.0, 5.0), (3.0, 5.0)]
    tilted = [(0.6 * x - 0.8 * y, 0.8 * x + 0.6 * y) for x, y in face]
    assert turned_away(face) == turned_away([face[1], face[0], face[2]]) == pytest.approx(turned_away(tilted))
    assert turned_away([(1.0, 1.0)] * 5) == math.inf
