"""UNIT's networks: published sizes and shapes."""

from __future__ import annotations

import pytest
import torch
from tests.support.small import count
from torch import nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.shared_latent import (
    DownsamplingDiscriminator,
    LatentBlock,
    PrivateDecoder,
    PrivateEncoder,
)


def test_every_part_has_the_published_size() -> None:
    with torch.device("meta"):
        assert count(PrivateEncoder()) == 3_918_976
        assert count(PrivateDecoder()) == 3_909_507
        assert count(LatentBlock(256)) == 1_180_160
        assert count(DownsamplingDiscriminator()) == 25_149_057


def test_codes_pictures_and_logits_have_the_published_shapes() -> None:
    with torch.device("meta"):
        images = torch.zeros(2, 3, 256, 256)
        code = LatentBlock(256)(PrivateEncoder()(images))
        assert code.shape == (2, 256, 64, 64)
        assert PrivateDecoder()(code).shape == images.shape
        assert [logits.shape for logits in DownsamplingDiscriminator()(images)] == [(2, 1, 4, 4)]


def test_beyond_the_edges_lie_zeros() -> None:
    encoder, image = PrivateEncoder(1, 0), torch.rand(1, 3, 16, 16)
    with_zeros = nn.functional.pad(image, (3, 3, 3, 3))
    first = encoder.layers[0]
    torch.testing.assert_close(first(image), nn.functional.conv2d(with_zeros, first.weight, first.bias))
    assert isinstance(encoder.layers[1], nn.LeakyReLU) and encoder.layers[1].negative_slope == 0.01


def test_a_block_adds_to_its_input() -> None:
    block, features = LatentBlock(3), torch.randn(2, 3, 6, 6)
    change = block(features) - features
    torch.testing.assert_close(change.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    nn.init.zeros_(block.change[3].weight)
    torch.testing.assert_close(block(features), features)


def test_a_discriminator_judges_small_and_odd_pictures() -> None:
    disc = DownsamplingDiscriminator(1)
    assert disc(torch.zeros(1, 3, 32, 32))[0].shape == (1, 1, 1, 1)
    assert disc(torch.zeros(1, 3, 130, 65))[0].shape == (1, 1, 3, 2)


def test_wrong_settings_and_pictures_are_refused() -> None:
    for build in (
        lambda: PrivateEncoder(0),
        lambda: PrivateDecoder(4, -1),
        lambda: DownsamplingDiscriminator(4, 0),
    ):
        with pytest.raises(SettingsError, match="at least 1"):
            build()
    with pytest.raises(ShapeError, match="multiples of 4"):
        PrivateEncoder(2, 1)(torch.zeros(1, 3, 30, 32))
    with pytest.raises(ShapeError, match="takes"):
        DownsamplingDiscriminator(2)(torch.zeros(1, 1, 32, 32))
