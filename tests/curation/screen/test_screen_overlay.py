"""Logos that stay while the picture changes: found where they are, and only where there are any."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageDraw

from reskin.curation.screen.overlay import (
    FEWEST_PICTURES,
    OVERLAY,
    Overlay,
    find_overlay,
    small_grey,
)
from reskin.images import Picture
from reskin.worlds.footage import Footage


@cache
def drawn(look: Literal["film", "game"], scenes: int) -> tuple[Picture, ...]:
    footage = Footage(look, seed=5, frames=36 * scenes, size=(213, 160))
    return tuple(footage.frame(36 * scenes * number // 20).image for number in range(20))


def film(look: Literal["film", "game"] = "film", *, scenes: int = 10) -> list[Picture]:
    """Twenty frames, spread over scenes."""
    return [one.copy() for one in drawn(look, scenes)]


def with_logo(image: Picture, alpha: float, *, x: float = 0.8, y: float = 0.06) -> Picture:
    """A ring and a bar, half transparent, a tenth of the height."""
    height, width = image.shape[:2]
    logo = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    left, top, size = int(x * width), int(y * height), int(0.1 * height)
    colour = (255, 255, 255, int(255 * alpha))
    draw = ImageDraw.Draw(logo)
    draw.ellipse((left, top, left + size, top + size), outline=colour, width=max(2, size // 6))
    draw.rectangle((left + 1.2 * size, top, left + 1.5 * size, top + size), fill=colour)
    return np.array(Image.alpha_composite(Image.fromarray(image).convert("RGBA"), logo).convert("RGB"))


def look_for(pictures: list[Picture]) -> Overlay:
    return find_overlay([small_grey(one) for one in pictures])


def is_found(overlay: Overlay) -> bool:
    return OVERLAY.is_bad(overlay.score, OVERLAY.threshold)


@pytest.mark.parametrize(("alpha", "place"), [(1.0, (0.8, 0.06)), (0.4, (0.06, 0.84))])
@pytest.mark.thinned(2, first=1)
@pytest.mark.sweep
def test_a_logo_is_found_where_it_is(alpha: float, place: tuple[float, float]) -> None:
    x, y = place
    overlay = look_for([with_logo(one, alpha, x=x, y=y) for one in film()])
    assert is_found(overlay)
    assert len(overlay.boxes) == 1
    left, top, width, height = overlay.boxes[0]
    assert left <= x + 0.02 and left + width >= x + 0.09
    assert top <= y + 0.02 and top + height >= y + 0.08
    assert width < 0.3 and height < 0.3


@pytest.mark.parametrize("look", ["film", "game"])
@pytest.mark.sweep
def test_clean_footage_of_many_scenes_or_one_has_none(look: Literal["film", "game"]) -> None:
    assert look_for(film(look)).score == 0
    assert look_for(film(look, scenes=1)).score == 0


@pytest.mark.sweep
def test_a_still_camera_is_not_judged() -> None:
    wall = film()[0]
    pictures = []
    for number in range(20):
        one = wall.copy()
        one[90:140, 10 + 4 * number : 50 + 4 * number] = 40 * (number % 5)
        pictures.append(one)
    assert look_for(pictures).score == 0


@pytest.mark.sweep
def test_black_bars_are_no_overlay_but_a_logo_between_them_is() -> None:
    pictures = film()
    for one in pictures:
        one[:20] = one[-20:] = 0
    assert look_for(pictures).score == 0
    left, top, _, _ = look_for([with_logo(one, 0.8, y=0.2) for one in pictures]).boxes[0]
    assert left == pytest.approx(0.8, abs=0.06) and top == pytest.approx(0.2, abs=0.06)


def test_few_pictures_or_none_are_not_judged() -> None:
    assert find_overlay([]).score == 0
    pictures = [with_logo(one, 1.0) for one in film()[: FEWEST_PICTURES - 1]]
    assert look_for(pictures).score == 0


def test_pictures_of_another_size_are_passed_over() -> None:
    pictures = [with_logo(one, 1.0) for one in film()]
    pictures[3] = pictures[3][:90]
    assert is_found(look_for(pictures))
