"""Coupled networks: published sizes, layers that are one object, and codes that are found again."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from tests.support.small import count
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.cogan import (
    CoupledDiscriminators,
    CoupledGenerators,
    digit_discriminators,
    digit_generators,
    invert,
    picture_discriminators,
    picture_generators,
)
from reskin.networks.init import initialise
from reskin.types import Domain


def test_the_networks_for_digits_have_the_published_size() -> None:
    with torch.device("meta"):
        generators, judges = digit_generators(), digit_discriminators()
        a, b = generators(torch.zeros(5, 100))
        assert count(generators) == 7_842_694 and count(judges) == 427_593
        assert a.shape == b.shape == (5, 1, 28, 28)
        assert [logits.shape for logits in judges(a, b)] == [(5,), (5,)]
    for tied in (generators, judges):
        one, other = tied.branch("a"), tied.branch("b")
        private = [n for n, (x, y) in enumerate(zip(one, other, strict=True)) if x is not y]
        assert private == ([12] if tied is generators else [0, 1])  # the last layer, the first
    made = digit_generators()(torch.randn(2, 100))[0]
    assert made.min() >= 0 and made.max() <= 1


def faces_by_hand(side: int) -> tuple[int, int]:
    """Parameters of both networks for `side` px and width 32: 128 px is the published design."""
    up = {128: [1024, 512, 256, 128, 64, 32], 64: [512, 256, 128, 64, 32], 32: [256, 128, 64, 32]}[side]
    made = [100 * up[0] * 16 + up[0] + 1]
    made += [many * few * 16 + few + 1 for many, few in pairwise(up)] + [32 * 3 * 9 + 3]
    down = [32 * 2**n for n in range(len(up))]
    judged = [
        few * many * (25 if n < 3 else 9) + many + 1
        for n, (few, many) in enumerate(zip([3, *down], down, strict=False))
    ]
    judged += [4 * down[-1] * 2 * down[-1] + 2 * down[-1] + 1, 2 * down[-1] * 2 + 2]
    private_up, private_down = {128: (2, 3), 64: (2, 2), 32: (2, 2)}[side]
    return sum(made) + sum(made[-private_up:]), sum(judged) + sum(judged[:private_down])


@pytest.mark.parametrize("side", [32, 64, 128])
def test_the_networks_for_pictures_have_the_size_of_their_layers(side: int) -> None:
    with torch.device("meta"):
        generators, judges = picture_generators(32, side), picture_discriminators(32, side)
        a, b = generators(torch.zeros(2, 100))
        assert a.shape == b.shape == (2, 3, side, side)
        assert [logits.shape for logits in judges(a, b)] == [(2,), (2,)]
    assert (count(generators), count(judges)) == faces_by_hand(side)


def convolutions(layers: list[nn.Module]) -> list[nn.Module]:
    return [layer for layer in layers if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]


@pytest.mark.parametrize(
    ("sharing", "made", "judged"), [(2 / 3, 5, 5), (0.0, 0, 0), (0.5, 4, 4), (1.0, 6, 7)]
)
def test_layers_that_are_tied_are_one_object(sharing: float, made: int, judged: int) -> None:
    with torch.device("meta"):
        generators = picture_generators(2, 128, sharing=sharing)
        judges = picture_discriminators(2, 128, sharing=sharing)
    one, other = (convolutions(generators.branch(side)) for side in ("a", "b"))
    assert [x is y for x, y in zip(one, other, strict=True)] == [True] * made + [False] * (7 - made)
    one, other = (convolutions(judges.branch(side)) for side in ("a", "b"))
    assert [x is y for x, y in zip(one, other, strict=True)] == [False] * (8 - judged) + [True] * judged


def small(norm: str = "instance") -> tuple[CoupledGenerators, CoupledDiscriminators]:
    torch.manual_seed(0)
    made = picture_generators(4, 32, norm=norm)  # type: ignore[arg-type]
    judged = picture_discriminators(4, 32, norm=norm)  # type: ignore[arg-type]
    for network in (made, judged):
        initialise(network, "xavier", 3.0)
    return made.eval(), judged.eval()


def test_the_gradient_of_a_tied_layer_is_the_sum_of_both_branches() -> None:
    """To a share of the largest gradient: before a norm a bias has rounding noise for its own."""
    generators, judges = small()
    codes = torch.rand(2, 100) * 2 - 1

    def gradients(side: str) -> list[Tensor]:
        a, b = generators(codes)
        of_a, of_b = (logits.sum() for logits in judges(a, b))
        loss = {"a": of_a, "b": of_b, "ab": of_a + of_b}[side]
        tied = [*generators.shared.parameters(), *judges.shared.parameters()]
        return list(torch.autograd.grad(loss, tied))

    together = gradients("ab")
    largest = max(gradient.abs().max().item() for gradient in together)
    for both, a, b in zip(together, gradients("a"), gradients("b"), strict=True):
        torch.testing.assert_close(both, a + b, rtol=1e-4, atol=1e-5 * largest)
        assert both.dim() < 2 or (a.abs().max() > 0 and b.abs().max() > 0)


def test_a_branch_is_the_generator_of_its_side() -> None:
    generators, judges = small()
    codes = torch.rand(2, 100) * 2 - 1
    pair = generators(codes)
    sides: tuple[Domain, Domain] = ("a", "b")
    for side, picture, logits in zip(sides, pair, judges(*pair), strict=True):
        assert generators.one_domain(codes, side).equal(picture)
        chain = nn.Sequential(*generators.branch(side))
        torch.testing.assert_close(torch.tanh(chain(codes[:, :, None, None])), picture)
        fake, real = nn.Sequential(*judges.branch(side))(picture).flatten(1).unbind(1)
        torch.testing.assert_close(logits, real - fake)
    assert not pair[0].equal(pair[1])


def test_dropout_is_where_it_is_said_to_be() -> None:
    with torch.device("meta"):
        drops = [
            layer.p for layer in picture_discriminators(2, 128).branch("a") if isinstance(layer, nn.Dropout)
        ]
    assert drops == [0.1, 0.3, 0.3, 0.5, 0.5]


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.sweep
def test_the_code_of_a_picture_that_it_made_itself_is_found(side: Domain) -> None:
    generators, _ = small("batch")
    source = torch.Generator().manual_seed(3)
    codes, starts = (torch.rand(2, 100, generator=source) * 2 - 1 for _ in range(2))
    with torch.inference_mode():
        wanted = generators.one_domain(codes, side)
        far = (generators.one_domain(starts, side) - wanted).square().mean()
        found = torch.stack([invert(generators, image, side, starts, steps=60) for image in wanted])
        mse = (generators.one_domain(found, side) - wanted).square().mean(dim=(1, 2, 3))
    assert far > 0.02 and mse.max() < 1e-3
    assert all(parameter.grad is None and parameter.requires_grad for parameter in generators.parameters())


def test_of_several_starts_the_best_find_is_kept() -> None:
    generators, _ = small()
    target = torch.rand(100) * 2 - 1
    image = generators.one_domain(target[None], "a")[0].detach()
    starts = torch.stack([torch.rand(100) * 2 - 1, target, torch.rand(100) * 2 - 1])
    found = invert(generators, image, "a", starts, steps=1)
    torch.testing.assert_close(found, target)


def test_sizes_that_do_not_fit_are_refused() -> None:
    for side in (0, 4, 48, 100):
        with pytest.raises(SettingsError, match=f"pictures of {side} px"):
            picture_generators(2, side)
        with pytest.raises(SettingsError, match="Use 8, 16, 32, 64, 128 or 256"):
            picture_discriminators(2, side)
    with pytest.raises(ShapeError, match="wanted 32x32"):
        picture_discriminators(2, 32)(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 64))
