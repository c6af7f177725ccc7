"""The equivariance loss: warps against hand-worked ones, and what a network must be to have no loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from reskin.errors import ShapeError
from reskin.losses import equivariance as module
from reskin.losses.equivariance import Warp, add_noise, equivariance, make_warp, random_warp

SIZE = (24, 32)


def images(count: int = 2) -> Tensor:
    return 2 * torch.rand(count, 3, *SIZE) - 1


def moved(right: float, down: float, count: int = 2) -> Warp:
    displacement = torch.tensor([right, down]).view(1, 2, 1, 1).expand(count, 2, *SIZE)
    return make_warp(torch.zeros(count), torch.zeros(count), displacement)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-2, 1), (0, -3)])
def test_a_shift_by_whole_px_is_exact_away_from_the_edges(right: int, down: int) -> None:
    pictures = images()
    warped = moved(right, down)(pictures)
    expected = pictures.roll((-down, -right), dims=(2, 3))
    torch.testing.assert_close(warped[..., 5:-5, 5:-5], expected[..., 5:-5, 5:-5], atol=1e-5, rtol=0)


def test_what_lies_beyond_an_edge_is_reflected() -> None:
    pictures = images(1)
    left = moved(-2, 0, 1)(pictures)[..., 5:-5, :2]
    torch.testing.assert_close(left, pictures[..., 5:-5, :2].flip(-1), atol=1e-5, rtol=0)


def test_a_quarter_turn_of_a_square() -> None:
    """Reading at (-y, x) from the middle: the right column of the picture comes to lie at its top."""
    picture = torch.rand(1, 3, 16, 16)
    warp = make_warp(torch.tensor([math.pi / 2]), torch.zeros(1), torch.zeros(1, 2, 16, 16))
    expected = picture.transpose(2, 3).flip(2)
    torch.testing.assert_close(warp(picture), expected, atol=1e-5, rtol=0)


def test_rotation_and_zoom_are_in_pixels_whatever_the_shape_of_the_picture() -> None:
    warp = make_warp(torch.tensor([0.05]), torch.tensor([0.04]), torch.zeros(1, 2, *SIZE))
    height, width = SIZE
    x, y = 20 - (width - 1) / 2, 3 - (height - 1) / 2
    across = 1.04 * (x * math.cos(0.05) - y * math.sin(0.05))
    down = 1.04 * (x * math.sin(0.05) + y * math.cos(0.05))
    expected = torch.tensor([2 * across / width, 2 * down / height])
    torch.testing.assert_close(warp.grid[0, 3, 20], expected, atol=1e-6, rtol=0)


def test_pixels_read_close_to_an_edge_do_not_count() -> None:
    warp = moved(3, 0, 1)
    inside = warp.inside[0, 0]
    assert warp.inside.shape == (1, 1, *SIZE)
    # Of 32 columns, that at x is read at (2 (x + 3) - 31) / 32 of the way; rows at (2 y - 23) / 24.
    assert inside[12].tolist() == [abs(2 * (x + 3) - 31) / 32 < 0.97 for x in range(32)]
    assert inside[12, 3:28].all() and not inside[12, 29:].any()
    far = torch.full((1, 3, *SIZE), 5.0)
    far[:, :, :, 10:20] = 0.0
    expected = 5.0 * (inside & (far[0, 0] != 0)).float().mean()
    assert equivariance(torch.zeros(1, 3, *SIZE), far, warp).item() == pytest.approx(expected.item())


class Ramp(nn.Module):
    """Adds a pattern that stays where it is, as a generator does that paints textures onto the screen."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures + torch.linspace(-1, 1, pictures.shape[-1])


def test_a_network_of_single_pixels_has_no_loss_and_one_of_positions_has() -> None:
    pictures, warp = images(4), random_warp(images(4))
    for network in (nn.Conv2d(3, 3, 1), nn.Identity()):
        assert equivariance(network(pictures), network(warp(pictures)), warp).item() < 1e-6
    bound = Ramp()
    assert equivariance(bound(pictures), bound(warp(pictures)), warp).item() > 0.01


def test_gradients_reach_both_branches() -> None:
    one, other = images().requires_grad_(), images().requires_grad_()
    equivariance(one, other, random_warp(one)).backward()
    assert one.grad is not None and one.grad.abs().sum() > 0.1
    assert other.grad is not None and other.grad.abs().sum() > 0.1


def test_warps_and_noise_are_within_their_limits_and_differ_by_picture() -> None:
    many = torch.zeros(400, 3, *SIZE)
    grid = random_warp(many).grid
    height, width = SIZE
    px = grid * torch.tensor([width / 2, height / 2])
    middle = px[:, height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1].mean(dim=(1, 2))
    # A uniform shift of 3 px and elastic nodes of 1.5 px, one of which lies in the middle.
    spread = math.sqrt(3.0**2 / 3 + 1.5**2)
    assert middle.std(dim=0).tolist() == pytest.approx([spread, spread], rel=0.15)
    assert middle.mean(dim=0).abs().max() < 0.4
    strength = add_noise(many).std(dim=(1, 2, 3))
    assert strength.max() < 1.1 * module.LARGEST_NOISE and strength.min() < 0.003
    assert strength.mean().item() == pytest.approx(module.LARGEST_NOISE / 2, rel=0.1)


def test_the_warp_follows_the_seed() -> None:
    torch.manual_seed(3)
    one = random_warp(images(1).zero_())
    torch.manual_seed(3)
    assert random_warp(images(1).zero_()).grid.equal(one.grid)


def test_shapes_that_do_not_fit_are_refused() -> None:
    warp = moved(1, 0)
    with pytest.raises(ShapeError, match="for a warp of"):
        warp(torch.zeros(1, 3, *SIZE))
    with pytest.raises(ShapeError, match="for a warp of"):
        warp(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ShapeError, match="translations of shapes"):
        equivariance(images(2), images(1), warp)
