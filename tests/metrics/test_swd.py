"""The sliced Wasserstein distance: its pyramid, its formula by hand, what it sees and what it forgives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.swd import PatchSet, _directions, _sliced, distance, enlarge, laplacian_pyramid, swd


def stripes(count: int, seed: int, period: float = 6.0) -> Tensor:
    """Pictures (count, 3, 48, 48) of waves with random phase and brightness."""
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(count, 1, 1, 1, generator=generator) * 6.28
    level = torch.rand(count, 3, 1, 1, generator=generator) * 0.4 - 0.2
    x = torch.arange(48.0).view(1, 1, 1, 48)
    return (0.5 * torch.sin(x * 6.28 / period + phase) + level).expand(count, 3, 48, 48)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (33, 70)])
def test_pyramid_adds_up_to_the_picture(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size)
    *levels, small = laplacian_pyramid(images)
    for level in reversed(levels):
        small = level + enlarge(small, level.shape[-2], level.shape[-1])
    torch.testing.assert_close(small, images)


def test_pyramid_is_that_of_the_kernel_of_burt_and_adelson() -> None:
    """By convolutions with the 5 x 5 kernel, as the definition says; between pixels stand zeros."""
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = torch.outer(row, row).expand(3, 1, 5, 5)

    def convolved(images: Tensor, stride: int) -> Tensor:
        padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, kernel, stride=stride, groups=3)

    for height, width in ((64, 64), (33, 57), (47, 130), (96, 35)):
        images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
        small = convolved(images, 2)
        zeros = torch.zeros(2, 3, 2 * small.shape[2], 2 * small.shape[3])
        zeros[..., ::2, ::2] = 4 * small
        expected = images - convolved(zeros, 1)[..., :height, :width]
        first, second = laplacian_pyramid(images)[:2]
        assert torch.allclose(first, expected, atol=1e-6)
        assert second.shape == small.shape


def test_pyramid_sizes_and_flat_pictures() -> None:
    levels = laplacian_pyramid(torch.full((1, 3, 128, 64), 0.3))
    assert [tuple(level.shape[-2:]) for level in levels] == [(128, 64), (64, 32), (32, 16)]
    for level in levels[:-1]:
        torch.testing.assert_close(level, torch.zeros_like(level), atol=1e-6, rtol=0)


def test_one_dimension_is_the_difference_of_sorted_values() -> None:
    # Patches that are constant per channel vary along one axis; along a line d the distance is |d . axis|
    # times the mean difference of sorted values, here (|0-1| + |2-5|) / 2 = 2.
    x = torch.tensor([2.0, 0.0]).view(2, 1, 1).expand(2, 3, 49)
    y = torch.tensor([1.0, 5.0]).view(2, 1, 1).expand(2, 3, 49)
    directions = _directions(0)
    scale_free = directions.sum(dim=0).abs().mean().item()
    deviation = 2.0  # of the reference 1, 5
    assert _sliced(x, y, directions, own_scale=False) == pytest.approx(scale_free * 2.0 / deviation, rel=1e-4)


def test_sets_of_different_sizes_repeat_no_one() -> None:
    # {0, 1} and {0, 0, 1, 1} are the same distribution.
    x = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, 3, 49)
    y = torch.tensor([0.0, 0.0, 1.0, 1.0]).view(4, 1, 1).expand(4, 3, 49)
    assert _sliced(x, y, _directions(0), own_scale=False) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.sweep
def test_sees_texture_on_its_level() -> None:
    real, same, other = stripes(24, 0), stripes(24, 1), stripes(24, 2, period=3.0)
    assert swd(other, real).mean > 2 * swd(same, real).mean


@pytest.mark.sweep
def test_own_scale_forgives_tint_and_contrast() -> None:
    real = stripes(16, 0)
    tinted = 0.5 * real + torch.tensor([0.2, 0.0, -0.1]).view(1, 3, 1, 1)
    assert swd(tinted, real, own_scale=True).mean < 1.0
    assert swd(tinted, real).mean > 50


@pytest.mark.sweep
def test_own_scale_is_symmetric() -> None:
    a, b = stripes(8, 0), stripes(8, 1, period=4.0)
    assert swd(a, b, own_scale=True).mean == pytest.approx(swd(b, a, own_scale=True).mean, rel=1e-5)


def test_added_bit_by_bit_equals_all_at_once() -> None:
    real, fake = stripes(6, 0), stripes(6, 1)
    whole = [PatchSet(patches=40), PatchSet(patches=40)]
    bits = [PatchSet(patches=40), PatchSet(patches=40)]
    for images, at_once, one_by_one in zip((fake, real), whole, bits, strict=True):
        at_once.add(images)
        for index in range(6):
            one_by_one.add(images[index : index + 1])
    assert distance(*whole).mean == pytest.approx(distance(*bits).mean, rel=1e-4)


@pytest.mark.sweep
def test_seed_decides_the_value() -> None:
    a, b = stripes(4, 0), stripes(4, 1, period=4.0)
    assert swd(a, b).levels == swd(a, b).levels
    assert swd(a, b, seed=1).mean != swd(a, b).mean


def test_memory_is_bounded_by_the_patches() -> None:
    patch_set = PatchSet(patches=10)
    for _ in range(5):
        patch_set.add(torch.rand(4, 3, 48, 48))
    assert patch_set.pictures == 20
    levels = patch_set.levels()
    assert {side: tuple(patches.shape) for side, patches in levels.items()} == {
        48: (200, 3, 49),
        24: (200, 3, 49),
    }
    assert all(part.untyped_storage().nbytes() == part.numel() * 4 for part in levels.values())
    held = sum(part.untyped_storage().nbytes() for parts in patch_set._levels.values() for part in parts)
    assert held == 2 * 200 * 3 * 49 * 4  # no view that keeps whole pictures alive


def test_wrong_sets_are_refused() -> None:
    patch_set = PatchSet()
    patch_set.add(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ShapeError, match="one size"):
        patch_set.add(torch.zeros(1, 3, 32, 40))
    with pytest.raises(ShapeError):
        patch_set.add(torch.zeros(1, 3, 6, 32))
    with pytest.raises(ShapeError):
        distance(patch_set, PatchSet())
