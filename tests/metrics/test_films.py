"""The measures of films: structure, warping error, patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reskin.metrics.patch_swd import patch_distance, patches_of
from reskin.metrics.structure import structure
from reskin.metrics.warping_error import move_back, visible_pixels, warping_error


def test_structure_does_not_mind_tone_and_colour() -> None:
    source = torch.rand(1, 3, 40, 40) - 0.5
    tinted = 0.6 * source + torch.tensor([0.3, 0.0, -0.2]).view(1, 3, 1, 1)
    assert float(structure(tinted, source)) > 0.99
    assert abs(float(structure(torch.rand(1, 3, 40, 40) - 0.5, source))) < 0.1
    assert float(structure(-source, source)) < -0.99


def test_structure_of_a_flat_source_is_zero() -> None:
    assert float(structure(torch.rand(1, 3, 20, 20), torch.zeros(1, 3, 20, 20))) == 0


def test_structure_of_a_dark_source_made_brighter_is_one_at_most() -> None:
    """A source whose contrast is that of noise: more contrast is no more of its structure."""
    dark = 0.02 * (2 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 1) - 0.95
    bright = 20 * (dark + 0.95)
    assert structure(bright, dark).tolist() == pytest.approx([1, 1], abs=1e-6)
    assert structure(dark, dark).tolist() == pytest.approx([1, 1], abs=1e-6)
    assert (structure(0.5 * (dark + 0.95) - 0.95, dark) < 1).all()


def test_structure_counts_by_the_contrast_of_the_source() -> None:
    source = torch.zeros(1, 3, 40, 80)
    source[..., :40] = torch.rand(1, 1, 40, 40)
    noisy = source.clone()
    noisy[..., 45:] = 0.002 * torch.rand(1, 3, 40, 35)  # below one level
    assert float(structure(noisy, source)) > 0.99


def test_noise_of_a_still_film_has_twice_its_variance() -> None:
    frames = 0.2 * torch.randn(2, 1, 3, 200, 200)  # in [-1, 1], so 0.1 of [0, 1]
    assert float(warping_error(frames[0], frames[1])) == pytest.approx(2 * 0.01, rel=0.02)


@pytest.mark.parametrize("shift", [(3, 0), (0, -2), (-4, 5)])
def test_a_whole_number_of_pixels_is_exact_away_from_the_border(shift: tuple[int, int]) -> None:
    frame = torch.rand(1, 3, 24, 30)
    later = frame.roll((shift[1], shift[0]), dims=(2, 3))
    flow = torch.tensor(shift, dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, 24, 30)
    back, inside = move_back(later, flow)
    assert int(inside.sum()) == (30 - abs(shift[0])) * (24 - abs(shift[1]))
    assert float(((back - frame).abs() * inside[:, None]).max()) < 1e-5
    assert float(warping_error(frame, later, flow=flow)) < 1e-10


def test_only_visible_pixels_count() -> None:
    frame, later = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    later[..., :4] = 1.0
    visible = torch.zeros(1, 8, 8, dtype=torch.bool)
    visible[..., 4:] = True
    assert float(warping_error(frame, later, visible=visible)) == 0
    assert float(warping_error(frame, later)) == pytest.approx(0.25 / 2)


def test_visible_by_forward_and_backward_flow() -> None:
    forward = torch.zeros(1, 2, 16, 16)
    assert visible_pixels(forward, -forward).all()
    forward[:, 0, :, :8] = 3.0  # the left half moves over the right half, which stays
    seen = visible_pixels(forward, torch.zeros(1, 2, 16, 16))
    assert not seen[..., :8].any() and seen[..., 9:].all()


@pytest.mark.sweep
def test_sets_of_several_sizes() -> None:
    draw = np.random.default_rng(0)
    small, large = (torch.from_numpy(draw.random((3, 3, *size), np.float32)) for size in ((20, 30), (40, 25)))
    near = patch_distance(patches_of([small]), patches_of([large])).mean
    far = patch_distance(patches_of([small]), patches_of([large + 0.5])).mean
    assert near < far / 3
