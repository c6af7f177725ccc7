"""Pictures of every size fit the network and come back as they were."""

from __future__ import annotations

import pytest
import torch

from reskin.errors import ShapeError
from reskin.networks.padding import crop_to, pad_to_multiple


@pytest.mark.parametrize("height", [1, 2, 5, 16, 17, 31])
@pytest.mark.parametrize("width", [1, 3, 16, 30])
@pytest.mark.parametrize("multiple", [1, 2, 4, 16])
@pytest.mark.thinned(4, first=1)
def test_fits_and_comes_back(height: int, width: int, multiple: int) -> None:
    images = torch.rand(2, 3, height, width)
    padded = pad_to_multiple(images, multiple)
    assert padded.shape[-2] % multiple == 0 and padded.shape[-1] % multiple == 0
    assert padded.shape[-2] - height < multiple and padded.shape[-1] - width < multiple
    assert torch.equal(crop_to(padded, height, width), images)


def test_border_is_mirrored_without_repeating_the_edge() -> None:
    row = torch.tensor([1.0, 2, 3, 4, 5]).view(1, 1, 1, 5)
    assert pad_to_multiple(row, 8)[0, 0, 0].tolist() == [1, 2, 3, 4, 5, 4, 3, 2]


def test_short_side_repeats_its_last_value() -> None:
    row = torch.tensor([1.0, 2]).view(1, 1, 1, 2)
    assert pad_to_multiple(row, 8)[0, 0, 0].tolist() == [1, 2, 2, 2, 2, 2, 2, 2]


def test_nothing_is_copied_where_it_fits() -> None:
    images = torch.rand(1, 3, 8, 12)
    assert pad_to_multiple(images, 4) is images


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError):
        pad_to_multiple(torch.zeros(3, 8, 8), 4)
    with pytest.raises(ShapeError):
        pad_to_multiple(torch.zeros(1, 3, 0, 8), 4)
    with pytest.raises(ShapeError):
        crop_to(torch.zeros(1, 3, 8, 8), 9, 8)
