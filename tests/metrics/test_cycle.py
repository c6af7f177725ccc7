"""The cycle error, and the probe that catches a picture hidden in faint noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.cycle import cycle_l1, round_to_8_bits

FAINT = 1e-4


def hide(images: Tensor) -> Tensor:
    """A grey picture that carries its source in the digits that a file drops."""
    return images * FAINT


def reveal(images: Tensor) -> Tensor:
    return images / FAINT


def test_rounding_exposes_what_is_hidden() -> None:
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    assert cycle_l1(images, hide, reveal).max() < 1e-5
    assert cycle_l1(images, hide, reveal, through_8_bits=True).min() > 1.0


def test_honest_translation_hardly_minds_rounding() -> None:
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    assert cycle_l1(images, torch.neg, torch.neg, through_8_bits=True).max() <= 1 / 255


def test_rounding_keeps_bytes() -> None:
    levels = torch.arange(256.0).view(1, 1, 16, 16) / 127.5 - 1
    torch.testing.assert_close(round_to_8_bits(levels), levels)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match="came back"):
        cycle_l1(torch.zeros(1, 3, 8, 8), lambda x: x, lambda x: x[..., :4])
