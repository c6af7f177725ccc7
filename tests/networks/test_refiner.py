"""SimGAN's networks, and its history of refined pictures."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from tests.support.small import count
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.history_buffer import HistoryBuffer
from reskin.networks.refiner import local_discriminator, refiner


def seen_by(network: nn.Module, side: int) -> int:
    """Side of the square that one output in the middle depends on, px."""
    for parameter in network.parameters():  # Only positive weights: no two paths can cancel.
        nn.init.constant_(parameter, 0.02)
    image = torch.rand(1, 1, side, side, requires_grad=True)
    output = network(image)
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    assert image.grad is not None
    rows = (image.grad[0, 0] != 0).any(1).nonzero()
    return int(rows.max() - rows.min()) + 1


def test_the_networks_are_as_published() -> None:
    with torch.device("meta"):
        assert count(refiner(channels=1)) == 296_129
        assert count(local_discriminator(channels=1)) == 75_906
        assert count(refiner()) == 296_129 + 2 * 9 * 64 + 2 * 65  # two channels more in and out
        assert count(local_discriminator()) == 75_906 + 2 * 9 * 96
        eyes = torch.zeros(2, 1, 35, 55)
        assert refiner(channels=1)(eyes).shape == eyes.shape
        assert local_discriminator(channels=1)(eyes).shape == (2, 2, 9, 14)


def test_a_refined_value_sees_its_surroundings_only() -> None:
    assert seen_by(refiner(2, 4, channels=1), 41) == 19  # 1 + 2 * 9 convolutions of 3 px
    assert seen_by(refiner(2, 1, channels=1), 41) == 7


def test_the_refiner_has_no_normalisation() -> None:
    torch.manual_seed(0)
    network, image = refiner(4, 1), torch.rand(1, 3, 40, 40)
    whole, part = network(image), network(image[..., :24, :24])
    torch.testing.assert_close(whole[..., :16, :16], part[..., :16, :16])  # far away is not seen


def test_mistakes_are_refused() -> None:
    with pytest.raises(SettingsError, match="width 0"):
        refiner(0)
    with pytest.raises(SettingsError, match="width 0"):
        local_discriminator(0)
    with pytest.raises(ShapeError, match=r"\(N, 3, H, W\)"):
        refiner(4)(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ShapeError, match=r"\(N, 1, H, W\)"):
        local_discriminator(4, channels=1)(torch.zeros(1, 3, 8, 8))
    buffer = HistoryBuffer(4)
    buffer(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ShapeError, match="Train with pictures of one size"):
        buffer(torch.zeros(2, 3, 8, 8))


def numbered(first: int, number: int) -> Tensor:
    """Pictures that are told apart by their value."""
    return torch.arange(first, first + number).float().view(-1, 1, 1, 1).expand(-1, 3, 2, 2).contiguous()


def numbers(images: Tensor) -> list[int]:
    assert (images == images[:, :1, :1, :1]).all()  # no picture is a mixture
    return [int(value) for value in images[:, 0, 0, 0]]


def test_half_of_a_batch_comes_from_the_buffer_and_half_goes_in() -> None:
    torch.manual_seed(0)
    buffer, kept = HistoryBuffer(6), set[int]()
    for step in range(40):
        new = range(8 * step, 8 * step + 8)
        given = numbers(buffer(numbered(new[0], 8)))
        assert given[:4] == list(new[:4])
        assert set(given[4:]) <= (kept or set(new[4:]))
        filled = numbers(buffer.images[: int(buffer.count)])
        assert len(filled) == min(6, 4 * (step + 1)) and len(set(filled)) == len(filled)
        assert len(set(filled) & set(new)) == 4  # half of the new ones are kept
        assert set(filled) <= kept | set(new)
        kept = set(filled)


def test_which_are_kept_and_given_is_left_to_chance() -> None:
    torch.manual_seed(0)
    given, stored = set[int](), set[int]()
    for _ in range(60):
        buffer = HistoryBuffer(4)
        buffer(numbered(0, 4))
        stored |= set(numbers(buffer.images[:2]))
        given |= set(numbers(buffer(numbered(4, 4)))[2:])
    assert stored == given == {0, 1, 2, 3}


def test_nothing_is_kept_of_single_pictures_or_without_room() -> None:
    single, none = HistoryBuffer(4), HistoryBuffer(0)
    assert numbers(single(numbered(3, 1))) == [3] and int(single.count) == 0
    assert numbers(none(numbered(3, 4).requires_grad_())) == [3, 4, 5, 6]
    assert not none(numbered(3, 4).requires_grad_()).requires_grad


def test_a_small_buffer_takes_what_it_can() -> None:
    buffer = HistoryBuffer(1)
    for first in (0, 8):
        assert numbers(buffer(numbered(first, 8)))[:7] == list(range(first, first + 7))
    assert int(buffer.count) == 1


def test_a_saved_buffer_goes_on_as_if_never_stopped() -> None:
    buffer = HistoryBuffer(4)
    buffer(numbered(0, 4))
    again = HistoryBuffer(4)
    again.load_state_dict(load(save(buffer.state_dict())))
    for first in (4, 8, 12):
        torch.manual_seed(first)
        expected = buffer(numbered(first, 4))
        torch.manual_seed(first)
        assert again(numbered(first, 4)).equal(expected)
    assert again.images.equal(buffer.images)
