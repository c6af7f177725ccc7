"""Screening rules on pictures whose fault is planted, and on clean ones, which they must not touch."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from reskin.curation import combing
from reskin.curation.combing import combed_share
from reskin.curation.screen.bars import BARS, bars_share, find_bars
from reskin.curation.screen.blur import BLUR, view_sharpness
from reskin.curation.screen.colour import GREY, colourfulness
from reskin.curation.screen.combing import COMBED, view_combing
from reskin.curation.screen.light import BRIGHT, DARK, UNIFORM, highlights, shadows, spread
from reskin.curation.screen.rule import PictureView, Rule
from reskin.curation.screen.size import ASPECT, SMALL, size_scores
from reskin.curation.screen.text import TEXT, text_share
from reskin.images import Picture, read_image
from reskin.worlds.footage import Footage

RULES = (DARK, BRIGHT, UNIFORM, BLUR, BARS, COMBED, TEXT, GREY)


@cache
def drawn(look: Literal["film", "game"], number: int, size: tuple[int, int]) -> Picture:
    return Footage(look, seed=3, frames=36 * 9, size=size).frame(18 + 36 * number).image


def world(
    look: Literal["film", "game"] = "film", *, frames: int = 4, size: tuple[int, int] = (256, 256)
) -> list[Picture]:
    """Frames of different scenes."""
    return [drawn(look, number, size).copy() for number in range(frames)]


def bad(rule: Rule, pictures: Sequence[Picture]) -> float:
    """The share of the pictures for which the rule speaks."""
    assert rule.measure is not None
    return float(np.mean([rule.is_bad(rule.measure(PictureView(one)), rule.threshold) for one in pictures]))


def blurred(image: Picture, radius: float) -> Picture:
    return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def jpeg(image: Picture, quality: int) -> Picture:
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=quality)
    return np.array(Image.open(data))


def noisy(image: Picture, levels: float) -> Picture:
    noise = np.random.default_rng(0).normal(0, levels, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def lettered(image: Picture, *, height: float, lines: int = 7) -> Picture:
    """Credits: lines of letters of `height` (share of the picture's), over a picture."""
    image, tall, y = image.copy(), height * image.shape[0], 2 * height * image.shape[0]
    names = ["Director Anna Weber", "CAMERA TOM HILL", "Editor Lee Young", "Sound Olga Ivanova"]
    for number in range(lines):
        text = names[number % len(names)]
        (width, base), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1, 1)
        scale = 0.72 * tall / base
        place = (int((image.shape[1] - width * scale) / 2), int(y))
        thick = max(1, round(1.5 * scale))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_DUPLEX, scale, (245, 245, 240), thick, cv2.LINE_AA)
        y += 1.5 * tall
    return image


@pytest.mark.parametrize("look", ["film", "game"])
@pytest.mark.sweep
def test_clean_worlds_pass_all_rules(look: Literal["film", "game"]) -> None:
    pictures = world(look, frames=6) + world(look, frames=2, size=(320, 180))
    assert {rule.name: bad(rule, pictures) for rule in RULES} == {rule.name: 0.0 for rule in RULES}


def test_light_scores_of_pictures_worked_out_by_hand() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)
    assert highlights(PictureView(ramp)) == pytest.approx(0.95, abs=0.005)
    assert shadows(PictureView(ramp)) == pytest.approx(0.05, abs=0.005)
    assert spread(PictureView(ramp)) == pytest.approx(0.96, abs=0.01)
    flat = np.full((40, 60, 3), 51, np.uint8)
    assert (highlights(PictureView(flat)), shadows(PictureView(flat)), spread(PictureView(flat))) == (
        0.2,
        0.2,
        0.0,
    )


def test_colours_of_one_brightness_are_not_uniform() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (200, 0, 0), (0, 102, 0)  # of equal luma
    assert spread(PictureView(image)) > 0.5


@pytest.mark.sweep
def test_fades_are_dark_and_flashes_bright_but_a_night_with_a_lamp_is_neither() -> None:
    pictures = world()
    assert bad(DARK, [(one * 0.08).astype(np.uint8) for one in pictures]) == 1
    assert bad(BRIGHT, [(255 - one * 0.08).astype(np.uint8) for one in pictures]) == 1
    night = np.full((100, 100, 3), 5, np.uint8)
    night[20:50, 20:50] = 180
    assert bad(DARK, [night]) == 0
    assert bad(UNIFORM, [noisy(np.full((99, 99, 3), level, np.uint8), 2) for level in (0, 90, 255)]) == 1


@pytest.mark.parametrize("spoil", [lambda one: one, lambda one: noisy(one, 6), lambda one: jpeg(one, 60)])
@pytest.mark.thinned(3)
@pytest.mark.sweep
def test_blur_is_found_beneath_noise_and_compression(spoil) -> None:  # type: ignore[no-untyped-def]
    pictures = world(frames=4) + world("game", frames=4)
    assert bad(BLUR, [spoil(one) for one in pictures]) == 0
    assert bad(BLUR, [spoil(blurred(one, 1.0)) for one in pictures]) == 0
    assert bad(BLUR, [spoil(blurred(one, 4.0)) for one in pictures]) == 1


def test_sharpness_does_not_depend_on_contrast_or_on_flat_parts() -> None:
    image = world(frames=1)[0]
    weak = (image.astype(float) * 0.5 + 60).astype(np.uint8)
    assert view_sharpness(PictureView(weak)) == pytest.approx(view_sharpness(PictureView(image)), rel=0.15)
    half = image.copy()
    half[:, :192] = 128
    assert bad(BLUR, [half]) == 0
    assert view_sharpness(PictureView(np.full((64, 64, 3), 90, np.uint8))) == 1.0


def test_a_sharp_thing_before_a_blurred_background_is_sharp() -> None:
    image = world(frames=1)[0]
    mixed = blurred(image, 5.0)
    mixed[96:192, 96:192] = image[96:192, 96:192]
    assert bad(BLUR, [blurred(image, 5.0), mixed]) == 0.5


def test_bars_are_measured_to_the_pixel() -> None:
    image = world(frames=1, size=(256, 256))[0]
    boxed = image.copy()
    boxed[:30] = boxed[-30:] = 3
    assert find_bars(np.array(Image.fromarray(boxed).convert("L"))) == (0, 30, 0, 30)
    assert bars_share(PictureView(boxed)) == pytest.approx(60 / 256)
    boxed[:, :20] = boxed[:, -20:] = 3
    assert bars_share(PictureView(boxed)) == pytest.approx(1 - (196 * 216) / 256**2)


@pytest.mark.sweep
def test_bars_survive_compression_and_other_sizes() -> None:
    pictures = world(frames=3, size=(640, 360))
    for one in pictures:
        one[:40] = one[-40:] = 0
    assert bad(BARS, [jpeg(one, 70) for one in pictures]) == 1


def test_what_is_no_bar_is_not_taken_for_one() -> None:
    image = world(frames=1)[0]
    one_side, uneven, sky = image.copy(), image.copy(), image.copy()
    one_side[:40] = 0
    uneven[:60], uneven[-10:] = 0, 0
    sky[:80] = np.linspace(200, 150, 80).astype(np.uint8)[:, None, None]
    on_white = np.full((256, 256, 3), 255, np.uint8)
    on_white[60:200, 80:180] = image[60:200, 80:180]
    black = np.zeros((64, 64, 3), np.uint8)
    assert [bars_share(PictureView(one)) for one in (one_side, uneven, sky, on_white, black)] == [0] * 5


@pytest.mark.parametrize("height", [0.05, 0.07])
@pytest.mark.parametrize("size", [(256, 256), (640, 360), (1280, 720)])
@pytest.mark.thinned(2)
def test_credits_are_found_on_black_and_over_pictures(size: tuple[int, int], height: float) -> None:
    blank = np.zeros((size[1], size[0], 3), np.uint8)
    over = [np.array(Image.fromarray(one).resize(size)) for one in world("game", frames=2)]
    assert bad(TEXT, [lettered(one, height=height) for one in [blank, *over]]) == 1


def test_a_sign_or_stripes_are_no_credits() -> None:
    image = world(frames=1)[0]
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = 255
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    sign = lettered(image, height=0.06, lines=1)
    assert [
        text_share(PictureView(one)) for one in (stripes, stripes.swapaxes(0, 1).copy(), noise, sign)
    ] == [0] * 4


def test_grey_is_told_from_pale_and_from_sepia() -> None:
    image = world(frames=1)[0]
    grey = np.array(Image.fromarray(image).convert("L").convert("RGB"))
    assert colourfulness(PictureView(grey)) == 0
    pale = (0.15 * image + 0.85 * grey).astype(np.uint8)
    sepia = np.clip(grey * [1.0, 0.9, 0.7], 0, 255).astype(np.uint8)
    assert bad(GREY, [jpeg(grey, 80), pale, sepia]) == pytest.approx(1 / 3)


def test_odd_shapes_and_sizes_are_measured_against_the_middle_of_the_set() -> None:
    shapes, shares = size_scores([(640, 360)] * 5 + [(360, 640), (160, 90), (650, 360)])
    assert shapes[5] == pytest.approx((640 / 360) ** 2)
    assert [ASPECT.is_bad(value, ASPECT.threshold) for value in shapes] == [False] * 5 + [True, False, False]
    assert [SMALL.is_bad(value, SMALL.threshold) for value in shares] == [False] * 6 + [True, False]
    assert size_scores([(100 + 60 * i, 500 - 60 * i) for i in range(6)])[0].tolist() == [1.0] * 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (7, 9), (33, 65)])
def test_tiny_pictures_of_any_shape_have_scores(shape: tuple[int, int]) -> None:
    """Noise is neither dark nor bright nor grey, and has no bars, no comb and no text."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    scores = {}
    for rule in RULES:
        assert rule.measure is not None
        scores[rule.name] = rule.measure(PictureView(image))
    assert all(np.isfinite(score) for score in scores.values())
    said = {rule.name for rule in RULES if rule.is_bad(scores[rule.name], rule.threshold)}
    assert said <= {"blur", "uniform"}
    assert ("uniform" in said) == (shape == (1, 1))  # one pixel has one colour


@pytest.mark.sweep
def test_real_photographs_pass(real_data: Path) -> None:
    files = sorted((real_data / "unpaired" / "horse2zebra" / "trainA").glob("*.jpg"))[::4]
    pictures = [read_image(file) for file in files]
    assert {rule.name: bad(rule, pictures) for rule in RULES if bad(rule, pictures) > 0.02} == {}


def interlaced(first: Picture, second: Picture) -> Picture:
    """One picture of two moments: the even rows of the first, the odd rows of the second."""
    woven = first.copy()
    woven[1::2] = second[1::2]
    return woven


def in_grey(values: np.ndarray) -> Picture:
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("look", ["film", "game"])
@pytest.mark.parametrize(
    "size", [(320, 240), *(pytest.param(size, marks=pytest.mark.slow) for size in ((640, 360), (1000, 562)))]
)
@pytest.mark.sweep
def test_two_moments_in_one_picture_are_combed_and_one_moment_is_not(
    look: Literal["film", "game"], size: tuple[int, int]
) -> None:
    footage = Footage(look, seed=3, frames=36 * 4, size=size)
    moments = [(footage.frame(at).image, footage.frame(at + 2).image) for at in (10, 50, 90)]
    woven = [interlaced(*pair) for pair in moments]
    assert bad(COMBED, woven) == 1
    assert bad(COMBED, [jpeg(one, 60) for one in woven]) == 1
    assert bad(COMBED, [one for pair in moments for one in pair]) == 0
    assert bad(COMBED, [jpeg(pair[0], 30) for pair in moments]) == 0


@pytest.mark.parametrize("shift", [6, 12, 18])
def test_a_bar_that_moves_is_combed_at_its_edges(shift: int) -> None:
    """A bar 20 px wide and 96 high: it is combed over `shift` px at either edge."""
    first, second = np.full((240, 320), 40.0), np.full((240, 320), 40.0)
    first[64:160, 64:84] = 220
    second[64:160, 64 + shift : 84 + shift] = 220
    share = combed_share(interlaced(in_grey(first), in_grey(second)))
    cells = 96 // 16 * np.array([2, 4])  # 15 rows of 20 cells
    assert cells[0] / 300 <= share <= cells[1] / 300
    assert combed_share(in_grey(first)) == 0


@pytest.mark.sweep
def test_fine_textures_are_not_combed() -> None:
    y, x = np.mgrid[:240, :320]
    textures = {f"stripes of {period}": (y % period < period / 2) * 150 + 50 for period in (2, 3, 4, 6)}
    textures |= {f"waves of {period}": 128 + 100 * np.sin(2 * np.pi * y / period) for period in (2.1, 2.7)}
    textures |= {f"checkers of {size}": ((x // size + y // size) % 2) * 200 for size in (1, 2, 4)}
    textures["tilted"] = 128 + 100 * np.sin(2 * np.pi * (y / 2.1 + x / 20))
    textures["tilted stripes"] = ((x * 0.1 + y) % 2 < 1) * 200
    textures["bricks"] = np.where((y % 8 == 0) | ((x + y // 8 % 2 * 8) % 16 == 0), 60, 180)
    blind = (y >= 60) & (y < 180) & (x >= 100) & (x < 160)
    textures["a blind"] = np.where(blind, (y % 2) * 150 + 50, 120)
    textures["noise"] = np.random.default_rng(0).integers(0, 256, (240, 320))
    for spoil in (lambda one: one, lambda one: jpeg(one, 60)):
        assert {name: combed_share(spoil(in_grey(one))) for name, one in textures.items()} == dict.fromkeys(
            textures, 0.0
        )


@pytest.mark.sweep
def test_combing_is_the_same_in_bands_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    first = np.kron(np.random.default_rng(3).integers(0, 256, (14, 8)), np.ones((24, 24)))[:317]
    image = interlaced(in_grey(first), in_grey(np.roll(first, 7, axis=1)))
    shares = set()
    for rows in (1 << 20, 128, 16, 8):
        monkeypatch.setattr(combing, "_BAND_ROWS", rows)
        shares.add(combed_share(image))
    assert len(shares) == 1 and shares.pop() > 0.2


def test_a_large_picture_is_looked_at_in_little_memory() -> None:
    """Pictures of a few kB can have 100 million pixels."""
    image = np.random.default_rng(0).integers(0, 256, (2400, 1000, 3), dtype=np.uint8)
    PictureView(image[:64])
    tracemalloc.start()
    PictureView(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2400 * 1000


def test_tiny_and_odd_pictures_have_a_score_of_combing() -> None:
    for shape in ((1, 1), (1, 400), (400, 1), (33, 31), (35, 67)):
        assert combed_share(np.full((*shape, 3), 9, np.uint8)) == 0
    assert view_combing(PictureView(np.zeros((64, 64, 3), np.uint8))) == 0
