"""Flips, blur and colours, against values worked out by hand."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from reskin.data.augment import ColourJitter, blur, drawn, each, flip, jitter, one_of_five, warped_crop


def test_flip_mirrors_the_chosen_ones() -> None:
    images = torch.rand(3, 3, 4, 5)
    result = flip(images, np.array([True, False, True]))
    assert torch.equal(result[1], images[1]) and torch.equal(result[::2], images[::2].flip(3))
    assert flip(images, np.zeros(3, bool)) is images
    assert torch.equal(flip(images, np.ones(3, bool), dim=2), images.flip(2))


def test_no_strength_changes_nothing() -> None:
    images = torch.rand(2, 3, 4, 4)
    assert jitter(images, np.zeros((2, 4)), ColourJitter()) is images


def test_middle_chance_changes_nothing_to_speak_of() -> None:
    images = torch.rand(2, 3, 4, 4) * 2 - 1
    result = jitter(images, np.full((2, 4), 0.5), ColourJitter(0.5, 0.5, 0.5, 0.5))
    assert torch.allclose(result, images, atol=1e-6)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.6), (0.75, 1.2)])
def test_factors(chance: float, factor: float) -> None:
    """Strength 0.4 gives factors from 0.6 to 1.4."""
    levels = torch.tensor([[0.1, 0.4], [0.2, 0.3], [0.5, 0.25]]).reshape(1, 3, 1, 2)
    uniforms = np.full((1, 4), chance)
    grey = (0.299 * levels[:, 0] + 0.587 * levels[:, 1] + 0.114 * levels[:, 2]).unsqueeze(1)
    wanted = {
        "brightness": levels * factor,
        "contrast": grey.mean() + (levels - grey.mean()) * factor,
        "saturation": grey + (levels - grey) * factor,
    }
    for name, value in wanted.items():
        result = jitter(levels * 2 - 1, uniforms, ColourJitter(**{name: 0.4}))
        assert torch.allclose(result, value * 2 - 1, atol=1e-6), name


def test_each_image_has_its_own_factor_and_is_clipped() -> None:
    images = torch.full((2, 3, 2, 2), 0.6)
    result = jitter(
        images, np.array([[0.99999, 0.5, 0.5, 0.5], [0.0, 0.5, 0.5, 0.5]]), ColourJitter(brightness=1.0)
    )
    assert (result[0] == 1).all() and torch.allclose(result[1], torch.tensor(-1.0))


@pytest.mark.parametrize(("chance", "turn"), [(0.0, -0.3), (0.5, 0.0), (0.75, 0.15)])
def test_a_turn_of_the_hues_is_pythons(chance: float, turn: float) -> None:
    levels = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    result = jitter(levels * 2 - 1, np.array([[0.5, 0.5, 0.5, chance]]), ColourJitter(hue=0.3))
    for before, after in zip(levels[0].flatten(1).T, (result[0].flatten(1).T + 1) / 2, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before.tolist())
        wanted = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
        assert after.tolist() == pytest.approx(wanted, abs=1e-5)


def test_grey_has_no_hue() -> None:
    grey = torch.full((1, 3, 2, 2), 0.25)
    result = jitter(grey, np.array([[0.5, 0.5, 0.5, 0.9]]), ColourJitter(hue=0.5))
    torch.testing.assert_close(result, grey)


@pytest.mark.parametrize(("chance", "sigma"), [(0.0, 0.1), (0.5, 1.05), (0.99999, 2.0)])
def test_blur_is_a_gaussian_of_three(chance: float, sigma: float) -> None:
    images = torch.rand(2, 3, 6, 7) * 2 - 1
    beside = math.exp(-1 / (2 * sigma**2))
    line = torch.tensor([beside, 1.0, beside]) / (1 + 2 * beside)
    kernel = torch.outer(line, line).expand(3, 1, 3, 3)
    wanted = F.conv2d(F.pad(images, (1,) * 4, mode="reflect"), kernel, groups=3)
    result = blur(images, np.array([chance, 0.2]))
    torch.testing.assert_close(result[0], wanted[0], atol=1e-4, rtol=0)
    assert not torch.allclose(result[1], wanted[1], atol=1e-4)  # each has its own


def test_a_draw_leaves_an_even_number() -> None:
    uniforms = np.random.default_rng(0).random(10_000)
    kind, rest = drawn(uniforms, (0.1, 0.0, 0.6, 0.3))
    for case, share in enumerate((0.1, 0.0, 0.6, 0.3)):
        assert abs((kind == case).mean() - share) <= 4 * math.sqrt(share * (1 - share) / len(uniforms))
        if share:
            assert (
                np.histogram(rest[kind == case], bins=4, range=(0, 1))[0].min() > 0.2 * (kind == case).sum()
            )
    assert rest.min() >= 0 and rest.max() < 1


COLOURS = ColourJitter(0.2, 0.2, 0.2, 0.05)


def cases(count: int, shares: tuple[float, ...], seed: int = 0) -> NDArray[np.int64]:
    """What `one_of_five` did to each of `count` equal pictures: its place in the list of five."""
    image = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8
    uniforms = np.random.default_rng(seed).random((count, 4))
    uniforms[:, 1] = 0.5 + 0.5 * uniforms[:, 1]  # the least blur changes nothing
    results = one_of_five(image.expand(count, -1, -1, -1), uniforms, COLOURS, shares=shares)
    known = [image, image.flip(3), image.flip(2), blur(image.expand(count, -1, -1, -1), uniforms[:, 1])]
    found = np.stack([(results == one).flatten(1).all(dim=1).numpy() for one in known])
    assert found.sum(axis=0).max() == 1  # never two of them
    return np.where(found.any(axis=0), found.argmax(axis=0), 4)


@pytest.mark.parametrize("shares", [(0.2,) * 5, (0.5, 0.1, 0.0, 0.3, 0.1)])
def test_exactly_one_of_five_as_often_as_told(shares: tuple[float, ...]) -> None:
    did = cases(10_000, shares)
    for case, share in enumerate(shares):
        assert abs((did == case).mean() - share) <= 4 * math.sqrt(share * (1 - share) / len(did)), case


def test_colours_of_one_of_five_are_those_of_jitter() -> None:
    images = torch.rand(3, 3, 4, 4) * 2 - 1
    uniforms = np.random.default_rng(0).random((3, 4))
    uniforms[:, 0] = (0.85, 0.9, 0.1)  # a quarter and a half through the last fifth; nothing
    result = one_of_five(images, uniforms, COLOURS, shares=(0.2,) * 5)
    wanted = jitter(images, np.column_stack([uniforms[:, 1:], [0.25, 0.5, 0.5]]), COLOURS)
    torch.testing.assert_close(result[:2], wanted[:2])
    assert torch.equal(result[2], images[2])


def test_each_flips_one_half_and_colours_all() -> None:
    images = torch.rand(2, 3, 4, 4) * 2 - 1
    uniforms = np.full((2, 4), 0.5)
    uniforms[0, 0] = 0.25
    result = each(images, uniforms, ColourJitter(), flips=True)
    assert torch.equal(result[0], images[0].flip(2)) and torch.equal(result[1], images[1])
    assert each(images, uniforms, ColourJitter(), flips=False) is images


def uniforms(**given: float) -> NDArray[np.float64]:
    order = ("down", "across", "flip", "brightness", "contrast", "saturation", "rotate", "rescale")
    return np.array([given.get(name, 0.5) for name in order])


def test_a_warp_of_middle_chances_is_the_middle_crop() -> None:
    image = torch.randn(1, 3, 24, 30)
    crop = warped_crop(image, uniforms(), size=(16, 16), rotate=30.0, rescale=0.1)
    torch.testing.assert_close(crop, image[:, :, 4:20, 7:23], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("chance", "start"), [(0.0, 0), (1.0, 8)])
def test_the_crop_of_a_warp_moves_from_edge_to_edge(chance: float, start: int) -> None:
    image = torch.randn(1, 3, 24, 24)
    crop = warped_crop(
        image, uniforms(down=chance, across=1 - chance), size=(16, 16), rotate=9.0, rescale=0.2
    )
    wanted = image[:, :, start : start + 16, 8 - start : 24 - start]
    torch.testing.assert_close(crop, wanted, rtol=1e-4, atol=1e-4)


def test_a_quarter_turn_is_rot90() -> None:
    image = torch.randn(1, 3, 16, 16)
    crop = warped_crop(image, uniforms(rotate=1.0), size=(16, 16), rotate=90.0, rescale=0.0)
    torch.testing.assert_close(crop, torch.rot90(image, -1, (2, 3)), rtol=1e-4, atol=1e-4)


def test_rescaling_enlarges_and_edges_are_repeated() -> None:
    across = torch.linspace(-1, 1, 20).expand(1, 3, 20, 20)
    larger = warped_crop(across, uniforms(rescale=1.0), size=(10, 10), rotate=0.0, rescale=0.25)
    slope = larger[0, 0, 0].diff()
    torch.testing.assert_close(slope, (2 / 19 / 1.25) * torch.ones(9), rtol=1e-3, atol=1e-5)
    turned = warped_crop(
        torch.ones(1, 3, 20, 20), uniforms(rotate=0.0), size=(20, 20), rotate=45.0, rescale=0.0
    )
    torch.testing.assert_close(turned, torch.ones(1, 3, 20, 20))
