"""AdaIN and MUNIT's layer norm: values worked by hand, and the order of what a style gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.networks.adain import LayerNorm, StyledBlock, adain


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def test_adain_gives_the_mean_and_spread_that_are_asked_for() -> None:
    shifted = adain(row(1, 2, 3, 4), torch.tensor([[10.0]]), torch.tensor([[2.0]]))
    assert shifted.flatten().tolist() == pytest.approx([7.3167, 9.1056, 10.8944, 12.6833], abs=1e-4)


def test_adain_takes_each_picture_and_channel_on_its_own() -> None:
    features = torch.randn(2, 3, 5, 4) * 3 + 7
    shift, scale = torch.randn(2, 3), torch.rand(2, 3) + 0.5
    changed = adain(features, shift, scale)
    for n in range(2):
        for c in range(3):
            plane = features[n, c].double()
            expected = (plane - plane.mean()) / (plane.var(correction=0) + 1e-5).sqrt()
            expected = expected * scale[n, c] + shift[n, c]
            torch.testing.assert_close(changed[n, c].double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2,), (1, 3), (2, 4)])
def test_numbers_for_other_features_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="one number for each picture and channel"):
        adain(torch.zeros(2, 3, 4, 4), torch.zeros(shape), torch.zeros(shape))


def test_layer_norm_divides_by_the_unbiased_spread() -> None:
    norm = LayerNorm(1)
    torch.nn.init.ones_(norm.scale)
    assert norm(row(1, 2, 3, 4)).flatten().tolist() == pytest.approx(
        [-1.1619, -0.3873, 0.3873, 1.1619], abs=1e-4
    )


def test_layer_norm_adds_its_constant_to_the_spread() -> None:
    norm = LayerNorm(1)
    torch.nn.init.ones_(norm.scale)
    tiny = 1e-5 * row(1, 2, 3, 4)  # spread 1.29e-5: with 1e-5 in the variance nearly nothing would be left
    assert norm(tiny).flatten()[3].item() == pytest.approx(1.5e-5 / (1.29099e-5 + 1e-5), rel=1e-3)


def test_layer_norm_takes_all_channels_together_and_scales_each() -> None:
    torch.manual_seed(0)
    norm = LayerNorm(200)
    assert 0 <= norm.scale.min() < 0.1 and 0.9 < norm.scale.max() <= 1 and norm.shift.eq(0).all()
    torch.nn.init.normal_(norm.shift)
    features = torch.randn(2, 200, 3, 4) + torch.arange(200.0)[:, None, None] / 50
    normed = norm(features)
    for one, expected in zip(features.double(), normed, strict=True):
        plain = (one - one.mean()) / (one.std() + 1e-5)
        plain = plain * norm.scale[:, None, None] + norm.shift[:, None, None]
        torch.testing.assert_close(expected.double(), plain, atol=1e-5, rtol=1e-5)


def test_features_that_are_all_alike_have_a_finite_gradient() -> None:
    features = torch.full((1, 2, 3, 3), 0.5, requires_grad=True)
    LayerNorm(2)(features).sum().backward()
    assert features.grad is not None and features.grad.isfinite().all()


def test_a_look_is_the_shift_and_then_the_scale_of_each_norm_in_turn() -> None:
    torch.manual_seed(0)
    block, features = StyledBlock(3), torch.randn(2, 3, 6, 6)
    look = torch.zeros(2, 2, 2, 3)
    look[:, 1, 0] = 10.0  # of the second norm, the shift
    torch.testing.assert_close(block(features, look), features + 10)
    look[:, 1, 1] = 2.0  # and the scale; the first norm still gives 0 everywhere, so nothing is scaled
    torch.testing.assert_close(block(features, look), features + 10)
    look[:, 0, 0], look[:, 0, 1] = 0.5, 1.0
    change = block(features, look) - features
    torch.testing.assert_close(change.mean((2, 3)), torch.full((2, 3), 10.0))
    spread = change.std((2, 3), correction=0)
    torch.testing.assert_close(spread, torch.full((2, 3), 2.0), atol=0.01, rtol=0)
