"""Self-attention and spectral norm: the paper's size, and the properties that follow from its formulas."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from reskin.errors import ShapeError
from reskin.networks.attention import (
    SelfAttention,
    add_spectral_norm,
    attend_in_discriminator,
    attend_in_generator,
    without_norms,
)
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator


def block(channels: int = 16, *, is_pooled: bool = True, gamma: float = 0.7) -> SelfAttention:
    torch.manual_seed(0)
    attention = SelfAttention(channels, is_pooled=is_pooled)
    with torch.no_grad():
        attention.gamma.fill_(gamma)
    return attention


def test_its_size_is_the_papers() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in SelfAttention(256).parameters()) == 81_921
        assert SelfAttention(256)(torch.zeros(1, 256, 64, 64)).shape == (1, 256, 64, 64)
    assert SelfAttention(4)(torch.zeros(1, 4, 5, 3)).shape == (1, 4, 5, 3)  # odd sides, few channels


@pytest.mark.parametrize("is_pooled", [True, False])
def test_at_the_start_it_changes_nothing(is_pooled: bool) -> None:
    features = torch.randn(2, 16, 6, 8)
    assert SelfAttention(16, is_pooled=is_pooled)(features).equal(features)


@pytest.mark.parametrize(("is_pooled", "keys"), [(True, 12), (False, 48)])
def test_it_is_the_formula_written_out(is_pooled: bool, keys: int) -> None:
    attention, features = block(is_pooled=is_pooled), 3 * torch.randn(2, 16, 6, 8)
    shares = attention.shares(features)
    assert shares.shape == (2, 48, keys)
    torch.testing.assert_close(shares.sum(2), torch.ones(2, 48))
    values = attention.values(features)
    if is_pooled:
        values = torch.stack(
            [values[:, :, y : y + 2, x : x + 2].amax((2, 3)) for y in range(0, 6, 2) for x in range(0, 8, 2)],
            dim=2,
        )
    seen = torch.einsum("nqk,nck->ncq", shares, values.flatten(2)).unflatten(2, (6, 8))
    torch.testing.assert_close(attention(features), features + 0.7 * attention.out(seen))


def test_scores_are_not_divided_by_the_root_of_their_length() -> None:
    attention, features = block(64, is_pooled=False), torch.randn(1, 64, 2, 2)
    queries, keys = (part(features)[0].flatten(1) for part in (attention.queries, attention.keys))
    assert len(queries) == 8
    torch.testing.assert_close(attention.shares(features)[0], (queries.T @ keys).softmax(1))


def test_places_that_change_seats_take_their_result_along() -> None:
    attention, features = block(is_pooled=False), torch.randn(1, 16, 4, 4)
    order = torch.randperm(16)
    mixed = features.flatten(2)[:, :, order].unflatten(2, (4, 4))
    expected = attention(features).flatten(2)[:, :, order].unflatten(2, (4, 4))
    torch.testing.assert_close(attention(mixed), expected)


@pytest.mark.parametrize("is_pooled", [True, False])
def test_its_gradient_is_right(is_pooled: bool) -> None:
    attention = block(8, is_pooled=is_pooled).double()
    features = torch.randn(1, 8, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(attention, (features,))
    for parameter in attention.parameters():
        assert torch.autograd.grad(attention(features).square().sum(), parameter)[0].abs().max() > 0


def test_a_single_place_cannot_be_pooled() -> None:
    with pytest.raises(ShapeError, match="4x1 positions"):
        block()(torch.zeros(1, 16, 1, 4))


def test_where_networks_attend() -> None:
    nine, one = ResnetGenerator(4, 9), ResnetGenerator(4, 1)
    attend_in_generator(nine)
    attend_in_generator(one)
    assert [isinstance(layer, SelfAttention) for layer in nine.blocks].index(True) == 5
    assert isinstance(one.blocks[1], SelfAttention) and len(one.blocks) == 2
    for layers, channels in ((1, 8), (2, 16), (3, 16), (4, 16)):
        judge, plain = patch_discriminator(4, layers), patch_discriminator(4, layers)
        attend_in_discriminator(judge)
        (place,) = [n for n, layer in enumerate(judge.layers) if isinstance(layer, SelfAttention)]
        attention = judge.layers[place]
        assert isinstance(attention, SelfAttention) and attention.values.in_channels == channels
        before = [layer for layer in list(judge.layers)[:place] if isinstance(layer, nn.Conv2d)]
        assert len(before) == min(3, layers + 1)
        assert isinstance(judge.layers[place - 1], nn.LeakyReLU)
        assert len(judge.layers) == len(plain.layers) + 1
    seen: list[Tensor] = []
    judge = patch_discriminator(2, 3)
    attend_in_discriminator(judge)
    judge.layers[8].register_forward_hook(lambda *things: seen.append(things[2]))
    judge(torch.zeros(1, 3, 256, 256))
    assert seen[0].shape == (1, 8, 32, 32)  # the paper's 32x32


def normed(layer: nn.Module, passes: int) -> nn.Module:
    add_spectral_norm(layer)
    for _ in range(passes):
        assert isinstance(layer.weight, Tensor)
    return layer.eval()


def test_a_diagonal_is_divided_by_its_largest_entry() -> None:
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([3.0, 1.0])))
    torch.manual_seed(0)
    weight = normed(layer, 30).weight
    torch.testing.assert_close(weight, torch.diag(torch.tensor([1.0, 1 / 3])), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "axis"),
    [
        (lambda: nn.Conv2d(6, 8, 3), 0),
        (lambda: nn.ConvTranspose2d(6, 8, 3), 1),
        (lambda: nn.Linear(12, 5), 0),
    ],
    ids=["convolution", "transposed", "linear"],
)
def test_the_largest_singular_value_becomes_one(make: Callable[[], nn.Module], axis: int) -> None:
    layer = make()  # after the seed of the test
    normed(layer, 40)
    assert isinstance(layer.weight, Tensor)
    matrix = layer.weight.movedim(axis, 0).flatten(1)
    assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=0.02)
    assert layer.parametrizations.weight[0].u.shape == (matrix.shape[0],)  # type: ignore[index, union-attr]


def test_each_training_pass_is_one_iteration_and_evaluation_none() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 3)
    add_spectral_norm(layer)
    state = layer.state_dict()
    weight, u = state["parametrizations.weight.original"], state["parametrizations.weight.0.u"]
    matrix, before = weight.flatten(1), u.clone()
    layer(torch.zeros(1, 3, 4, 4))
    torch.testing.assert_close(u, nn.functional.normalize(matrix @ (matrix.T @ before), dim=0))
    layer.eval()
    after = u.clone()
    first, second = layer(torch.ones(1, 3, 4, 4)), layer(torch.ones(1, 3, 4, 4))
    assert u.equal(after) and first.equal(second)


def test_its_gradient_is_that_of_the_quotient() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 3).double()
    add_spectral_norm(layer)
    for _ in range(60):
        weight = layer.weight
    weight.square().sum().backward()
    original = layer.parametrizations.weight.original  # type: ignore[union-attr]
    assert isinstance(original, Tensor) and original.grad is not None
    free = original.detach().clone().requires_grad_()
    (free / torch.linalg.matrix_norm(free, 2)).square().sum().backward()
    torch.testing.assert_close(original.grad, free.grad, rtol=0, atol=1e-6)


def test_it_is_exact_under_autocast_and_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 8, 3)
    add_spectral_norm(layer)
    twin = copy.deepcopy(nn.Sequential(layer))[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer.weight
    exact = twin.weight
    assert isinstance(exact, Tensor) and rough.dtype == torch.float32 and rough.equal(exact)
    again = nn.Conv2d(3, 8, 3)
    add_spectral_norm(again)
    again.load_state_dict(layer.state_dict())
    assert all(again.weight.equal(layer.weight) for _ in range(3))


def test_a_discriminator_without_norms_has_bounded_layers() -> None:
    judge = patch_discriminator(4, 3)
    names = {
        name.replace("weight", "parametrizations.weight.original") for name, _ in judge.named_parameters()
    }
    without_norms(judge)
    add_spectral_norm(judge)
    assert {name for name, _ in judge.named_parameters()} == names  # the layers kept their places
    assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in judge.modules())
    assert judge(torch.zeros(1, 3, 64, 64)).shape == (1, 1, 6, 6)
