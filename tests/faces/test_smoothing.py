"""Held still: a drawn track with known motion and the noise of landmarks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reskin.errors import ShapeError
from reskin.faces.alignment import box_matrix, similarity
from reskin.faces.smoothing import OneEuroFilter, edge_of, matrix_of, pose_of, smoothed

COUNT = 120
TIMES = [number / 25 for number in range(COUNT)]


def moving(edge: float = 400.0) -> NDArray[np.float64]:
    """A head that walks to the right, nods, comes nearer and tilts; (COUNT, 4)."""
    t = np.asarray(TIMES)
    half = edge / 2 * (1 + 0.1 * np.sin(t))
    tilt = 0.2 * np.sin(1.3 * t)
    return edge / 400 * np.stack([300 + 60 * t, 250 + 15 * np.sin(2.5 * t), 0 * t, 0 * t], axis=1) + np.stack(
        [0 * t, 0 * t, half * np.cos(tilt), half * np.sin(tilt)], axis=1
    )


def trembling(edge: float = 400.0, share: float = 0.01) -> NDArray[np.float64]:
    """The same track as landmarks give it, each corner off by about 1 % of the edge."""
    noise = np.random.default_rng(0).normal(0, share * edge / np.sqrt(2), (COUNT, 4))
    return moving(edge) + noise * np.array([1, 1, 0.7, 0.7])


def corners(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, 4, 2), in frame px."""
    centre, right = poses[:, :2], poses[:, 2:]
    down = np.stack([-right[:, 1], right[:, 0]], axis=1)
    return np.stack([centre + s * right + t * down for s in (-1, 1) for t in (-1, 1)], axis=1)


def jitter(poses: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Root mean square second difference of the corners' errors over sqrt 6: white noise of sigma gives
    sigma."""
    error = corners(poses) - corners(true)
    second = error[2:] - 2 * error[1:-1] + error[:-2]
    return float(np.sqrt((second**2).sum(axis=2).mean() / 6))


def distance(poses: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    return float(np.sqrt(((corners(poses) - corners(true)) ** 2).sum(axis=2).mean()))


@pytest.mark.parametrize("edge", [100.0, 400.0, 1600.0])
def test_corners_hold_still_and_follow(edge: float) -> None:
    true, raw = moving(edge), trembling(edge)
    held = smoothed(TIMES, raw)
    assert jitter(raw, true) > 2.8 * edge / 400  # what the landmarks of films do
    assert jitter(held, true) < 0.4 * edge / 400
    assert distance(held, true) < 0.6 * distance(raw, true)


def test_smoothing_does_not_depend_on_the_size_of_the_face() -> None:
    raw = trembling(400.0)
    assert np.allclose(smoothed(TIMES, raw / 4), smoothed(TIMES, raw) / 4, atol=1e-9)


def test_steady_motion_is_left_as_it_is() -> None:
    straight = np.array([[10.0, 20, 50, 0]]) + np.arange(40)[:, None] * np.array([[3.0, -1, 0, 0]])
    held = smoothed([n / 25 for n in range(40)], straight)
    assert np.abs(held - straight)[5:-5].max() < 0.05


def test_landmarks_that_jump_move_nothing() -> None:
    true = moving()
    raw = trembling()
    wild = raw.copy()
    wild[[40, 41, 80]] += np.array([150.0, -80, 40, 60])
    assert np.abs(corners(smoothed(TIMES, wild)) - corners(smoothed(TIMES, raw))).max() < 4
    assert jitter(smoothed(TIMES, wild), true) < 0.4


def test_times_count_not_numbers_of_frames() -> None:
    kept = sorted(set(range(COUNT)) - set(range(3, COUNT, 4)))  # a variable frame rate
    held = smoothed([TIMES[i] for i in kept], trembling()[kept])
    assert distance(held, moving()[kept]) < 0.7 * distance(trembling()[kept], moving()[kept])


def test_one_frame_is_itself() -> None:
    assert np.array_equal(smoothed([0.0], moving()[:1]), moving()[:1])


@pytest.mark.parametrize("times", [[0.0, 0.0], [1.0, 0.0], [0.0]])
def test_times_that_do_not_rise_are_refused(times: list[float]) -> None:
    with pytest.raises(ShapeError):
        smoothed(times, moving()[:2])


def test_a_square_and_its_map_are_the_same_thing() -> None:
    matrix = similarity([(10, 20), (50, 30), (20, 70)], [(20, 20), (60, 25), (35, 75)])
    pose = pose_of(matrix, 96)
    assert np.allclose(matrix_of(pose, 96), matrix)
    assert np.isclose(edge_of(pose), 96 / np.sqrt(np.linalg.det(matrix[:, :2])))
    assert np.allclose(pose_of(box_matrix((0, 0, 10, 10), size=64, margin=0.5, turn=90), 64), (5, 5, 0, 10))


def test_live_tracks_tremble_less_and_hardly_lag() -> None:
    true, raw = moving(), trembling()
    follower = OneEuroFilter()
    held = np.stack([follower.step(time, pose) for time, pose in zip(TIMES, raw, strict=True)])
    assert jitter(held, true) < 0.6 * jitter(raw, true)
    assert distance(held, true) < 1.2 * distance(raw, true)


def test_a_live_track_begins_anew_when_time_does() -> None:
    follower = OneEuroFilter()
    follower.step(1.0, moving()[0])
    assert np.array_equal(follower.step(0.5, moving()[50]), moving()[50])
