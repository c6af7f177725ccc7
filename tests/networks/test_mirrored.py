"""Mirrored edges: the same values and gradients as torch's own padding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from reskin.networks.blocks import MirroredConv2d, mirrored


@pytest.mark.parametrize("margin", [1, 3])
@pytest.mark.parametrize("size", [(4, 4), (5, 9), (8, 4)], ids=str)
def test_values_and_gradients_are_those_of_reflect_padding(size: tuple[int, int], margin: int) -> None:
    images = torch.randn(2, 3, *size, dtype=torch.double, requires_grad=True)
    expected = F.pad(images, (margin,) * 4, mode="reflect")
    padded = mirrored(images, margin)
    assert padded.equal(expected)
    weights = torch.randn_like(padded)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), images)
    (gradient,) = torch.autograd.grad((padded * weights).sum(), images)
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.sweep
def test_the_gradient_is_right_to_the_second_order() -> None:
    images = torch.randn(1, 1, 4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: mirrored(x, 2).square(), images)
    assert torch.autograd.gradgradcheck(lambda x: mirrored(x, 2).pow(3), images)


def test_the_incoming_gradient_is_left_as_it_was() -> None:
    images = torch.randn(1, 1, 4, 4, requires_grad=True)
    gradient = torch.randn(1, 1, 6, 6)
    before = gradient.clone()
    mirrored(images, 1).backward(gradient)
    assert gradient.equal(before)


def test_a_picture_no_wider_than_the_margin_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Padding size"):
        mirrored(torch.zeros(1, 1, 3, 3, requires_grad=True), 3)


def test_bfloat16_stays_bfloat16_under_autocast() -> None:
    images = torch.randn(1, 2, 6, 6, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert mirrored(images, 1).dtype == torch.bfloat16
        made = MirroredConv2d(2, 2, 3)(images)
    assert made.dtype == torch.bfloat16
    made.float().sum().backward()
    assert images.grad is not None and images.grad.dtype == torch.bfloat16
