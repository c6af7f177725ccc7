"""Flips and colours, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reskin.data.augment import ColourJitter, flip, jitter


def test_flip_mirrors_the_chosen_ones() -> None:
    images = torch.rand(3, 3, 4, 5)
    result = flip(images, np.array([True, False, True]))
    assert torch.equal(result[1], images[1]) and torch.equal(result[::2], images[::2].flip(3))
    assert flip(images, np.zeros(3, bool)) is images


def test_no_strength_changes_nothing() -> None:
    images = torch.rand(2, 3, 4, 4)
    assert jitter(images, np.zeros((2, 3)), ColourJitter()) is images


def test_middle_chance_changes_nothing_to_speak_of() -> None:
    images = torch.rand(2, 3, 4, 4) * 2 - 1
    result = jitter(images, np.full((2, 3), 0.5), ColourJitter(0.5, 0.5, 0.5))
    assert torch.allclose(result, images, atol=1e-6)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.6), (0.75, 1.2)])
def test_factors(chance: float, factor: float) -> None:
    """Strength 0.4 gives factors from 0.6 to 1.4."""
    levels = torch.tensor([[0.1, 0.4], [0.2, 0.3], [0.5, 0.25]]).reshape(1, 3, 1, 2)
    chances = np.full((1, 3), chance)
    grey = (0.299 * levels[:, 0] + 0.587 * levels[:, 1] + 0.114 * levels[:, 2]).unsqueeze(1)
    wanted = {
        "brightness": levels * factor,
        "contrast": grey.mean() + (levels - grey.mean()) * factor,
        "saturation": grey + (levels - grey) * factor,
    }
    for name, value in wanted.items():
        result = jitter(levels * 2 - 1, chances, ColourJitter(**{name: 0.4}))
        assert torch.allclose(result, value * 2 - 1, atol=1e-6), name


def test_each_image_has_its_own_factor_and_is_clipped() -> None:
    images = torch.full((2, 3, 2, 2), 0.6)
    result = jitter(images, np.array([[0.99999, 0.5, 0.5], [0.0, 0.5, 0.5]]), ColourJitter(brightness=1.0))
    assert (result[0] == 1).all() and torch.allclose(result[1], torch.tensor(-1.0))
