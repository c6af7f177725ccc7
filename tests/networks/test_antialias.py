"""Blurred changes of size: against the plain kernels, and what they are for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.support.small import count
from torch import Tensor, nn

from reskin.networks.antialias import BlurDownsample, BlurUpsample
from reskin.networks.cut import CutGenerator
from reskin.networks.init import initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator


def kernel(row: list[float], channels: int) -> Tensor:
    one = torch.tensor(row, dtype=torch.float64)
    return (torch.outer(one, one) / 16).repeat(channels, 1, 1, 1)


@pytest.mark.parametrize(("h", "w"), [(8, 8), (7, 10), (2, 3), (31, 32)])
def test_halving_is_the_convolution_with_1_2_1(h: int, w: int) -> None:
    x = torch.randn(2, 3, h, w, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel([1, 2, 1], 3), stride=2, groups=3)
    made = BlurDownsample()(y)
    torch.testing.assert_close(made, expected)
    assert made.shape == (2, 3, (h + 1) // 2, (w + 1) // 2)
    expected.square().sum().backward()
    made.square().sum().backward()
    torch.testing.assert_close(y.grad, x.grad)


@pytest.mark.parametrize(("h", "w"), [(4, 4), (1, 5), (7, 3)])
def test_doubling_is_the_transposed_convolution_with_1_3_3_1(h: int, w: int) -> None:
    x = torch.randn(2, 3, h, w, dtype=torch.float64)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    expected = F.conv_transpose2d(padded, kernel([1, 3, 3, 1], 3), stride=2, groups=3)[:, :, 3:-3, 3:-3]
    torch.testing.assert_close(BlurUpsample()(x), expected)


def test_a_constant_stays_constant() -> None:
    flat = torch.full((1, 2, 9, 12), 0.7)
    for layer in (BlurDownsample(), BlurUpsample()):
        torch.testing.assert_close(layer(flat), torch.full_like(layer(flat), 0.7))


def test_they_hold_nothing() -> None:
    assert not BlurDownsample().state_dict() and not BlurUpsample().state_dict()


def test_networks_with_blurs_have_as_many_weights_and_outputs() -> None:
    with torch.device("meta"):
        gen, disc = CutGenerator(), patch_discriminator(shrink=BlurDownsample)
        assert (count(gen), len(gen.state_dict())) == (11_378_179, 48)
        assert (count(disc), len(disc.state_dict())) == (2_764_737, 10)
        assert disc(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)
        assert gen(torch.zeros(1, 3, 64, 72)).shape == (1, 3, 64, 72)


@pytest.mark.parametrize("layers", range(1, 7))
@pytest.mark.thinned(3, first=2)
def test_a_blurring_discriminator_has_as_many_logits_at_any_size(layers: int) -> None:
    with torch.device("meta"):
        plain, blurring = (
            patch_discriminator(1, layers),
            patch_discriminator(1, layers, shrink=BlurDownsample),
        )
        for side in (plain.smallest_size, plain.smallest_size + 5):
            images = torch.zeros(1, 3, side, side + 1)
            assert blurring(images).shape == plain(images).shape


def test_a_blurring_discriminator_has_its_layers_in_the_order_of_the_paper() -> None:
    kinds = [type(layer).__name__ for layer in patch_discriminator(2, 3, shrink=BlurDownsample).layers]
    first = ["Conv2d", "LeakyReLU", "BlurDownsample"]
    middle = ["Conv2d", "InstanceNorm2d", "LeakyReLU", "BlurDownsample"]
    assert kinds == [*first, *middle, *middle, "Conv2d", "InstanceNorm2d", "LeakyReLU", "Conv2d"]


def test_a_blurring_generator_moves_its_output_with_its_input() -> None:
    """A step of one pixel lies between the points that a network with strides looks at."""
    images = F.interpolate(torch.randn(2, 3, 24, 24), size=64, mode="bicubic").clamp(-1, 1)
    moved = images.roll((1, 1), dims=(2, 3))
    errors = []
    for kind in (ResnetGenerator, CutGenerator):
        torch.manual_seed(0)
        network = kind(8, 1)
        initialise(network, "kaiming")
        for module in network.modules():  # statistics of the whole picture would hide what is looked for
            if isinstance(module, nn.InstanceNorm2d):
                module.register_forward_hook(lambda _, inputs, __: inputs[0] / inputs[0].std())
        with torch.no_grad():
            there, back = network(images).roll((1, 1), dims=(2, 3)), network(moved)
        inner = (slice(None), slice(None), slice(20, 44), slice(20, 44))
        errors.append(((there[inner] - back[inner]).norm() / there[inner].norm()).item())
    strided, blurred = errors
    assert strided > 0.05
    assert blurred < 0.6 * strided
