"""Two batches in one call: the same as two calls, whatever the network gives and whatever its norms."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from reskin.networks.blocks import Norm
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.together import together


class Pair(NamedTuple):
    picture: Tensor
    maps: list[Tensor]


class Counted(nn.Module):
    """Gives a picture and maps, and counts its calls."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.layers, self.calls = patch_discriminator(4, 1, norm=norm), 0

    def forward(self, images: Tensor, factors: Tensor) -> Pair:
        self.calls += 1
        made = self.layers(images) * factors[:, None, None, None]
        return Pair(made, [made * 2, made.mean(dim=(2, 3))])

    def named(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self.calls += 1
        return images * 2, {"half": images / 2}


@pytest.mark.parametrize(
    ("norm", "sizes", "calls"),
    [("instance", (32, 32), 1), ("batch", (32, 32), 2), ("instance", (32, 48), 2), ("batch", (32, 48), 2)],
)
def test_it_gives_what_two_calls_give(norm: Norm, sizes: tuple[int, int], calls: int) -> None:
    network = Counted(norm).double()
    one, other = (
        (torch.randn(n, 3, 32, size, dtype=torch.float64), torch.rand(n, dtype=torch.float64))
        for n, size in zip((1, 3), sizes, strict=True)
    )
    found = together(network, one, other)
    assert network.calls == calls
    for got, wanted in zip(found, (network(*one), network(*other)), strict=True):
        assert isinstance(got, Pair)
        torch.testing.assert_close(got, wanted)


def test_a_method_of_a_network_may_be_called() -> None:
    network = Counted("instance")
    one, other = torch.randn(2, 1, 3, 4, 4).unbind(0)
    (first, of_first), (second, of_second) = together(network.named, one, other)
    assert network.calls == 1
    assert first.equal(one * 2) and second.equal(other * 2)
    assert of_first["half"].equal(one / 2) and of_second["half"].equal(other / 2)


@pytest.mark.parametrize(("norm", "calls"), [("instance", 1), ("batch", 3)])
def test_three_batches_are_those_of_three_calls(norm: Norm, calls: int) -> None:
    network = Counted(norm).eval()
    batches = [(torch.rand(count, 3, 16, 16), torch.rand(count)) for count in (1, 2, 3)]
    alone = [network(*batch) for batch in batches]
    network.calls = 0
    made = together(network, *batches)
    assert network.calls == calls and [len(each.picture) for each in made] == [1, 2, 3]
    for one, expected in zip(made, alone, strict=True):
        torch.testing.assert_close(one.picture, expected.picture)
