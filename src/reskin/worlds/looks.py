"""Maps to pictures: surfaces painted in a look, and what lens and film stock add to a whole frame."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from reskin.worlds.draw import SHADE_STEPS, Maps
from reskin.worlds.materials import MATERIALS, Look, colour_table
from reskin.worlds.seasons import PALETTES, SEASONS, Season

GRAIN = 3.4
"""Standard deviation of the film's grain, in steps of 255."""

_GAME = colour_table("game")
_FILM = {season: colour_table("film", season) for season in SEASONS}
_STRENGTHS = np.array(
    [(0.0, 0.0, 0.0)] + [(m.rough, m.courses, m.streaks) for m in MATERIALS.values()], np.float32
)


def paint(maps: Maps, look: Look, rng: Generator, *, unit: float, season: Season = "autumn") -> np.ndarray:
    """Colour what `rasterise` has drawn.

    Args:
        maps: (h, w) maps of material, tint and shade.
        look: flat and bright, or textured.
        rng: source of the film's surface texture; the game takes nothing from it.
        unit: fine pixels per frame height, which gives the texture its scale.
        season: of the film.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    light = np.arange(256, dtype=np.float32) / SHADE_STEPS
    if look == "film":
        # Low sun: what is turned away from the light is darker than in the game.
        light = light**1.15
    colours = _FILM[season] if look == "film" else _GAME
    picture = colours[maps.material, maps.tint]
    shade = light[maps.shade]
    if look == "film":
        shade *= 1 + _texture(maps.material, rng, unit)
    picture *= shade[..., None]
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


def _texture(material: np.ndarray, rng: Generator, unit: float) -> np.ndarray:
    """(h, w) float32, around 0: relative brightness of the film's surfaces."""
    shape = material.shape
    present = np.bincount(material.ravel(), minlength=len(_STRENGTHS)) > 0
    used = _STRENGTHS[present].max(axis=0) > 0
    total = np.zeros(shape, np.float32)
    planes = (_rough, _courses, _streaks)
    for channel, plane in enumerate(planes):
        if used[channel]:
            total += _STRENGTHS[material, channel] * plane(shape, rng, unit)
    return total


def _clouded(shape: tuple[int, ...], rng: Generator, cell: tuple[float, float]) -> np.ndarray:
    """Smooth noise in [-1, 1] whose spots are `cell` (width, height) fine pixels large."""
    import cv2

    height, width = shape
    grid = (max(2, round(height / cell[1])), max(2, round(width / cell[0])))
    return cv2.resize(
        rng.uniform(-1, 1, grid).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )


def _rough(shape: tuple[int, ...], rng: Generator, unit: float) -> np.ndarray:
    fine = _clouded(shape, rng, (unit * 0.009, unit * 0.009))
    return 0.65 * fine + 0.6 * _clouded(shape, rng, (unit * 0.035, unit * 0.03))


def _streaks(shape: tuple[int, ...], rng: Generator, unit: float) -> np.ndarray:
    return _clouded(shape, rng, (unit * 0.25, unit * 0.014))


def _courses(shape: tuple[int, ...], rng: Generator, unit: float) -> np.ndarray:
    """Masonry: rows of bricks of differing brightness with dark joints, from -1 to 0.5."""
    height, width = shape
    row_height, brick_width = unit * 0.017, unit * 0.042
    row = (np.arange(height) / row_height).astype(np.intp)
    shift = (row % 2)[:, None] * brick_width / 2
    column = ((np.arange(width) + shift) / brick_width).astype(np.intp)
    bricks = rng.uniform(-0.5, 0.5, (row[-1] + 1, column.max() + 1)).astype(np.float32)
    pattern = bricks[row[:, None], column]
    joint = max(1.0, unit * 0.003)
    pattern[np.arange(height) % row_height < joint] = -1.0
    return pattern


def lens(size: tuple[int, int]) -> np.ndarray:
    """The light that reaches each pixel of the film, (H, W, 3) float32: darker and cooler to the corners."""
    width, height = size
    y = (np.arange(height, dtype=np.float32) + 0.5) / height - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    far = (x[None, :] ** 2 + y[:, None] ** 2) / 0.5
    loss = np.array([0.34, 0.32, 0.26], np.float32)
    return 1.04 - loss * far[..., None]


def develop(
    picture: np.ndarray, light: np.ndarray, rng: Generator, *, season: Season = "autumn"
) -> np.ndarray:
    """Make a film frame of a painted one: glow around lit windows, the lens, grain.

    Args:
        picture: (H, W, 3) uint8 RGB, painted in the film look.
        light: from `lens` of the same size.
        rng: source of the grain.
        season: of the film; in daylight there is less glow than at dusk.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    import cv2

    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(8, width // 4), max(8, height // 4)), interpolation=cv2.INTER_AREA)
    strength = np.array([0.42, 0.34, 0.2], np.float32) * np.float32(PALETTES[season].glow)
    glow = np.maximum(small.astype(np.float32) - 150.0, 0.0) * strength
    glow = cv2.GaussianBlur(glow, (0, 0), small.shape[0] / 20)
    wide = cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR)
    film = np.asarray(cv2.add(picture.astype(np.float32), wide), np.float32)
    film *= light
    film += rng.standard_normal((height, width, 1), np.float32) * GRAIN
    return np.clip(np.rint(film, out=film), 0, 255, out=film).astype(np.uint8)
