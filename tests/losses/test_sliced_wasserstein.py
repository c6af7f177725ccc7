"""The sliced Wasserstein distance against scipy-free hand values and its own meaning."""

from __future__ import annotations

import pytest
import torch

from reskin.errors import ShapeError
from reskin.losses.sliced_wasserstein import random_directions, random_patches, sliced_wasserstein


def test_a_shift_is_its_projection() -> None:
    points, shift = torch.randn(50, 75), torch.randn(75)
    directions = random_directions(16, device=torch.device("cpu"))
    wanted = (shift @ directions).abs().mean()
    assert torch.allclose(sliced_wasserstein(points + shift, points, directions), wanted, atol=1e-4)


def test_order_does_not_matter_and_equal_sets_are_at_zero() -> None:
    points, directions = torch.randn(40, 75), random_directions(8)
    assert float(sliced_wasserstein(points.flip(0), points, directions)) == 0


def test_directions_are_units_and_half_of_them_see_the_mean_colour_alone() -> None:
    directions = random_directions(10)
    assert torch.allclose(directions.norm(dim=0), torch.ones(10), atol=1e-6)
    colour = directions[:, 5:].unflatten(0, (25, 3))
    assert float((colour - colour[:1]).abs().max()) == 0


def test_patches_are_cut_from_the_images() -> None:
    images = torch.arange(2 * 3 * 6 * 7, dtype=torch.float32).view(2, 3, 6, 7)
    windows = images.unfold(2, 5, 1).unfold(3, 5, 1)  # (2, 3, 2, 3, 5, 5)
    known = {
        tuple(w.permute(1, 2, 0).flatten().tolist())
        for i in windows
        for w in i.permute(1, 2, 0, 3, 4).flatten(0, 1)
    }
    found = {tuple(patch.tolist()) for patch in random_patches(images, 200)}
    assert found == known


@pytest.mark.parametrize("shape", [(1, 3, 4, 9), (3, 9, 9), (1, 1, 9, 9)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="patches of 5 px"):
        random_patches(torch.zeros(shape), 3)
    with pytest.raises(ShapeError):
        sliced_wasserstein(torch.zeros(3, 75), torch.zeros(4, 75), random_directions(2))


def test_only_the_judged_patches_count_and_are_taught() -> None:
    patches = torch.tensor([[0.0], [10.0]], requires_grad=True)
    reference = torch.tensor([[1.0], [13.0]])
    loss = sliced_wasserstein(patches, reference, torch.ones(1, 1), judged=1)
    loss.backward()
    assert float(loss.detach()) == 1.0 and patches.grad is not None
    assert patches.grad.flatten().tolist() == [-1.0, 0.0]
