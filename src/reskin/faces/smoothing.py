"""Smoothing where a face lies over time, so that what is put back does not tremble.

Landmarks shake by about 1 % of a crop from frame to frame. What is smoothed is the square that a crop covers
in its frame, as four numbers: its centre and half of its right edge's direction. Its corners are sums of
these, so smoothing them smooths the corners, whatever the head does.

For files: a Kalman filter of constant velocity and the backward pass of Rauch, Tung and Striebel, "Maximum
likelihood estimates of linear dynamic systems", AIAA Journal 1965. For live pictures, whose future is not
known: Casiez et al., "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reskin.errors import ShapeError
from reskin.faces.alignment import Matrix

Pose = NDArray[np.float64]
"""(4,): centre x, centre y, and the vector from the centre to the middle of the right edge, in frame px."""

ACCELERATION = 0.05
"""Variance of a face's acceleration against that of its measured position, in frames of 1/25 s: larger
follows quick motion, smaller holds stiller. A ratio, so it suits every size of a face."""

STEP_SECONDS = 1 / 25
"""Unit of time in which `ACCELERATION` is meant."""

CUTOFF_HZ, SPEED_SHARE = 1.0, 0.05
"""One-euro filter: cutoff of a face that stands still, and how much it rises with speed, in Hz for each px a
second of a crop of `CROP_PX`."""

CROP_PX = 400
"""Edge of the crop, in its frame, to which speeds are scaled."""

_SPEED_CUTOFF_HZ = 1.0

_ANY_SPEED = 1e3
"""Variance of the speed of a face that was never seen before, against that of a measured position."""

_PASSES = 4
_USUAL_SHARE = 0.005
"""Corners are usually measured to so much of the edge of a crop, or as well as the median of their track."""
_TAIL = 2.0
"""A corner that is off by so many times the usual has twice the variance, as in Student's t: a landmark that
jumps for a frame or two moves nothing."""


def pose_of(matrix: Matrix, size: int) -> Pose:
    """Where the square picture of a map lies in the frame.

    Args:
        matrix: the map from frame px to picture px; a rotation, scale and shift.
        size: edge of the picture, in px.

    >>> from reskin.faces.alignment import box_matrix
    >>> pose_of(box_matrix((10, 20, 8, 8), size=64, margin=0), 64).round(6).tolist()
    [14.0, 24.0, 4.0, 0.0]
    """
    back = np.linalg.inv(matrix[:, :2])
    middle = (size - 1) / 2
    centre = back @ (np.array([middle, middle]) - matrix[:, 2])
    return np.concatenate([centre, back[:, 0] * (size / 2)])


def matrix_of(pose: Pose, size: int) -> Matrix:
    """The map from frame px to px of a square picture of this size that lies there; undoes `pose_of`."""
    x, y, right, down = (float(value) for value in pose)
    scale = 2 / size
    back = scale * np.array([[right, -down], [down, right]])
    turned = np.linalg.inv(back)
    middle = (size - 1) / 2
    return np.column_stack([turned, np.array([middle, middle]) - turned @ (x, y)])


def edge_of(pose: Pose) -> float:
    """Edge of the square in its frame, in px."""
    return 2 * float(np.hypot(pose[2], pose[3]))


def smoothed(
    times: Sequence[float], poses: NDArray[np.float64], *, acceleration: float = ACCELERATION
) -> NDArray[np.float64]:
    """The poses of one face over one shot, each in agreement with those before and behind it.

    Args:
        times: of each, in seconds, rising.
        poses: (T, 4), T from 1; see `Pose`.
        acceleration: see `ACCELERATION`.

    Returns:
        (T, 4).

    Raises:
        ShapeError: times and poses differ in number, or times do not rise.
    """
    measured = np.asarray(poses, np.float64)
    moments = np.asarray(times, np.float64) / STEP_SECONDS
    if measured.shape != (len(moments), 4) or not len(moments) or (np.diff(moments) <= 0).any():
        raise ShapeError(f"cannot smooth poses {measured.shape} at {len(moments)} times", "Times must rise.")
    doubt = np.ones(len(moments))
    for _ in range(_PASSES):
        found = _kalman(moments, measured, doubt, acceleration)
        distances = _corner_distances(found, measured)
        usual = max(float(np.median(distances)), _USUAL_SHARE * float(np.median(_edges(measured))))
        doubt = 1 + (distances / (_TAIL * usual)) ** 2
    return _kalman(moments, measured, doubt, acceleration)


def _edges(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * np.hypot(poses[:, 2], poses[:, 3])


def _corner_distances(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,): root mean square distance of the corners of two squares, in px."""
    apart = (one - other) ** 2
    return np.asarray(np.sqrt(apart[:, :2].sum(axis=1) + 2 * apart[:, 2:].sum(axis=1)))


def _kalman(
    moments: NDArray[np.float64],
    measured: NDArray[np.float64],
    doubt: NDArray[np.float64],
    acceleration: float,
) -> NDArray[np.float64]:
    """Forward and backward pass; `doubt` is the variance of each measurement against a usual one."""
    count = len(moments)
    state = np.vstack([measured[0], np.zeros(4)])  # position and velocity of each of the four numbers
    spread = np.diag([doubt[0], _ANY_SPEED])
    states, spreads = np.empty((count, 2, 4)), np.empty((count, 2, 2))
    ahead, ahead_spreads = np.empty((count, 2, 4)), np.empty((count, 2, 2))
    for at in range(count):
        if at:
            move, noise = _motion(moments[at] - moments[at - 1], acceleration)
            state, spread = move @ state, move @ spread @ move.T + noise
            ahead[at], ahead_spreads[at] = state, spread
            gain = spread[:, 0] / (spread[0, 0] + doubt[at])
            state = state + np.outer(gain, measured[at] - state[0])
            spread = spread - np.outer(gain, spread[0])
        states[at], spreads[at] = state, spread
    for at in range(count - 2, -1, -1):
        move, _ = _motion(moments[at + 1] - moments[at], acceleration)
        gain = spreads[at] @ move.T @ np.linalg.inv(ahead_spreads[at + 1])
        states[at] += gain @ (states[at + 1] - ahead[at + 1])
    return states[:, 0]


def _motion(step: float, acceleration: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Constant velocity over `step`, and what an acceleration that changes at random adds to the spread."""
    move = np.array([[1.0, step], [0.0, 1.0]])
    noise = acceleration * np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
    return move, noise


class OneEuroFilter:
    """Smooths the poses of one face as they come, with a lag that shrinks when it moves."""

    def __init__(self) -> None:
        self._time: float | None = None
        self._pose: Pose = np.zeros(4)
        self._speed: Pose = np.zeros(4)

    def step(self, time: float, pose: Pose) -> Pose:
        """The pose of the next frame, smoothed.

        Args:
            time: seconds, later than the last one.
            pose: as measured.
        """
        if self._time is None or time <= self._time:
            self._time, self._pose, self._speed = time, pose.astype(np.float64), np.zeros(4)
            return self._pose
        seconds, self._time = time - self._time, time
        speed = (pose - self._pose) / seconds
        self._speed = self._speed + _share(_SPEED_CUTOFF_HZ, seconds) * (speed - self._speed)
        scale = CROP_PX / max(edge_of(self._pose), 1.0)
        # One cutoff for all four numbers, so that the square stays a square that moves as one.
        fastest = float(np.hypot(*self._speed[:2]) + np.hypot(*self._speed[2:])) * scale
        self._pose = self._pose + _share(CUTOFF_HZ + SPEED_SHARE * fastest, seconds) * (pose - self._pose)
        return self._pose


def _share(cutoff: float, seconds: float) -> float:
    """Weight of a new value in a low-pass of first order."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * seconds))
