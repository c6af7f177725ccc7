"""The networks of DCGAN: sizes, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from tests.support.small import count
from torch import nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.dcgan import dcgan_discriminator, dcgan_generator


def test_the_networks_are_as_published() -> None:
    with torch.device("meta"):
        gen, disc = dcgan_generator(), dcgan_discriminator()
        assert (count(gen), count(disc)) == (3_576_704, 2_765_568)
        made = gen(torch.zeros(2, 100))
        assert made.shape == (2, 3, 64, 64) and disc(made).shape == (2, 1, 1, 1)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in gen.modules()) == 4
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in disc.modules()) == 3
    assert not any(layer.bias is not None for layer in gen.modules() if isinstance(layer, nn.ConvTranspose2d))


def test_pictures_are_in_range_and_differ_by_noise() -> None:
    torch.manual_seed(0)
    gen = dcgan_generator(2, 5).eval()
    for parameter in gen.parameters():
        nn.init.normal_(parameter)
    images = gen(torch.randn(2, 5))
    assert images.dtype == torch.float32 and images.abs().max() <= 1
    assert not images[0].equal(images[1])


def test_one_number_of_noise_reaches_every_pixel() -> None:
    gen = dcgan_generator(1, 1).eval()
    for parameter in gen.parameters():
        nn.init.constant_(parameter, 0.1)
    still, moved = gen(torch.ones(1, 1)), gen(torch.full((1, 1), 2.0))
    assert (still != moved).all()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"takes noise \(N, 5\), got \(2, 4\)"):
        dcgan_generator(1, 5)(torch.zeros(2, 4))
    for shape in ((1, 3, 128, 64), (1, 3, 32, 32), (1, 1, 64, 64)):
        with pytest.raises(ShapeError):
            dcgan_discriminator(1)(torch.zeros(shape))


def test_wrong_sizes_are_refused() -> None:
    for make in (lambda: dcgan_generator(0), lambda: dcgan_generator(4, 0), lambda: dcgan_discriminator(0)):
        with pytest.raises(SettingsError, match="at least 1"):
            make()
