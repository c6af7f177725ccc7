"""Telling people apart by how their faces look, whatever the light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reskin.faces.detectors import Face
from reskin.faces.identity import ALIKE, look_of, similarity
from reskin.images import Picture

FACE = Face(box=(20, 20, 88, 88), score=0.9, landmarks=None)


def person(seed: int, skin: tuple[int, int, int]) -> Picture:
    """A drawn face: eyes, brows, nose and mouth where this person has them."""
    random = np.random.default_rng(seed)
    picture = np.full((128, 128, 3), 90, np.uint8)
    cv2.ellipse(picture, (64, 64), (int(random.integers(26, 40)), 46), 0, 0, 360, skin, -1)
    dark = tuple(int(level) // 3 for level in skin)
    high, wide, low = (int(random.integers(*span)) for span in ((42, 60), (12, 22), (80, 98)))
    for x in (64 - wide, 64 + wide):
        cv2.circle(picture, (x, high), int(random.integers(3, 7)), (30, 30, 30), -1)
        cv2.line(picture, (x - 8, high - 9), (x + 8, high - int(random.integers(6, 14))), dark, 3)
    cv2.line(picture, (64, high), (60 + int(random.integers(0, 9)), low - 14), dark, 2)
    cv2.ellipse(picture, (64, low), (int(random.integers(8, 20)), 4), 0, 0, 360, (150, 50, 50), -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.0)


@pytest.mark.parametrize(
    "light",
    [(0.5, 0.5, 0.5), (1.2, 1.2, 1.2), (1.0, 0.85, 0.6), (0.6, 0.5, 0.36), (0.7, 0.9, 1.0)],
    ids=["dark", "bright", "yellow", "dark and yellow", "blue"],
)
def test_a_person_is_known_under_other_light(light: tuple[float, float, float]) -> None:
    for seed, skin in enumerate([(200, 150, 120), (120, 80, 60), (180, 160, 150)]):
        seen = person(seed, skin)
        lit = np.clip(np.rint(seen * np.array(light)), 0, 255).astype(np.uint8)
        assert similarity(look_of(seen, FACE), look_of(lit, FACE)) > 0.95 > ALIKE


def test_under_other_light_a_person_is_still_nearest_to_their_own_look() -> None:
    people = [person(seed, (200, 150, 120)) for seed in range(8)]
    looks = [look_of(seen, FACE) for seen in people]
    for number, seen in enumerate(people):
        blue = look_of(np.rint(seen * np.array([0.5, 0.7, 0.8])).astype(np.uint8), FACE)
        assert int(np.argmax([similarity(blue, look) for look in looks])) == number


def test_black_is_no_light() -> None:
    assert np.isfinite(look_of(np.zeros((128, 128, 3), np.uint8), FACE)).all()
