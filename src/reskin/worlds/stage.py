"""A scene as sprites, and a moment of it as one frame with its class map and its motion.

Everything that moves is painted once, in both looks, larger than it will be shown. A frame is then a matter
of laying the pieces over each other at whole fine pixels, so what moved where is known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reskin.worlds.draw import rasterise
from reskin.worlds.looks import paint
from reskin.worlds.materials import class_map
from reskin.worlds.people import PARTS, POSES, draw_person, motion
from reskin.worlds.scene import Car, Scene, Strip, Walker
from reskin.worlds.seasons import Season
from reskin.worlds.shapes import Shape


@dataclass(frozen=True)
class Sprite:
    """A painted piece.

    Attributes:
        pixels: (h, w) uint64; its eight bytes are game RGB, film RGB, class, number of the moving piece.
        mask: (h, w) bool, where the piece covers what is behind it.
        left: column of its first pixel, in fine pixels from its anchor.
        top: row of its first pixel, likewise.
    """

    pixels: np.ndarray
    mask: np.ndarray
    left: int
    top: int


@dataclass(frozen=True)
class Placed:
    """A sprite in a frame: its anchor's position in fine pixels."""

    sprite: Sprite
    x: int
    y: int


def pack(game: np.ndarray, film: np.ndarray, classes: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """The two pictures (h, w, 3) and two maps (h, w), all uint8, as one (h, w) uint64 array."""
    together = np.concatenate([game, film, classes[..., None], piece[..., None]], axis=2)
    return np.ascontiguousarray(together).view(np.uint64)[..., 0]


def lay(placed: Sequence[Placed], size: tuple[int, int]) -> np.ndarray:
    """Lay sprites over each other, the later ones on top.

    Args:
        placed: what lies where, in fine pixels.
        size: (width, height) of the frame in fine pixels.

    Returns:
        (h, w, 8) uint8, the bytes of `Sprite.pixels`.
    """
    width, height = size
    canvas = np.zeros((height, width), np.uint64)
    for item in placed:
        rows, columns = item.sprite.pixels.shape
        left, top = item.x + item.sprite.left, item.y + item.sprite.top
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + columns), min(height, top + rows)
        if x0 >= x1 or y0 >= y1:
            continue
        part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        np.copyto(canvas[y0:y1, x0:x1], item.sprite.pixels[part], where=item.sprite.mask[part])
    return canvas.view(np.uint8).reshape(height, width, 8)


def flow_of(pieces: np.ndarray, motions: np.ndarray) -> np.ndarray:
    """Where each pixel moves to.

    Args:
        pieces: (H, W) uint8, which moving piece each pixel shows.
        motions: (n, 2, 3) float64, for each piece the affine map of positions in pixels to the next frame.

    Returns:
        (H, W, 2) float32 pixels, x before y.
    """
    height, width = pieces.shape
    # The map minus the identity, so that nothing is lost to float32 far from the origin.
    change = (motions - np.eye(2, 3)).astype(np.float32)[pieces]
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5
    flow = change[..., 2]
    flow += change[..., 0] * x[..., None]
    flow += change[..., 1] * y[..., None]
    return np.ascontiguousarray(flow)


class Stage:
    """The pieces of one scene, painted for one size of frame.

    Args:
        scene: what is where.
        key: (seed, scene number), from which the surface texture is drawn.
        size: (width, height) of the frame in pixels.
        fine: fine pixels per pixel, in height and width.
        season: in which the film is painted.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        key: tuple[int, int],
        size: tuple[int, int],
        fine: int,
        season: Season = "autumn",
    ) -> None:
        self.scene, self.key, self.size, self.fine, self.season = scene, key, size, fine, season
        self.unit = size[1] * fine
        strips = scene.back + scene.front
        self.first_walker = len(strips)
        self.first_car = self.first_walker + PARTS * len(scene.walkers)
        self.num_pieces = self.first_car + len(scene.cars)
        assert self.num_pieces <= 256, "the number of a piece is stored in a byte"
        self.strips = [self._strip(strip, piece) for piece, strip in enumerate(strips)]
        self._painted: dict[tuple[int, int], Sprite] = {}

    def _strip(self, strip: Strip, piece: int) -> Sprite:
        left, top = int(np.floor(strip.left * self.unit)), int(np.floor(strip.top * self.unit))
        right, bottom = int(np.ceil(strip.right * self.unit)), int(np.ceil(strip.bottom * self.unit))
        return self._sprite(strip.shapes, (left, top, right, bottom), piece)

    def _sprite(self, shapes: Sequence[Shape], edges: tuple[int, int, int, int], piece: int) -> Sprite:
        """Paint shapes into the fine pixels between `edges`: left, top, right, bottom from the origin."""
        left, top, right, bottom = edges
        maps = rasterise(shapes, (right - left, bottom - top), origin=(-left, -top), unit=self.unit)
        rng = np.random.default_rng([*self.key, 1, piece])
        game = paint(maps, "game", rng, unit=self.unit)
        film = paint(maps, "film", rng, unit=self.unit, season=self.season)
        pixels = pack(game, film, class_map(maps.material), maps.part + np.uint8(piece))
        return Sprite(pixels, maps.material > 0, left, top)

    def _loose(self, shapes: Sequence[Shape], piece: int) -> Sprite:
        """A sprite just large enough for its shapes."""
        corners = np.concatenate([shape.points for shape in shapes]) * self.unit
        left, top = np.floor(corners.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 2
        return self._sprite(shapes, (int(left), int(top), int(right), int(bottom)), piece)

    def _walker_sprite(self, number: int, pose: int) -> Sprite:
        piece = self.first_walker + PARTS * number
        if (piece, pose) not in self._painted:
            shapes = draw_person(self.scene.walkers[number].person, pose)
            self._painted[piece, pose] = self._loose(shapes, piece)
        return self._painted[piece, pose]

    def _car_sprite(self, number: int) -> Sprite:
        piece = self.first_car + number
        if (piece, 0) not in self._painted:
            self._painted[piece, 0] = self._loose(self.scene.cars[number].shapes, piece)
        return self._painted[piece, 0]

    def _strip_x(self, strip: Strip, time: int) -> int:
        return round((strip.drift - self.scene.pan * strip.parallax) * time * self.unit)

    def _walker_x(self, walker: Walker, time: int) -> int:
        speed = walker.person.facing * walker.person.stride / POSES
        return round((walker.x + (speed - self.scene.pan) * time) * self.unit)

    def _car_x(self, car: Car, time: int) -> int:
        return round((car.x + (car.speed - self.scene.pan) * time) * self.unit)

    def _is_seen(self, x: int, reach: float) -> bool:
        return -reach * self.unit < x < self.size[0] * self.fine + reach * self.unit

    def placed(self, time: int) -> list[Placed]:
        """All that can be seen `time` frames into the scene, back to front."""
        scene = self.scene
        items = [
            Placed(sprite, self._strip_x(strip, time), 0)
            for strip, sprite in zip(scene.back + scene.front, self.strips, strict=True)
        ]
        back, front = items[: len(scene.back)], items[len(scene.back) :]
        for number, walker in enumerate(scene.walkers):
            x = self._walker_x(walker, time)
            if self._is_seen(x, walker.person.height):
                sprite = self._walker_sprite(number, (walker.pose + time) % POSES)
                back.append(Placed(sprite, x, round(walker.y * self.unit)))
        for number, car in enumerate(scene.cars):
            x = self._car_x(car, time)
            if self._is_seen(x, car.length):
                back.append(Placed(self._car_sprite(number), x, round(car.y * self.unit)))
        return back + front

    def motions(self, time: int) -> np.ndarray:
        """The motion of every piece from this frame to the next, (n, 2, 3), as `flow_of` takes it."""
        scene = self.scene
        motions = np.tile(np.eye(2, 3), (self.num_pieces, 1, 1))
        for piece, strip in enumerate(scene.back + scene.front):
            motions[piece, 0, 2] = (self._strip_x(strip, time + 1) - self._strip_x(strip, time)) / self.fine
        for number, walker in enumerate(scene.walkers):
            here = np.array([self._walker_x(walker, time), round(walker.y * self.unit)]) / self.fine
            there = np.array([self._walker_x(walker, time + 1), round(walker.y * self.unit)]) / self.fine
            for part in range(PARTS):
                piece = self.first_walker + PARTS * number + part
                motions[piece] = motion(walker.person, part, walker.pose + time)
                shift = motions[piece, :, 2] * self.size[1]
                motions[piece, :, 2] = shift + there - motions[piece, :, :2] @ here
        for number, car in enumerate(scene.cars):
            way = self._car_x(car, time + 1) - self._car_x(car, time)
            motions[self.first_car + number, 0, 2] = way / self.fine
        return motions
