"""The generators of AttentionGAN: published sizes, and masks that share the picture out."""

from __future__ import annotations

import pytest
import torch
from tests.support.small import count
from torch import nn

from reskin.errors import ShapeError
from reskin.networks.attention_generator import AttentionGenerator, OneMaskGenerator, attended
from reskin.networks.blocks import Norm


def last_bias(network: OneMaskGenerator) -> nn.Parameter:
    return network.get_parameter(f"layers.{len(network.layers) - 1}.bias")


@pytest.mark.sweep
def test_the_sizes_are_the_published_ones() -> None:
    with torch.device("meta"):
        assert count(AttentionGenerator()) == count(AttentionGenerator(upsample="nearest")) == 11_822_949
        assert count(OneMaskGenerator()) == 7_931_332
        for side in (128, 256):
            made = AttentionGenerator()(torch.zeros(1, 3, side, side))
            assert made.picture.shape == (1, 3, side, side)
            assert made.contents.shape == (1, 9, 3, side, side)
            assert made.masks.shape == (1, 10, side, side)
            assert made.background.shape == (1, 1, side, side)
            assert OneMaskGenerator()(torch.zeros(1, 3, side, side)).masks.shape == (1, 2, side, side)


@pytest.mark.parametrize("network", [AttentionGenerator(4, 1), OneMaskGenerator(4, 1)], ids=["v2", "v1"])
def test_the_masks_share_out_each_pixel(network: nn.Module) -> None:
    images = torch.rand(2, 3, 32, 36) * 2 - 1
    picture, contents, masks = network(images)
    assert masks.min() >= 0
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 32, 36))
    layers = [masks[:, k : k + 1] * contents[:, k] for k in range(contents.shape[1])]
    expected = torch.stack([*layers, masks[:, -1:] * images]).sum(0)
    torch.testing.assert_close(picture, expected)


def test_a_full_background_is_the_input_exactly() -> None:
    network, images = AttentionGenerator(4, 1), torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        network.get_parameter("attention.6.bias")[-1] = 1e6
    made = network(images)
    assert made.background.eq(1).all() and made.picture.equal(images)
    plain = OneMaskGenerator(4, 1)
    with torch.no_grad():
        last_bias(plain)[-1] = -1e6
    assert plain(images).picture.equal(images)


def test_an_empty_background_is_the_contents_alone() -> None:
    contents, images = torch.rand(1, 2, 3, 4, 4), torch.rand(1, 3, 4, 4)
    masks = torch.tensor([0.25, 0.75, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(
        attended(images, contents, masks).picture, 0.25 * contents[:, 0] + 0.75 * contents[:, 1]
    )


def test_a_picture_of_version_2_stays_in_range() -> None:
    network = AttentionGenerator(4, 1)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 3.0)
    made = network(torch.ones(1, 3, 16, 16))
    assert 0.99 < made.contents.abs().max() <= 1  # a tanh far from 0
    assert made.picture.abs().max() <= 1 + 1e-6
    loose = OneMaskGenerator(4, 1)
    nn.init.constant_(last_bias(loose), 5.0)
    assert loose(torch.zeros(2, 3, 16, 16)).picture.max() > 1  # its content has no tanh


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_norms_are_of_the_kind_that_is_asked_for(norm: Norm) -> None:
    kind, other = (
        (nn.BatchNorm2d, nn.InstanceNorm2d) if norm == "batch" else (nn.InstanceNorm2d, nn.BatchNorm2d)
    )
    for network, norms in ((OneMaskGenerator(4, 1, norm=norm), 9), (AttentionGenerator(4, 1, norm=norm), 9)):
        assert sum(isinstance(layer, kind) for layer in network.modules()) == norms
        assert not any(isinstance(layer, other) for layer in network.modules())
        assert network(torch.zeros(2, 3, 16, 16)).picture.shape == (2, 3, 16, 16)


def test_sizes_that_do_not_fit_are_refused() -> None:
    for network in (AttentionGenerator(4, 1), OneMaskGenerator(4, 1)):
        with pytest.raises(ShapeError, match="multiples of 4"):
            network(torch.zeros(1, 3, 18, 16))
