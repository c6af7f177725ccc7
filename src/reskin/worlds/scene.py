"""What is where in a scene: a street that a camera pans along, as a pure function of (seed, scene number).

Lengths are in frame heights, so one scene can be drawn at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from reskin.worlds import shapes
from reskin.worlds.people import POSES, Person
from reskin.worlds.shapes import Shape, box, moved

LAWN, PAVEMENT, ROAD, VERGE = 0.555, 0.665, 0.735, 0.915
"""Upper edges of the ground's bands."""

MOST_PEOPLE, MOST_CARS = 24, 16
"""However wide the frame, no more move in it: each needs numbers of its own in a byte-wide map."""


@dataclass(frozen=True)
class Strip:
    """A long piece of scenery that moves as a whole.

    Attributes:
        shapes: what is on it, back to front; x = 0 is the left edge of the first frame.
        parallax: how much of the camera's way it moves; 0 for the sky, 1 for the street.
        drift: frame heights it moves by itself from frame to frame.
        left: where it begins, in frame heights.
        right: where it ends.
        top: its upper edge.
        bottom: its lower edge.
    """

    shapes: tuple[Shape, ...]
    parallax: float
    drift: float
    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Walker:
    """A person on the pavement: `x` at frame 0, `y` of the feet, and the pose they start in."""

    person: Person
    x: float
    y: float
    pose: int


@dataclass(frozen=True)
class Car:
    """A car: `x` at frame 0, `y` of the tyres, own `speed` in frame heights per frame."""

    shapes: tuple[Shape, ...]
    x: float
    y: float
    speed: float
    length: float


@dataclass(frozen=True)
class Scene:
    """A street and all that moves in it.

    Attributes:
        pan: frame heights the camera moves to the right from frame to frame; negative is to the left.
        back: scenery behind the traffic, back to front.
        walkers: people on the pavement, the farthest first.
        cars: cars on the road, the farthest first.
        front: scenery before the traffic.
    """

    pan: float
    back: tuple[Strip, ...]
    walkers: tuple[Walker, ...]
    cars: tuple[Car, ...]
    front: tuple[Strip, ...]


def make_scene(seed: int, number: int, *, aspect: float, num_frames: int) -> Scene:
    """The scene of this number in the footage of this seed.

    Args:
        seed: of the footage, 0 or more.
        number: of the scene, from 0.
        aspect: width of the frame divided by its height.
        num_frames: how long the scene lasts; a long scene is panned slowly.
    """
    rng = np.random.default_rng([seed, number])
    pan = min(rng.uniform(0.005, 0.011), 1.2 / num_frames) * (1 if rng.random() < 0.5 else -1)
    way = pan * num_frames
    stage = _Stage(rng, aspect, way, num_frames)
    back = (stage.sky(), stage.clouds(), stage.hills(), stage.houses(), stage.street())
    return Scene(pan, back, stage.walkers(), stage.cars(), (stage.verge(),))


class _Stage:
    """Lays out the parts of one scene; each part takes its turn at the one random stream."""

    def __init__(self, rng: Generator, aspect: float, way: float, num_frames: int) -> None:
        self.rng, self.aspect, self.way, self.num_frames = rng, aspect, way, num_frames

    def span(self, parallax: float, drift: float = 0.0) -> tuple[float, float]:
        """Left and right end of a strip that must fill the frame all through the scene."""
        travel = self.way * parallax - drift * self.num_frames
        return min(0.0, travel) - 0.02, max(0.0, travel) + self.aspect + 0.02

    def spaced(self, ends: tuple[float, float], gap: tuple[float, float]) -> list[float]:
        """Positions along a strip, a random `gap` apart, reaching past both ends."""
        x, found = ends[0] - self.rng.uniform(0.0, gap[1]), []
        while x < ends[1] + gap[1]:
            found.append(x)
            x += self.rng.uniform(*gap)
        return found

    def sky(self) -> Strip:
        rng = self.rng
        left, right = self.span(0.0)
        sun = (self.aspect * rng.uniform(0.15, 0.85), rng.uniform(0.1, 0.22))
        items = [Shape(box(left, 0.0, right, 0.6), "sky", 0.0, tint_below=1.0)]
        items += [
            Shape(shapes.oval(*sun, size, size), "halo", tint) for size, tint in ((0.2, 0.0), (0.16, 1.0))
        ]
        items.append(Shape(shapes.oval(*sun, 0.125, 0.125), "sun"))
        return Strip(tuple(items), 0.0, 0.0, left, right, 0.0, 0.6)

    def clouds(self) -> Strip:
        drift = float(self.rng.uniform(0.0006, 0.0016))
        ends = self.span(0.08, drift)
        items: list[Shape] = []
        for x in self.spaced(ends, (0.3, 0.44)):
            width = self.rng.uniform(0.2, 0.34)
            items += moved(shapes.cloud(self.rng, width), x, self.rng.uniform(0.09, 0.27))
        return Strip(tuple(items), 0.08, drift, *ends, 0.0, 0.4)

    def hills(self) -> Strip:
        ends, rng = self.span(0.3), self.rng
        x = np.linspace(ends[0], ends[1], 120)
        items = []
        for base, tall, tint in ((0.44, 0.035, 1.0), (0.49, 0.03, 0.25)):
            waves = [np.sin(x * rng.uniform(*bend) + rng.uniform(0, 6.3)) for bend in ((3, 5), (6, 10))]
            ridge = base + tall * (waves[0] + 0.45 * waves[1])
            edge = np.stack([x, ridge], axis=1)
            closed = np.concatenate([edge, [(ends[1], 0.62), (ends[0], 0.62)]])
            items.append(Shape(closed, "hill", tint))
        return Strip(tuple(items), 0.3, 0.0, *ends, 0.34, 0.62)

    def houses(self) -> Strip:
        ends, rng = self.span(0.7), self.rng
        items = [Shape(box(ends[0], LAWN, ends[1], 0.72), "grass", 0.9, tint_below=0.2)]
        trees: list[Shape] = []
        x = ends[0] - rng.uniform(0.0, 0.5)
        while x < ends[1] + 0.3:
            width = rng.uniform(0.32, 0.43)
            middle, base = x + width / 2, LAWN + rng.uniform(0.045, 0.065)
            path = np.array([(-0.035, 0.0), (0.035, 0.0), (0.05, 0.2), (-0.05, 0.2)])
            items.append(Shape(path + np.array([middle, base]), "pavement", 0.6, tint_below=0.4))
            items.append(Shape(shapes.oval(middle, base, width * 1.12, 0.03), "grass", 0.2, 0.8))
            items += moved(shapes.house(rng, width), middle, base)
            for side in (-0.4, 0.4):
                items += moved(shapes.bush(rng, rng.uniform(0.07, 0.1)), middle + side * width, base + 0.018)
            gap = rng.uniform(0.16, 0.24)
            foot = LAWN + rng.uniform(0.06, 0.085)
            trees.append(Shape(shapes.oval(x + width + gap / 2, foot, 0.16, 0.026), "grass", 0.2, 0.8))
            trees += moved(shapes.tree(rng, rng.uniform(0.27, 0.36)), x + width + gap / 2, foot)
            x += width + gap
        return Strip(tuple(items + trees), 0.7, 0.0, *ends, 0.1, 0.72)

    def street(self) -> Strip:
        ends, rng = self.span(1.0), self.rng
        left, right = ends
        middle = (ROAD + VERGE) / 2
        items = [
            Shape(box(left, PAVEMENT, right, ROAD + 0.01), "pavement", 0.3, tint_below=0.8),
            Shape(box(left, PAVEMENT, right, PAVEMENT + 0.006), "pavement", 0.2, 0.84),
            Shape(box(left, ROAD, right, ROAD + 0.012), "pavement", 0.9, 1.06),
            Shape(box(left, ROAD + 0.012, right, 1.0), "road", 0.2, tint_below=0.9),
            Shape(box(left, ROAD + 0.012, right, ROAD + 0.02), "road", 0.1, 0.84),
        ]
        for x in np.arange(left - rng.uniform(0, 0.17), right, 0.17):
            slab = np.array([(0.0, PAVEMENT), (0.004, PAVEMENT), (-0.011, ROAD), (-0.015, ROAD)])
            items.append(Shape(slab + np.array([x, 0.0]), "pavement", 0.4, 0.86))
        for x in np.arange(left - rng.uniform(0, 0.24), right, 0.24):
            dash = np.array([(0.006, -0.005), (0.116, -0.005), (0.11, 0.005), (0.0, 0.005)])
            items.append(Shape(dash + np.array([x, middle]), "marking"))
        return Strip(tuple(items), 1.0, 0.0, *ends, PAVEMENT, 1.0)

    def walkers(self) -> tuple[Walker, ...]:
        rng, (left, right) = self.rng, self.span(1.0)
        places = self.spaced((left - 0.1, right + 0.1), (0.26, 0.42))[:MOST_PEOPLE]
        people = []
        for x in places:
            person = Person(
                height=float(rng.uniform(0.165, 0.2)),
                facing=1 if rng.random() < 0.5 else -1,
                shirt=float(rng.random()),
                hair=float(rng.random()),
                has_skirt=bool(rng.random() < 0.4),
            )
            foot = float(rng.uniform(PAVEMENT + 0.022, ROAD - 0.006))
            people.append(Walker(person, x, foot, int(rng.integers(POSES))))
        return tuple(sorted(people, key=lambda walker: walker.y))

    def cars(self) -> tuple[Car, ...]:
        found: list[Car] = []
        for y, facing in ((ROAD + 0.075, -1), (VERGE - 0.012, 1)):
            speed = facing * float(self.rng.uniform(0.004, 0.012))
            ends = self.span(1.0, speed)
            for x in self.spaced(ends, (0.95, 1.35))[: MOST_CARS // 2]:
                length = float(self.rng.uniform(0.3, 0.34))
                found.append(Car(tuple(shapes.car(self.rng, length, facing)), x, y, speed, length))
        return tuple(found)

    def verge(self) -> Strip:
        ends, rng = self.span(1.35), self.rng
        x = np.arange(ends[0], ends[1] + 0.012, 0.012)
        edge = VERGE + 0.016 + rng.uniform(-0.009, 0.007, len(x))
        closed = np.concatenate([np.stack([x, edge], axis=1), [(ends[1], 1.0), (ends[0], 1.0)]])
        items = [Shape(closed, "grass", 0.3, tint_below=1.0)]
        for place in self.spaced(ends, (0.5, 0.9)):
            items += moved(shapes.bush(rng, rng.uniform(0.13, 0.19)), place, 1.0)
        return Strip(tuple(items), 1.35, 0.0, *ends, VERGE - 0.02, 1.0)
