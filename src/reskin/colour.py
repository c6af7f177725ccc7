"""CIELAB, a colour space in which equal steps look about equally large.

OpenCV does the matrices and cube roots; the curve of sRGB is applied here, because OpenCV's own sRGB path
looks its values up in a coarse table (up to 0.4 off) and does not bring every byte back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reskin.errors import ShapeError
from reskin.images import Picture

_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Linear light of each byte of sRGB (IEC 61966-2-1)."""


def to_lab(image: Picture) -> NDArray[np.float32]:
    """CIELAB (D65) of an sRGB picture: (H, W, 3) with L in [0, 100], a and b about [-110, 110], 0 for grey.

    Args:
        image: RGB, uint8, (H, W, 3).

    Raises:
        ShapeError: another shape or type.

    >>> to_lab(np.full((1, 1, 3), 255, np.uint8)).round(1).ravel().tolist()
    [100.0, 0.0, 0.0]
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ShapeError(f"a picture must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    return np.asarray(cv2.cvtColor(_LINEAR[image], cv2.COLOR_LRGB2LAB), np.float32)


def from_lab(lab: NDArray[np.floating]) -> Picture:
    """The sRGB picture of CIELAB values, uint8, (H, W, 3); colours that sRGB has not are clipped.

    >>> from_lab(to_lab(np.full((1, 1, 3), (200, 30, 90), np.uint8))).tolist()
    [[[200, 30, 90]]]
    """
    import cv2

    linear = np.clip(cv2.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_LAB2LRGB), 0.0, 1.0)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255).astype(np.uint8)
