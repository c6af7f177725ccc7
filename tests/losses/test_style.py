"""Style losses: the numbers of the reference sheet, and what must not change them."""

from __future__ import annotations

import pytest
import torch

from reskin.errors import SettingsError, ShapeError
from reskin.losses.style import GramSize, content_loss, gram, style_loss, total_variation

FEATURES = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 1, 2)


@pytest.mark.parametrize(
    ("divided_by", "expected"),
    [
        ("none", [[5.0, 11.0], [11.0, 25.0]]),
        ("places", [[2.5, 5.5], [5.5, 12.5]]),
        ("values", [[1.25, 2.75], [2.75, 6.25]]),
    ],
)
def test_gram_matrices_of_the_sheet(divided_by: GramSize, expected: list[list[float]]) -> None:
    assert gram(FEATURES, divided_by).tolist() == [expected]


def test_gram_matrices_forget_places_and_sizes() -> None:
    features = torch.randn(2, 3, 4, 6)
    places = torch.randperm(24)
    moved = features.flatten(2)[..., places].view(2, 3, 6, 4)
    torch.testing.assert_close(gram(moved), gram(features))
    torch.testing.assert_close(gram(features.repeat(1, 1, 2, 3)), gram(features))
    assert gram(features[:1]).shape == (1, 3, 3)


def test_gram_matrices_do_not_overflow_in_half_precision() -> None:
    features = torch.full((1, 2, 32, 32), 100.0, dtype=torch.float16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gram(features)
    assert found.dtype == torch.float32 and found.unique().tolist() == [10_000.0]


def test_losses_by_hand() -> None:
    wanted = torch.tensor([[[2.5, 5.5], [5.5, 14.5]]])
    assert style_loss(FEATURES, wanted).item() == pytest.approx(4 / 4)
    assert style_loss(FEATURES, gram(FEATURES)).item() == 0
    both = torch.cat([FEATURES, 2 * FEATURES])  # the Gram matrix of the second is 4 times that of the first
    squares = sum(value**2 for value in (2.5, 5.5, 5.5, 12.5))
    assert style_loss(both, gram(FEATURES)).item() == pytest.approx((0 + 9 * squares) / 8)
    assert content_loss(FEATURES, 2 * FEATURES).item() == pytest.approx((1 + 4 + 9 + 16) / 4)
    paper = (gram(FEATURES, "none") - 2 * wanted).square().sum() / (4 * 2**2 * 2**2)
    assert style_loss(FEATURES, wanted).item() / 4 == pytest.approx(paper.item())


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[0.0, 1.0, 3.0], [0.0, 2.0, 2.0]]).view(1, 1, 2, 3)
    assert total_variation(image).item() == pytest.approx((1 + 4 + 4 + 0) / 4 + (0 + 1 + 1) / 3)
    assert total_variation(torch.full((2, 3, 4, 5), 0.3)).item() == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="cannot be compared"):
        content_loss(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 4, 3))
    with pytest.raises(ShapeError, match="cannot be compared"):
        style_loss(torch.zeros(3, 2, 3, 4), torch.zeros(2, 2, 2))
    with pytest.raises(ShapeError, match=r"must be \(N, C, H, W\)"):
        gram(torch.zeros(2, 3, 4))
    with pytest.raises(ShapeError, match="2 px or more"):
        total_variation(torch.zeros(1, 1, 1, 5))
    with pytest.raises(SettingsError, match="unknown size of a Gram matrix"):
        gram(FEATURES, "hw")  # type: ignore[arg-type]
