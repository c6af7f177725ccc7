"""HDR pictures (PQ and HLG) brought to what an ordinary screen shows: BT.709, reference white near its white.

The curves are those of SMPTE ST 2084 (PQ) and ITU-R BT.2100 (HLG, with its system gamma of 1.2 for a screen
of 1000 cd/m2); the primaries are changed in linear light; highlights are rolled off by the curve of ITU-R
BT.2390, section 5.4.1, applied to the largest of the three channels, so that hues stay; the result is coded
for the gamma of 2.4 of ITU-R BT.1886. White is the reference white of ITU-R BT.2408, 203 cd/m2.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Curve = Literal["PQ", "HLG"]
"""How light is coded."""

CURVES: dict[int, Curve] = {16: "PQ", 18: "HLG"}
"""By the TransferCharacteristics of ITU-T H.273."""

WHITE = 203.0
"""Reference white, cd/m2; white of the result."""

PEAK = 1000.0
"""The brightest light that is distinguished, cd/m2: that of the screens on which most films are graded."""

_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Chromaticities (x, y) of red, green and blue by the ColourPrimaries of H.273: BT.709, BT.2020, P3."""

_WHITE_POINT = (0.3127, 0.3290)
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2100

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_CODES = 1 << 16


def pq_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """cd/m2 of PQ codes from 0 to 1 (ST 2084, equation 4.1).

    >>> [round(float(pq_light(np.array(code)))) for code in (0.508078, 0.580689, 1.0)]
    [100, 203, 10000]
    """
    power = np.asarray(code, np.float64) ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))


def pq_code(light: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """PQ codes, 0 to 1, of light in cd/m2: the inverse of `pq_light`."""
    power = (np.asarray(light, np.float64) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of the scene, 0 to 1, of HLG codes from 0 to 1 (BT.2100, table 5).

    >>> [round(float(hlg_light(np.array(code))), 4) for code in (0.5, 0.75, 1.0)]
    [0.0833, 0.265, 1.0]
    """
    code = np.asarray(code, np.float64)
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - _C) / _A) + _B) / 12)


def rolled_off(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light up to `PEAK` as light up to `WHITE`, cd/m2 (BT.2390, section 5.4.1, without a black level).

    >>> [round(float(rolled_off(np.array(light)))) for light in (10.0, 80.0, 1000.0, 4000.0)]
    [10, 80, 203, 203]
    """
    top = float(pq_code(PEAK))
    code = np.minimum(pq_code(light) / top, 1)
    most = float(pq_code(WHITE)) / top
    knee = 1.5 * most - 0.5
    part = np.maximum(code - knee, 0) / (1 - knee)
    square, cube = part**2, part**3
    curve = (2 * cube - 3 * square + 1) * knee + (cube - 2 * square + part) * (1 - knee)
    curve += (3 * square - 2 * cube) * most
    return pq_light(np.where(code < knee, code, curve) * top)


def to_standard(codes: NDArray[np.uint16], curve: Curve, primaries: int = 9) -> NDArray[np.uint8]:
    """HDR pictures for an ordinary screen.

    Args:
        codes: (H, W, 3), RGB as it is coded, 0 to 65535.
        curve: how.
        primaries: of the picture, by H.273; unknown ones count as BT.2020.

    Returns:
        (H, W, 3), 8-bit BT.709.
    """
    if curve == "PQ":
        share, gain = _pq_tables()
        light = share[codes] * gain[codes.max(axis=2)][..., None]
    else:
        scene = _hlg_table()[codes]
        shown = (scene @ _LUMA) ** 0.2  # BT.2100's OOTF: the system gamma acts on luminance
        brightest = shown * scene.max(axis=2)
        place = np.sqrt(np.minimum(brightest, 1)) * (_CODES - 1)
        light = scene * (shown * _hlg_gains()[place.astype(np.uint16)])[..., None]
    linear = light @ _to_709(primaries if primaries in _PRIMARIES else 9).T
    # The table is read at the square root of light, which spreads the dark end.
    place = np.sqrt(np.clip(linear, 0, 1)) * (_CODES - 1)
    return _screen_table()[place.astype(np.uint16)]


@cache
def _pq_tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light of each code as a share of white, and what the roll-off multiplies it with."""
    light = pq_light(np.arange(_CODES) / (_CODES - 1))
    gain = rolled_off(light) / np.maximum(light, 1e-6)
    return (light / WHITE).astype(np.float32), gain.astype(np.float32)


@cache
def _hlg_table() -> NDArray[np.float32]:
    return hlg_light(np.arange(_CODES) / (_CODES - 1)).astype(np.float32)


@cache
def _hlg_gains() -> NDArray[np.float32]:
    """By the square root of light as a share of `PEAK`: from that share to one of white, rolled off."""
    light = (np.arange(_CODES) / (_CODES - 1)) ** 2 * PEAK
    light[0] = light[1]
    return (rolled_off(light) / light * (PEAK / WHITE)).astype(np.float32)


@cache
def _screen_table() -> NDArray[np.uint8]:
    light = (np.arange(_CODES) / (_CODES - 1)) ** 2
    return np.asarray(np.rint(255 * light ** (1 / 2.4)), np.uint8)


@cache
def _to_709(primaries: int) -> NDArray[np.float32]:
    matrix = np.linalg.inv(_to_xyz(1)) @ _to_xyz(primaries)
    return np.asarray(matrix, np.float32)


def _to_xyz(primaries: int) -> NDArray[np.float64]:
    """The matrix from RGB to CIE XYZ that follows from the chromaticities and the white point."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in _PRIMARIES[primaries]]).T
    x, y = _WHITE_POINT
    return np.asarray(columns * np.linalg.solve(columns, [x / y, 1.0, (1 - x - y) / y]))
