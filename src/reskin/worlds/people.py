"""People who walk: their poses, their shapes, and where each limb moves between two poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reskin.worlds.shapes import Points, Shape, limb, oval, rounded

POSES = 16
"""Pictures in one walking cycle (two steps)."""

BODY, FAR_ARM, NEAR_ARM, FAR_LEG, NEAR_LEG, SHADOW = range(6)
PARTS = 6
"""Rigid pieces of a person: body and head, two arms, two legs, and the shadow on the ground."""

SWING = 0.46
"""Largest angle of a leg, in radians."""


@dataclass(frozen=True)
class Person:
    """Somebody who walks along the street.

    Attributes:
        height: from sole to crown, in frame heights.
        facing: 1 walks to the right, -1 to the left.
        shirt: tint of the shirt, in [0, 1].
        hair: tint of the hair, in [0, 1].
        has_skirt: a wide skirt instead of trousers only.
    """

    height: float
    facing: int
    shirt: float
    hair: float
    has_skirt: bool

    @property
    def stride(self) -> float:
        """How far one walking cycle leads, in frame heights."""
        return 4 * 0.47 * self.height * float(np.sin(SWING)) * 0.92


def joint(person: Person, part: int, pose: int) -> tuple[float, float, float]:
    """Where a piece hangs in a pose: x, y in frame heights from the ground point, angle in radians."""
    if part == SHADOW:
        return 0.0, 0.0, 0.0
    turn = 2 * np.pi * pose / POSES
    tall = person.height
    # The hip sinks while the legs are apart, so that the feet stay on the ground.
    sink = 0.47 * tall * (1 - np.cos(SWING * np.sin(turn)))
    angle = {
        BODY: 0.0,
        NEAR_LEG: SWING * np.sin(turn),
        FAR_LEG: -SWING * np.sin(turn),
        NEAR_ARM: -0.8 * SWING * np.sin(turn),
        FAR_ARM: 0.8 * SWING * np.sin(turn),
    }[part]
    y = {NEAR_LEG: -0.47, FAR_LEG: -0.47, NEAR_ARM: -0.79, FAR_ARM: -0.79, BODY: -0.5}[part] * tall
    return 0.0, float(y + sink), float(angle * person.facing)


def motion(person: Person, part: int, pose: int) -> np.ndarray:
    """Where the points of a piece move from one pose to the next.

    Returns:
        (2, 3) float64: affine map of a point in frame heights from the ground point, without the way walked.
    """
    x, y, angle = joint(person, part, pose % POSES)
    next_x, next_y, next_angle = joint(person, part, (pose + 1) % POSES)
    cos, sin = np.cos(next_angle - angle), np.sin(next_angle - angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, np.array([next_x, next_y]) - turn @ np.array([x, y])])


def draw_person(person: Person, pose: int) -> list[Shape]:
    """The shapes of `person` in one pose, standing on the origin; back limbs first."""
    tall, shapes = person.height, []

    def hang(part: int, length: float, width: float, material: str, tint: float, shade: float) -> None:
        x, y, angle = joint(person, part, pose)
        shapes.append(Shape(limb(x, y, length * tall, width * tall, angle), material, tint, shade, part=part))

    shapes.append(Shape(oval(0, 0, 0.42 * tall, 0.07 * tall), "pavement", 0.3, 0.74, part=SHADOW))
    hang(FAR_ARM, 0.34, 0.085, "shirt", person.shirt, 0.72)
    hang(FAR_LEG, 0.47, 0.12, "trousers", 0.3, 0.78)
    hang(NEAR_LEG, 0.47, 0.12, "trousers", 0.3, 1.0)
    _, hip, _ = joint(person, BODY, pose)
    for outline, material, tint, shade in _body(person):
        shapes.append(Shape(outline * (person.facing, 1) + (0, hip + 0.5 * tall), material, tint, shade))
    hang(NEAR_ARM, 0.34, 0.09, "shirt", person.shirt, 0.88)
    return shapes


def _body(person: Person) -> list[tuple[Points, str, float, float]]:
    """Torso and head of a person who stands upright and faces right."""
    tall = person.height
    pieces: list[tuple[Points, str, float, float]] = []
    if person.has_skirt:
        skirt = np.array([(-0.11, -0.56), (0.11, -0.56), (0.17, -0.28), (-0.17, -0.28)]) * tall
        pieces.append((skirt, "shirt", person.shirt, 0.8))
    pieces.append(
        (
            rounded(-0.13 * tall, -0.84 * tall, 0.13 * tall, -0.44 * tall, 0.07 * tall),
            "shirt",
            person.shirt,
            1.0,
        )
    )
    pieces.append((oval(0.0, -0.92 * tall, 0.19 * tall, 0.2 * tall), "hair", person.hair, 1.0))
    pieces.append((oval(0.03 * tall, -0.905 * tall, 0.145 * tall, 0.16 * tall), "skin", 0.5, 1.0))
    return pieces
