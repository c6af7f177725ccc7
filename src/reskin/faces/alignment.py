"""Cutting a face out of a frame by an exact map, and putting a picture back by the same map.

Points are (x, y) in px with pixel centres at whole numbers, so the left edge of a picture is at -0.5. A map
is a 2x3 matrix from frame px to picture px, float64; the one that is used is the one that is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reskin.errors import ShapeError
from reskin.images import Picture
from reskin.types import NO_BARS, Bars

if TYPE_CHECKING:
    from reskin.faces.crop import Crop

Matrix = NDArray[np.float64]
"""A 2x3 affine map of (x, y)."""

Points = Sequence[tuple[float, float]]
"""Positions as (x, y), in px."""

# A frontal face: right eye, left eye, nose, right and left corner of the mouth (of the person, so the right
# eye is on the left). The unit is the face's height from brow to chin, the origin the middle of its box.
# Drawn by us: the mean of what YuNet finds on frontal faces, made symmetrical.
TEMPLATE = ((-0.172, -0.123), (0.172, -0.123), (0.0, 0.081), (-0.148, 0.237), (0.148, 0.237))


def similarity(points: Points, targets: Points) -> Matrix:
    """The rotation, scale and shift (no mirroring) that brings `points` nearest to `targets`.

    The least-squares solution of Umeyama, "Least-squares estimation of transformation parameters between two
    point patterns", 1991, eq. 40 to 42.

    Args:
        points: at least two positions that are not all the same.
        targets: where they should go, in the same order.

    Raises:
        ShapeError: fewer than two points, different numbers, or all points at one position.

    >>> similarity([(0, 0), (2, 0)], [(1, 1), (1, 5)]).round(6).tolist()  # a quarter turn, twice the size
    [[0.0, -2.0, 1.0], [2.0, 0.0, 1.0]]
    """
    source, target = np.asarray(points, np.float64), np.asarray(targets, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[0] < 2 or source.shape[1] != 2:
        raise ShapeError(
            f"cannot align points {source.shape} with {target.shape}", "Give (N, 2) twice, N > 1."
        )
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    spread = ((source - middle) ** 2).sum(axis=1).mean()
    if not spread > 0:
        raise ShapeError("all points are at one position", "Give points that differ.")
    left, strengths, right = np.linalg.svd((target - aim).T @ (source - middle) / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    turned = (left * signs) @ right * float((strengths * signs).sum() / spread)
    return np.column_stack([turned, aim - turned @ middle])


def landmark_matrix(landmarks: Points, *, size: int, margin: float) -> Matrix:
    """The map that brings five landmarks onto the template of a square picture.

    Args:
        landmarks: right eye, left eye, nose, right and left corner of the mouth, in frame px.
        size: height and width of the picture, in px.
        margin: room around the face, in heights of the face.
    """
    scale, middle = size / (1 + 2 * margin), (size - 1) / 2
    targets = [(x * scale + middle, y * scale + middle) for x, y in TEMPLATE]
    return similarity(landmarks, targets)


def box_matrix(box: tuple[float, float, float, float], *, size: int, margin: float, turn: int = 0) -> Matrix:
    """The map that brings a square around a box onto a square picture, turned by quarters at most.

    Args:
        box: left, top, width, height, in frame px.
        size: height and width of the picture, in px.
        margin: room around the box, as a share of its longer edge.
        turn: degrees, clockwise, by which the head is turned in the frame: 0, 90, 180 or 270; it is upright
            in the picture.

    >>> box_matrix((0, 0, 2, 2), size=2, margin=0, turn=90).tolist()  # what is at the right comes to the top
    [[0.0, 1.0, -0.5], [-1.0, 0.0, 1.5]]
    """
    left, top, width, height = box
    scale = size / (max(width, height) * (1 + 2 * margin))
    middle = (size - 1) / 2
    x, y = left + width / 2, top + height / 2
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn // 90]
    turned = scale * np.array([[cos, sin], [-sin, cos]], np.float64) + 0.0
    return np.column_stack([turned, middle - turned @ (x, y)])


def share_outside(matrix: Matrix, *, size: int, width: int, height: int, bars: Bars = NO_BARS) -> float:
    """How much of a square picture lies outside of the frame or on its black bars, 0 to 1, to about 0.1%."""
    places = (np.arange(32) + 0.5) * size / 32 - 0.5
    grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    x, y = (grid @ _inverse(matrix)[:, :2].T + _inverse(matrix)[:, 2]).T
    left, top, right, bottom = bars
    inside = (x >= left - 0.5) & (x <= width - right - 0.5) & (y >= top - 0.5) & (y <= height - bottom - 0.5)
    return 1.0 - float(inside.mean())


def cut_out(frame: Picture, matrix: Matrix, *, size: int, bars: Bars = NO_BARS) -> Picture:
    """The square picture that the map cuts out of a frame.

    Where the picture is smaller than the part of the frame that it shows, frame pixels are averaged. Beyond
    the frame, and beyond its black bars, its border is mirrored, and the more blurred the farther it lies
    outside, as face datasets do it (FFHQ: Karras et al., "A Style-Based Generator Architecture for GANs",
    2019), so that nobody learns a second, upside-down face.

    Args:
        frame: (H, W, 3), uint8, RGB.
        matrix: the map from frame px to picture px.
        size: height and width of the picture, in px.
        bars: black px at the left, top, right and bottom of the frame, which are not looked at.

    Returns:
        (size, size, 3), uint8.
    """
    left, top, right, bottom = bars
    inside = frame[top : frame.shape[0] - bottom, left : frame.shape[1] - right]
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (left, top)
    picture = _warp(inside, moved, (size, size))
    return _blurred_outside(picture, _depth_outside(moved, size, inside.shape[1], inside.shape[0]))


def _depth_outside(matrix: Matrix, size: int, width: int, height: int) -> NDArray[np.float32]:
    """How far each pixel of a square picture lies beyond a frame, (size, size), in picture px."""
    back = _inverse(matrix)
    x, y = np.meshgrid(np.arange(size, dtype=np.float64), np.arange(size, dtype=np.float64))
    depths = []
    for row, last in zip(back, (width - 1, height - 1), strict=True):
        position = row[0] * x + row[1] * y + row[2]
        depths.append(np.maximum(0.0, np.maximum(-position, position - last)))
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    return (np.hypot(*depths) * scale).astype(np.float32)


def _blurred_outside(picture: Picture, depth: NDArray[np.float32]) -> Picture:
    """The picture with what lies outside of the frame blurred, fully from a tenth of its edge on."""
    import cv2

    if not depth.any():
        return picture
    size = picture.shape[0]
    share = np.clip(depth / (0.1 * size), 0.0, 1.0)[..., None]
    soft = cv2.GaussianBlur(picture, (0, 0), 0.06 * size, borderType=cv2.BORDER_REFLECT_101)
    return np.rint(picture * (1 - share) + soft * share).astype(np.uint8)


def put_back(
    frame: Picture, picture: Picture, crop: Crop, *, feather: float = 0.0, bars: Bars = NO_BARS
) -> Picture:
    """A copy of the frame with a picture where its crop was cut out.

    Args:
        frame: (H, W, 3), uint8, RGB, of the size that the crop states.
        picture: (S, S, 3), uint8, RGB: what was cut out, or a translation of it.
        crop: where it was cut out.
        feather: width of the soft border between the picture and the frame, as a share of the picture's
            height.
        bars: black px at the left, top, right and bottom of the frame, which stay as they are.

    Returns:
        (H, W, 3), uint8. Pixels outside of the picture are those of the frame.

    Raises:
        ShapeError: the frame is not of the size that the crop states, or the picture is not square.
    """
    height, width = frame.shape[:2]
    size = picture.shape[0]
    if (width, height) != (crop.frame_width, crop.frame_height) or picture.shape[1] != size:
        got = f"a frame of {width}x{height} and a picture of {picture.shape[1]}x{size}"
        wanted = f"a frame of {crop.frame_width}x{crop.frame_height} and a square picture"
        raise ShapeError(f"cannot put back: got {got}", f"Give {wanted}.")
    back = _inverse(np.array(crop.matrix, np.float64).reshape(2, 3))
    left, top, right, bottom = _reach(back, size, (bars[0], bars[1], width - bars[2], height - bars[3]))
    result = frame.copy()
    if left >= right or top >= bottom:
        return result
    back[:, 2] -= (left, top)
    area = (right - left, bottom - top)
    share = _coverage(back, size, area, feather=feather)[..., None]
    part = result[top:bottom, left:right]
    mixed = _warp(picture, back, area) * share + part * (1 - share)
    part[:] = np.rint(mixed).astype(np.uint8)
    return result


def _inverse(matrix: Matrix) -> Matrix:
    turned = np.linalg.inv(matrix[:, :2])
    return np.column_stack([turned, -turned @ matrix[:, 2]])


def _reach(back: Matrix, size: int, inside: Bars) -> Bars:
    """The part of the frame that the picture covers: left, top, right, bottom, in whole px.

    Args:
        back: the map from picture px to frame px.
        size: height and width of the picture, px.
        inside: what of the frame may be covered, in the same form.
    """
    corners = np.array([(x, y) for x in (-0.5, size - 0.5) for y in (-0.5, size - 0.5)])
    places = corners @ back[:, :2].T + back[:, 2]
    left, top = np.floor(places.min(axis=0)).astype(int)
    right, bottom = np.ceil(places.max(axis=0)).astype(int) + 1
    return (
        max(inside[0], int(left)),
        max(inside[1], int(top)),
        min(inside[2], int(right)),
        min(inside[3], int(bottom)),
    )


def _coverage(back: Matrix, size: int, area: tuple[int, int], *, feather: float) -> NDArray[np.float64]:
    """How much of the picture each pixel of the area shows: 1 inside, 0 outside, between on the border."""
    there = _inverse(back)
    x, y = np.meshgrid(np.arange(area[0], dtype=np.float64), np.arange(area[1], dtype=np.float64))
    depths = []
    for row in there:
        place = row[0] * x + row[1] * y + row[2]
        depths.append(np.minimum(place, size - 1 - place))
    depth = np.minimum(*depths)
    # Without a border a pixel counts where its centre is among the picture's pixel centres.
    return np.clip(depth / (feather * size), 0, 1) if feather > 0 else (depth >= 0).astype(np.float64)


def _warp(image: Picture, matrix: Matrix, area: tuple[int, int]) -> Picture:
    """`image` seen through the map, (area[1], area[0], 3); averaged where the map makes it smaller."""
    import cv2

    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    fine = max(1, int(np.ceil(1.0 / max(scale, 1e-6) - 0.25)))
    fine = min(fine, 16)  # a face of thousands of px; more would only cost memory
    finer = matrix * fine
    finer[:, 2] += (fine - 1) / 2
    finely = (area[0] * fine, area[1] * fine)
    seen = cv2.warpAffine(image, finer, finely, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    if fine > 1:
        seen = cv2.resize(seen, area, interpolation=cv2.INTER_AREA)
    return np.asarray(seen, np.uint8)


def turned_away(landmarks: Points) -> float:
    """How far a face is turned left or right: 0 straight ahead, 1 when the nose is below an eye, more beyond.

    Args:
        landmarks: right eye, left eye, nose, right and left corner of the mouth, in px.

    >>> [turned_away([(0, 0), (4, 0), nose, (1, 5), (3, 5)]) for nose in ((2, 3), (3, 3))]
    [0.0, 0.5]
    """
    right, left, nose = (np.asarray(point, np.float64) for point in landmarks[:3])
    across = left - right
    length = float(across @ across)
    if not length > 0:
        return float("inf")
    return abs(float((nose - (right + left) / 2) @ across)) / length * 2
