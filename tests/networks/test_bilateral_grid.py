"""The grading generator: starts as the identity, keeps the order of tones, slices as the formula says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reskin.networks.bilateral_grid import (
    BINS,
    KNEE,
    LEAST_SLOPE,
    MOST_BRIGHTER,
    MOST_GAIN,
    MOST_LIFTED,
    MOST_SLOPE,
    MOST_SUNK,
    Grade,
    GradeGenerator,
    _seen_by_products,
    _sliced_by_knots,
    apply_grade,
    compress,
    roughness,
    seen,
    slice_grid,
)
from reskin.networks.grid_slicing import grade_picture


def drawn_grade(*, rows: int = 8, columns: int = 8, spread: float = 0.4) -> Grade:
    """A rough grade whose curves need not rise."""
    knots = torch.linspace(-1, 1, BINS).view(1, 1, BINS, 1, 1)
    tones = knots + spread * torch.randn(1, 3, BINS, rows, columns)
    saturation = (spread * torch.randn(1, 1, BINS, rows, columns)).exp()
    matrix = torch.eye(3) + 0.2 * torch.randn(1, 3, 3)
    return Grade(torch.cat([tones, saturation], dim=1), matrix, torch.tensor([0.3, 0.5, 0.2]))


def wild(width: int = 4) -> GradeGenerator:
    """A generator with strong weights, far from the identity."""
    network = GradeGenerator(width)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    return network


def test_a_new_generator_changes_only_what_is_near_black_and_white() -> None:
    images = torch.rand(2, 3, 24, 40) * 1.6 - 0.8
    assert torch.allclose(GradeGenerator(4)(images), images, atol=1e-5)


def test_weights_of_the_default_network() -> None:
    # convolutions 3-16-32-64, 64-64 (3x3), 64-64 (1x1), linear 128-64-64, head 64-35, colour matrix 64-9,
    # guide 3
    convolutions = 3 * 16 * 9 + 16 + 16 * 32 * 9 + 32 + 32 * 64 * 9 + 64 + 64 * 64 * 9 + 64 + 64 * 64 + 64
    linear = 128 * 64 + 64 + 64 * 64 + 64
    heads = 64 * 35 + 35 + 64 * 9 + 9
    assert sum(p.numel() for p in GradeGenerator().parameters()) == convolutions + linear + heads + 3


@pytest.mark.parametrize("size", [(7, 9), (64, 64), (33, 130)])
def test_any_size_and_range(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size) * 2 - 1
    graded = wild()(images).detach()
    assert graded.shape == images.shape and graded.dtype == torch.float32
    assert float(graded.abs().max()) <= 1 and torch.isfinite(graded).all()


def test_whatever_the_weights_every_curve_rises_between_its_ends() -> None:
    curves = wild().grade(torch.rand(3, 3, 32, 32) * 2 - 1).curves[:, :3].detach()
    assert float((curves[:, :, 0] + 1).min()) >= -MOST_SUNK - 1e-5
    assert float((curves[:, :, 0] + 1).max()) <= MOST_LIFTED + 1e-5
    assert float((curves[:, :, -1] - 1).max()) <= MOST_BRIGHTER + 1e-5
    slopes = curves.diff(dim=2)
    assert float(slopes.min()) > 0
    ratio = slopes.amax(dim=2) / slopes.amin(dim=2)
    assert float(ratio.max()) <= MOST_SLOPE / LEAST_SLOPE + 1e-3


def test_no_difference_of_brightness_grows_by_more_than_the_gain() -> None:
    slopes = wild().grade(torch.rand(3, 3, 32, 32) * 2 - 1).curves[:, :3].detach().diff(dim=2)
    assert 1.5 < float(slopes.max()) * (BINS - 1) / 2 <= MOST_GAIN + 1e-4


def test_weights_of_earlier_versions_grade_as_they_did() -> None:
    """Their curves: a black end at most a quarter above black, and slopes that only their ratio bounds."""
    network = wild()
    with torch.no_grad():
        network.head.bias.zero_()
        network.head.weight.zero_()
        network.head.bias[[0, 9, 18]] = 20.0  # the black ends of red, green and blue, as far up as they go
        network.head.bias[[1, 10, 19]] = 20.0  # the first of seven slopes is 8 times as steep as ...
        for first in (2, 11, 20):
            network.head.bias[first : first + 6] = -20.0  # ... the others
    weights = {key: value for key, value in network.state_dict().items() if key != "limits"}
    former = GradeGenerator(4)
    former.load_state_dict(weights)
    knots = former.common_grade().curves[0, 0, :, 0, 0].detach()
    assert knots[0] == pytest.approx(-0.75, abs=1e-5)
    assert knots[1] == pytest.approx(-0.75 + 1.75 * 8 / 14, abs=1e-4)
    assert knots[-1] == pytest.approx(1.0, abs=1e-5)
    assert set(former.state_dict()) == set(weights)  # it is saved as it was read
    present = network.common_grade().curves[0, 0, :, 0, 0].detach()
    assert present[0] == pytest.approx(-1 + MOST_LIFTED, abs=1e-5)
    assert present[1] - present[0] <= MOST_GAIN * 2 / (BINS - 1) + 1e-5
    former.load_state_dict(network.state_dict())  # and weights of today bring their bounds
    assert torch.equal(former.common_grade().curves, network.common_grade().curves)


def test_a_black_frame_stays_dark_whatever_the_weights() -> None:
    graded = wild()(torch.full((1, 3, 16, 16), -1.0)).detach()
    assert float(graded.max()) <= float(compress(torch.tensor(-1 + MOST_LIFTED))) + 1e-4


def test_a_picture_of_one_colour_stays_one_without_cells_that_differ() -> None:
    grade = drawn_grade(rows=1, columns=1)
    graded = apply_grade(torch.full((1, 3, 16, 16), 0.3), grade)
    assert float(graded.std(dim=(2, 3)).max()) < 1e-6


def test_slicing_is_trilinear_interpolation() -> None:
    grid = torch.randn(1, 4, BINS, 3, 5)
    brightness = torch.rand(1, 6, 10) * 2 - 1
    found = slice_grid(grid, brightness)
    for y, x in ((0, 0), (2, 4), (5, 9), (3, 7)):
        down = min(max((y + 0.5) * 3 / 6 - 0.5, 0), 2)
        across = min(max((x + 0.5) * 5 / 10 - 0.5, 0), 4)
        knot = (float(brightness[0, y, x]) + 1) / 2 * (BINS - 1)
        wanted = torch.zeros(4)
        for j in range(3):
            for i in range(5):
                for k in range(BINS):
                    share = (
                        max(0, 1 - abs(down - j)) * max(0, 1 - abs(across - i)) * max(0, 1 - abs(knot - k))
                    )
                    wanted += share * grid[0, :, k, j, i]
        assert torch.allclose(found[0, :, y, x], wanted, atol=1e-5)


@pytest.mark.parametrize("size", [(37, 50), (64, 64), (5, 7), (1, 1), (90, 160), (65, 33)])
def test_the_operators_of_an_exported_graph_give_the_same(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, *size) * 2 - 1
    assert torch.allclose(_seen_by_products(images), seen(images), atol=1e-4)
    grid, brightness = torch.randn(2, 4, BINS, 3, 5), torch.rand(2, *size) * 2.4 - 1.2  # some beyond the ends
    assert torch.allclose(_sliced_by_knots(grid, brightness), slice_grid(grid, brightness), atol=1e-4)


def test_compression_keeps_the_order_and_the_middle() -> None:
    values = torch.linspace(-3, 3, 601)
    squeezed = compress(values)
    assert (squeezed.diff() >= 0).all() and float(squeezed.abs().max()) <= 1
    middle = values.abs() <= KNEE
    assert torch.equal(squeezed[middle], values[middle])


def test_roughness_of_a_step_between_two_cells() -> None:
    curves = torch.zeros(1, 4, BINS, 2, 2)
    curves[..., 1] = 0.5
    grade = Grade(curves, torch.eye(3)[None], torch.ones(3) / 3)
    assert float(roughness(grade)) == pytest.approx(0.25)


@pytest.mark.parametrize("size", [(1, 1), (40, 70), (17, 33)])
@pytest.mark.parametrize("cells", [(8, 8), (1, 1), (1, 5)])
def test_the_fast_form_equals_the_network_form(size: tuple[int, int], cells: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    grade = drawn_grade(rows=cells[0], columns=cells[1])
    images = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    wanted: Tensor = ((apply_grade(images, grade) + 1) * 127.5).round()[0].permute(1, 2, 0)
    difference = np.abs(grade_picture(picture, grade).astype(int) - wanted.numpy().astype(int))
    assert difference.max() <= 1 and difference.mean() < 0.02


def test_every_part_of_the_grade_is_learnt() -> None:
    network = GradeGenerator(4)
    for parameter in (*network.head.parameters(), *network.turn.parameters()):
        torch.nn.init.normal_(parameter, std=0.1)
    network(torch.rand(2, 3, 32, 32) * 2 - 1).square().mean().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not still
