"""MUNIT's networks and its discriminator: published sizes, shapes, and what reaches what."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from tests.support.drawn_vgg import drawn_vgg
from tests.support.small import count
from torch import nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.invariant_features import InvariantFeatures
from reskin.networks.multiscale import MultiscaleDiscriminator
from reskin.networks.munit import ContentEncoder, MirroredDownsampling
from reskin.networks.shared_latent import Decoder
from reskin.networks.style_code import StyledDecoder, StyleEncoder
from reskin.networks.vgg import read_vgg


def test_every_part_has_the_published_size() -> None:
    with torch.device("meta"):
        parts = StyleEncoder(), ContentEncoder(), StyledDecoder()
        style, content, decoder = (count(part) for part in parts)
        assert (style, content) == (2_764_936, 5_385_856)
        assert count(parts[2].mlp) == 1_120_768
        assert decoder - count(parts[2].mlp) == 5_754_627 == count(Decoder())
        assert style + content + decoder == 15_026_187
        assert parts[2].mlp[-1].out_features == 8 * 2 * 256


def test_codes_and_pictures_have_the_published_shapes() -> None:
    with torch.device("meta"):
        images = torch.zeros(2, 3, 256, 256)
        content, style = ContentEncoder()(images), StyleEncoder()(images)
        assert content.shape == (2, 256, 64, 64) and style.shape == (2, 8)
        assert StyledDecoder()(content, style).shape == Decoder()(content).shape == images.shape


def test_odd_multiples_of_four_come_back_in_their_size() -> None:
    images = torch.rand(1, 3, 36, 44) * 2 - 1
    content, style = ContentEncoder(2, 1)(images), StyleEncoder(2, 3)(images)
    assert content.shape == (1, 8, 9, 11)
    drawn = StyledDecoder(2, 1, style_size=3, mlp_width=4)(content, style)
    assert drawn.shape == images.shape and drawn.abs().max() <= 1


def test_the_first_half_of_adains_numbers_are_shifts() -> None:
    """The last layer of the MLP is set by hand: shift 10 and scale 2 in every norm of every block."""
    decoder = StyledDecoder(1, 2, style_size=3, mlp_width=4)
    numbers = torch.tensor([10.0, 2.0]).repeat_interleave(4).repeat(2 * 2)  # 4 shifts, 4 scales, and so on
    nn.init.zeros_(decoder.mlp[-1].weight)
    decoder.mlp[-1].bias.data.copy_(numbers)
    seen = []
    decoder.enlarger.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    content = torch.randn(1, 4, 8, 8)
    decoder(content, torch.randn(1, 3))
    change = (seen[0] - content).mean((2, 3))
    torch.testing.assert_close(change, torch.full((1, 4), 20.0))  # two blocks, each shifts by 10


def test_a_style_changes_the_picture_and_the_same_style_gives_the_same() -> None:
    torch.manual_seed(0)
    decoder, content = StyledDecoder(4, 2), torch.randn(1, 16, 8, 8).expand(3, -1, -1, -1)
    style = torch.randn(1, 8)
    one, again, other = decoder(content, torch.cat([style, style, -style]))
    torch.testing.assert_close(one, again)
    assert (one - other).abs().mean() > 0.01


def test_content_forgets_brightness_and_style_does_not() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 32, 32) - 0.5
    inner = (..., slice(3, -3), slice(3, -3))
    content = ContentEncoder(4, 1)
    torch.testing.assert_close(
        content(images)[inner], content(1.5 * images + 0.2)[inner], atol=1e-3, rtol=1e-3
    )
    style = StyleEncoder(4, 8)
    assert (style(images) - style(1.5 * images + 0.2)).abs().max() > 1e-3
    assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in style.modules())


def test_a_halving_mirrors_its_edges() -> None:
    layer = MirroredDownsampling(1, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    halved = layer(torch.arange(4.0).view(1, 1, 1, 4).expand(1, 1, 4, 4))
    assert halved[0, 0, 0].tolist() == [4.0 * (1 + 0 + 1 + 2), 4.0 * (1 + 2 + 3 + 2)]


def test_the_discriminator_is_as_published() -> None:
    with torch.device("meta"):
        disc = MultiscaleDiscriminator()
        assert count(disc) == 8_271_171
        assert [count(scale) for scale in disc.scales] == [2_757_057] * 3
        judged = disc(torch.zeros(2, 3, 256, 256))
        assert [tuple(logits.shape) for logits in judged] == [(2, 1, 16, 16), (2, 1, 8, 8), (2, 1, 4, 4)]


def test_one_logit_sees_46_pixels() -> None:
    disc = MultiscaleDiscriminator(1, 4, 1)
    for parameter in disc.parameters():  # only positive weights: no two paths can cancel
        nn.init.constant_(parameter, 0.1)
    image = torch.ones(1, 3, 256, 256, requires_grad=True)
    disc(image)[0][0, 0, 8, 8].backward()
    assert image.grad is not None
    seen = image.grad[0, 0] != 0
    assert seen.any(0).sum() == seen.any(1).sum() == 46 and seen.sum() == 46 * 46


def test_each_scale_judges_the_half_of_the_one_before() -> None:
    disc = MultiscaleDiscriminator(2, 1, 3)
    seen = [None, None, None]
    for number, scale in enumerate(disc.scales):
        scale.register_forward_hook(lambda _, inputs, __, number=number: seen.__setitem__(number, inputs[0]))
    image = torch.rand(1, 3, 16, 16)
    disc(image)
    assert [tuple(part.shape[-2:]) for part in seen] == [(16, 16), (8, 8), (4, 4)]
    # Around (2, 2), 3x3 pixels; in the corner only the four that exist.
    torch.testing.assert_close(seen[1][0, 0, 1, 1], image[0, 0, 1:4, 1:4].mean())
    torch.testing.assert_close(seen[1][0, 0, 0, 0], image[0, 0, :2, :2].mean())


def test_wrong_settings_and_pictures_are_refused() -> None:
    for build in (
        lambda: ContentEncoder(0),
        lambda: StyleEncoder(4, 0),
        lambda: StyledDecoder(4, 0),
        lambda: MultiscaleDiscriminator(4, 4, 0),
    ):
        with pytest.raises(SettingsError, match="at least 1"):
            build()
    with pytest.raises(ShapeError, match="multiples of 4"):
        ContentEncoder(2, 1)(torch.zeros(1, 3, 30, 32))
    with pytest.raises(ShapeError, match="at least 16"):
        StyleEncoder(2)(torch.zeros(1, 3, 12, 32))
    with pytest.raises(ShapeError, match="at least 64"):
        MultiscaleDiscriminator(2)(torch.zeros(1, 3, 32, 64))
    MultiscaleDiscriminator(2)(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ShapeError, match="as many of each"):
        StyledDecoder(2, 1)(torch.zeros(2, 8, 8, 8), torch.zeros(1, 8))


def test_features_of_the_paper_are_relu4_3_without_mean_and_spread() -> None:
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    plain = read_vgg(drawn_vgg(), ["relu4_3"])(images)["relu4_3"].double()
    spread, mean = torch.var_mean(plain, dim=(2, 3), correction=0, keepdim=True)
    expected = (plain - mean) / (spread + 1e-5).sqrt()
    torch.testing.assert_close(
        InvariantFeatures(partial(read_vgg, drawn_vgg()))(images).double(), expected, atol=1e-5, rtol=1e-4
    )


def test_features_of_the_code_leave_out_the_pool_before_block_five() -> None:
    vgg = read_vgg(drawn_vgg(), ["relu5_3"])
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    features = read_vgg(drawn_vgg(), ["relu4_3"])(images)["relu4_3"]
    for place in (1, 2, 3):
        features = vgg.convolutions[f"conv5_{place}"](features).relu()
    found = InvariantFeatures(partial(read_vgg, drawn_vgg()), "relu5_3")(images)
    assert found.shape[-2:] == (8, 8)
    torch.testing.assert_close(found, nn.functional.instance_norm(features))


def test_features_are_frozen_but_let_gradients_through() -> None:
    network, images = (
        InvariantFeatures(partial(read_vgg, drawn_vgg()), "relu5_3"),
        torch.rand(1, 3, 32, 32, requires_grad=True),
    )
    network(images).square().mul(torch.rand(4, 4)).sum().backward()
    assert images.grad is not None and images.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with pytest.raises(ShapeError, match="at least 16"):
        network(torch.zeros(1, 3, 8, 8))
