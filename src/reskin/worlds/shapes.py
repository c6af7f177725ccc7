"""Flat shapes and the props made of them: houses, trees, cars and people.

A shape says what it is made of and where it lies, never which colour it has: colours belong to the looks.
Lengths are in frame heights, x to the right and y down; a prop stands on the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

Points = np.ndarray
"""(n, 2) float64 corners in frame heights, x before y."""


@dataclass(frozen=True)
class Shape:
    """One filled polygon.

    Attributes:
        points: corners, (n, 2), in frame heights.
        material: a name from `materials.MATERIALS`.
        tint: where in the range of its material the colour lies, in [0, 1].
        shade: brightness of the surface in both looks; 1 is fully lit.
        tint_below: tint at the lower edge, when it fades from top to bottom.
        part: which rigid piece of a moving figure this is; 0 for everything that moves as a whole.
    """

    points: Points
    material: str
    tint: float = 0.5
    shade: float = 1.0
    tint_below: float | None = None
    part: int = 0

    def moved(self, x: float, y: float) -> Shape:
        """The same shape, moved by (x, y) frame heights."""
        points = self.points + np.array([x, y])
        return Shape(points, self.material, self.tint, self.shade, self.tint_below, self.part)


def moved(shapes: list[Shape], x: float, y: float) -> list[Shape]:
    """All `shapes` moved by (x, y) frame heights."""
    return [shape.moved(x, y) for shape in shapes]


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """The corners of an upright rectangle.

    >>> box(0, 0, 2, 1).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]
    """
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def oval(x: float, y: float, width: float, height: float) -> Points:
    """The outline of an ellipse around (x, y) with the given full width and height."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([x + width / 2 * np.cos(turn), y + height / 2 * np.sin(turn)], axis=1)


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> Points:
    """The outline of a rectangle with round corners."""
    turn = np.linspace(0, np.pi / 2, 7)
    corners = [
        (right - radius, bottom - radius, 0),
        (left + radius, bottom - radius, 1),
        (left + radius, top + radius, 2),
        (right - radius, top + radius, 3),
    ]
    arcs = []
    for x, y, quarter in corners:
        angle = turn + quarter * np.pi / 2
        arcs.append(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1))
    return np.concatenate(arcs)


def limb(x: float, y: float, length: float, width: float, angle: float) -> Points:
    """A rounded bar that hangs from (x, y) and is swung by `angle` radians (0 hangs straight down)."""
    bar = rounded(-width / 2, -width / 2, width / 2, length, width / 2 * 0.98)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return bar @ turn.T + np.array([x, y])


def window(left: float, top: float, width: float, height: float, tint: float) -> list[Shape]:
    """A window with frame, glazing bars and sill; (left, top) is the corner of the frame."""
    right, bottom, bar = left + width, top + height, 0.006
    middle = (left + right) / 2
    pane = box(left + bar, top + bar, right - bar, bottom - bar)
    glint = np.array([(0.12, 0.1), (0.42, 0.1), (0.16, 0.62), (0.12, 0.62)]) * (width, height) + (left, top)
    return [
        Shape(box(left, top, right, bottom), "trim"),
        Shape(pane, "glass", tint, tint_below=min(1.0, tint + 0.3)),
        Shape(glint, "glass", min(1.0, tint + 0.45), 1.03),
        Shape(box(middle - bar / 2.4, top, middle + bar / 2.4, bottom), "trim"),
        Shape(box(left, top + height * 0.46, right, top + height * 0.46 + bar * 0.8), "trim"),
        Shape(box(left - 0.008, bottom, right + 0.008, bottom + 0.009), "trim", 0.5, 0.86),
    ]


def door(x: float, height: float, tint: float) -> list[Shape]:
    """A front door with frame, panels, handle and a step; `x` is its middle."""
    half = height * 0.24
    return [
        Shape(box(x - half - 0.007, -height - 0.007, x + half + 0.007, 0), "trim"),
        Shape(box(x - half, -height, x + half, 0), "door", tint),
        Shape(box(x - half * 0.6, -height * 0.88, x + half * 0.6, -height * 0.55), "door", tint, 0.82),
        Shape(box(x - half * 0.6, -height * 0.44, x + half * 0.6, -height * 0.1), "door", tint, 0.82),
        Shape(oval(x + half * 0.78, -height * 0.48, 0.009, 0.009), "trim"),
        Shape(box(x - half - 0.018, -0.01, x + half + 0.018, 0.004), "pavement", 0.4, 0.92),
    ]


def roof(width: float, base: float, height: float, rng: Generator) -> list[Shape]:
    """A tiled roof with a chimney, for a wall of the given width whose top is at y = `base`."""
    half, tint, ridge = width / 2 + 0.025, rng.random(), rng.uniform(0.0, 0.62)
    side = rng.choice([-1, 1])
    stack = side * width * rng.uniform(0.18, 0.3)
    shapes = [
        Shape(
            box(stack - 0.022, base - height * 1.15, stack + 0.022, base - height * 0.2), "wall", 0.9, 0.84
        ),
        Shape(box(stack - 0.029, base - height * 1.2, stack + 0.029, base - height * 1.1), "wall", 1.0, 0.72),
    ]
    corners = [(-half, base), (-half * ridge, base - height), (half * ridge, base - height), (half, base)]
    shapes.append(Shape(np.array(corners), "roof", tint))
    for share in (0.22, 0.44, 0.66, 0.86):
        y, reach = base - height * share, half * (1 - share * (1 - ridge))
        shapes.append(Shape(box(-reach, y - 0.0035, reach, y + 0.0035), "roof", tint, 0.86))
    shapes.append(Shape(box(-half, base - 0.012, half, base + 0.004), "roof", tint, 0.74))
    return shapes


def house(rng: Generator, width: float) -> list[Shape]:
    """A house of the given width: one or two floors, gable or hip roof, door and windows."""
    floors = int(rng.integers(1, 3))
    storey, tint, glow = rng.uniform(0.125, 0.14), rng.random(), rng.random() * 0.4
    height, half = storey * floors + 0.02, width / 2
    shapes = [
        Shape(box(-half, -height, half, 0), "wall", tint, tint_below=min(1.0, tint + 0.15)),
        Shape(box(half - 0.03, -height, half, 0), "wall", tint, 0.88),
        Shape(box(-half, -height, half, -height + 0.022), "wall", tint, 0.8),
        Shape(box(-half, -0.018, half, 0), "wall", 0.9, 0.78),
    ]
    columns = 3 if width > 0.37 else 2
    front = int(rng.integers(columns))
    for floor in range(floors):
        for column in range(columns):
            x = -half + width * (column + 0.5) / columns
            if floor == 0 and column == front:
                shapes += door(x, storey * 0.78, rng.random())
                continue
            wide = min(0.085, width / columns * 0.62)
            shapes += window(x - wide / 2, -storey * (floor + 0.86), wide, storey * 0.56, glow)
    return shapes + roof(width, -height, rng.uniform(0.1, 0.14), rng)


def tree(rng: Generator, height: float) -> list[Shape]:
    """A round tree or a fir of the given height."""
    tint = rng.random() * 0.5
    trunk = np.array([(-0.13, 0), (-0.07, -0.5), (0.07, -0.5), (0.13, 0)]) * (height * 0.42, height)
    shapes = [Shape(trunk, "trunk", 0.4), Shape(trunk * (0.4, 1) + (height * 0.02, 0), "trunk", 0.4, 0.78)]
    if rng.random() < 0.35:
        for step in range(4):
            top, reach = -height * (1 - 0.19 * step), height * (0.15 + 0.055 * step)
            low = top + height * 0.34
            shapes.append(Shape(np.array([(0, top), (reach, low), (-reach, low)]), "leaves", tint, 0.86))
            light = np.array([(0, top), (-reach * 0.15, low - 0.008), (-reach, low)])
            shapes.append(Shape(light, "leaves", tint + 0.15))
        return shapes
    return shapes + crown(rng, 0.0, -height * 0.66, height * 0.36, tint)


def crown(rng: Generator, x: float, y: float, radius: float, tint: float) -> list[Shape]:
    """Leaves as a heap of blobs around (x, y), lit from the upper left."""
    turns = np.linspace(0, 2 * np.pi, 7, endpoint=False) + rng.uniform(0, 1)
    spots = [(x + np.cos(a) * radius * 0.55, y + np.sin(a) * radius * 0.45) for a in turns] + [(x, y)]
    sizes = radius * rng.uniform(0.95, 1.2, len(spots))
    layers = [(0.0, 1.0, 0.8, 0.0), (-0.09, 0.86, 0.94, 0.1), (-0.26, 0.46, 1.04, 0.4)]
    shapes = []
    for shift, share, shade, lift in layers:
        for (left, top), size in zip(spots, sizes, strict=True):
            if lift > 0.2 and left + top > x + y + radius * 0.3:
                continue  # the side away from the light
            outline = oval(left + shift * radius, top + shift * radius, size * share, size * share)
            shapes.append(Shape(outline, "leaves", tint + lift, shade))
    return shapes


def bush(rng: Generator, width: float) -> list[Shape]:
    """A low bush that stands on the ground."""
    tint, shapes = rng.random() * 0.5, []
    for x in np.linspace(-0.32, 0.32, 3) * width:
        radius = width * rng.uniform(0.24, 0.32)
        shapes.append(Shape(oval(x, -radius * 0.7, radius * 2, radius * 1.9), "leaves", tint, 0.84))
    for x in np.linspace(-0.36, 0.22, 3) * width:
        shapes.append(Shape(oval(x, -width * 0.28, width * 0.24, width * 0.2), "leaves", tint + 0.3))
    return shapes


def cloud(rng: Generator, width: float) -> list[Shape]:
    """A cloud with a flat, darker base."""
    base = Shape(rounded(-width / 2, -width * 0.1, width / 2, 0.0, width * 0.045), "cloud", 0.0)
    shapes = [base]
    for x in (-0.26, -0.04, 0.2):
        size = width * rng.uniform(0.26, 0.4)
        shapes.append(Shape(oval(x * width, -width * 0.1, size, size * 0.9), "cloud", 0.35))
    for x in (-0.28, -0.06, 0.17):
        size = width * rng.uniform(0.2, 0.28)
        shapes.append(Shape(oval(x * width, -width * 0.14, size, size * 0.8), "cloud", 1.0))
    return shapes


def car(rng: Generator, length: float, facing: int) -> list[Shape]:
    """A car of the given length that drives to the right (`facing` 1) or to the left (-1)."""
    tint = rng.random()
    body = [
        (-0.5, -0.3), (-0.49, -0.1), (-0.46, -0.07), (0.46, -0.07), (0.5, -0.1), (0.49, -0.22), (0.44, -0.27),
        (0.24, -0.3), (0.1, -0.45), (0.06, -0.465), (-0.24, -0.465), (-0.28, -0.45), (-0.4, -0.31),
    ]  # fmt: skip
    rear = [(-0.335, -0.305), (-0.24, -0.425), (-0.09, -0.425), (-0.09, -0.305)]
    front = [(-0.055, -0.305), (-0.055, -0.425), (0.07, -0.425), (0.175, -0.305)]
    parts: list[tuple[object, str, float, float]] = [
        (oval(0, -0.01, 1.06, 0.09), "road", 0.2, 0.62),
        (body, "paint", tint, 1.0),
        (
            [(-0.5, -0.17), (-0.49, -0.1), (-0.46, -0.07), (0.46, -0.07), (0.5, -0.1), (0.5, -0.17)],
            "paint",
            tint,
            0.8,
        ),
        (
            [(-0.27, -0.462), (-0.24, -0.465), (0.06, -0.465), (0.09, -0.452), (-0.27, -0.448)],
            "paint",
            tint,
            1.12,
        ),
        (rear, "screen", 0.3, 1.0),
        (front, "screen", 0.3, 1.0),
        ([(-0.02, -0.425), (0.04, -0.425), (-0.01, -0.305), (-0.055, -0.305)], "screen", 0.9, 1.0),
        (box(-0.04, -0.25, 0.03, -0.235), "paint", tint, 0.7),
        (rounded(0.42, -0.235, 0.495, -0.175, 0.025), "headlight", 0.5, 1.0),
        (box(-0.498, -0.27, -0.465, -0.2), "taillight", 0.5, 1.0),
    ]
    for x in (-0.29, 0.29):
        parts.append((oval(x, -0.085, 0.225, 0.225), "paint", tint, 0.6))
        parts.append((oval(x, -0.085, 0.19, 0.19), "tyre", 0.3, 1.0))
        parts.append((oval(x, -0.085, 0.095, 0.095), "hub", 0.5, 1.0))
    scale = np.array([length * facing, length])
    return [Shape(np.array(points) * scale, material, t, s) for points, material, t, s in parts]
