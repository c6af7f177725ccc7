"""Generators: published parameter counts, shapes, errors, and what the layers do."""

from __future__ import annotations

import pytest
import torch
from tests.support.small import count
from torch import nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.blocks import MirroredConv2d, bounded, norm_layer, upsampling
from reskin.networks.init import initialise
from reskin.networks.residual import ResidualBlock
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.unet import UnetGenerator


def without_memory(make, *args, **settings) -> nn.Module:
    with torch.device("meta"):
        return make(*args, **settings)


@pytest.mark.parametrize(
    ("blocks", "settings", "parameters", "keys"),
    [
        (9, {}, 11_378_179, 48),
        (9, {"norm": "batch"}, 11_383_427, 140),
        (9, {"upsample": "nearest"}, 11_378_179, 48),
        (9, {"upsample": "bilinear", "has_dropout": True}, 11_378_179, 48),
        (6, {}, 7_837_699, 36),
        (6, {"norm": "batch"}, 7_841_411, 104),
    ],
)
def test_resnet_has_the_published_size(blocks: int, settings: dict, parameters: int, keys: int) -> None:
    network = without_memory(ResnetGenerator, 64, blocks, **settings)
    assert (count(network), len(network.state_dict())) == (parameters, keys)


@pytest.mark.parametrize(
    ("downsamplings", "settings", "parameters"),
    [
        (8, {"norm": "batch"}, 54_413_955),
        (8, {}, 54_409_603),
        (7, {"norm": "batch"}, 41_828_995),
        (7, {}, 41_825_667),
        (8, {"norm": "batch", "channels": (6, 3)}, 54_417_027),
        (8, {"channels": (6, 3)}, 54_412_675),
        (7, {"channels": (6, 3)}, 41_828_739),
    ],
)
def test_unet_has_the_published_size(downsamplings: int, settings: dict, parameters: int) -> None:
    assert count(without_memory(UnetGenerator, 64, downsamplings, **settings)) == parameters


def test_unet_saves_as_many_tensors_as_published() -> None:
    assert len(without_memory(UnetGenerator, norm="batch").state_dict()) == 82
    assert len(without_memory(UnetGenerator).state_dict()) == 32


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("side", [128, 256])
@pytest.mark.thinned(2, first=1)
def test_generators_keep_the_size_and_every_weight_learns(norm: str, side: int) -> None:
    for network in (ResnetGenerator(2, 1, norm=norm), UnetGenerator(2, 7 if side == 128 else 8, norm=norm)):
        images = torch.rand(1, 3, side, side) * 2 - 1
        made = network(images)
        assert made.shape == images.shape
        assert made.dtype == torch.float32
        assert made.abs().max() <= 1
        made.square().mean().backward()
        weights = [p for name, p in network.named_parameters() if name.endswith("weight")]
        assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in weights)


def test_channels_may_differ_between_input_and_output() -> None:
    images = torch.rand(2, 1, 32, 48)
    assert ResnetGenerator(2, 1, channels=(1, 4))(images).shape == (2, 4, 32, 48)
    assert UnetGenerator(2, 4, channels=(1, 4))(images).shape == (2, 4, 32, 48)


@pytest.mark.parametrize("size", [(30, 32), (32, 31), (33, 33)])
def test_odd_sizes_are_refused_with_the_multiple_that_is_needed(size: tuple[int, int]) -> None:
    images = torch.zeros(1, 3, *size)
    with pytest.raises(ShapeError, match="multiples of 4"):
        ResnetGenerator(2, 1)(images)
    with pytest.raises(ShapeError, match="multiples of 16"):
        UnetGenerator(2, 4)(images)


def test_wrong_input_is_refused() -> None:
    network = ResnetGenerator(2, 1)
    assert network.size_multiple == 4
    assert UnetGenerator(2, 5).size_multiple == 32
    for wrong in (torch.zeros(1, 4, 16, 16), torch.zeros(3, 16, 16)):
        with pytest.raises(ShapeError, match="takes"):
            network(wrong)
    with pytest.raises(ShapeError, match="at least 8"):
        network(torch.zeros(1, 3, 4, 4))
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="width"):
        ResnetGenerator(0)
    with pytest.raises(SettingsError, match="downsamplings"):
        UnetGenerator(4, 1)
    with pytest.raises(SettingsError, match="norm"):
        norm_layer("layer", 3)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="upsample"):
        upsampling("cubic", 3, 3)  # type: ignore[arg-type]


def test_resnet_layers_are_in_the_papers_order() -> None:
    network = ResnetGenerator(4, 1)
    x = torch.randn(2, 3, 16, 20)
    state = network.state_dict()

    def conv(x: torch.Tensor, name: str, pad: int) -> torch.Tensor:
        padded = nn.functional.pad(x, (pad,) * 4, mode="reflect")
        return nn.functional.conv2d(padded, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(x: torch.Tensor) -> torch.Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / (variance + 1e-5).sqrt()

    y = norm(conv(x, "stem.0", 3)).relu()
    for i in (0, 3):
        weight, bias = state[f"down.{i}.weight"], state[f"down.{i}.bias"]
        y = norm(nn.functional.conv2d(y, weight, bias, stride=2, padding=1)).relu()
    y = y + norm(conv(norm(conv(y, "blocks.0.conv1", 1)).relu(), "blocks.0.conv2", 1))
    for i in (0, 3):
        weight, bias = state[f"up.{i}.weight"], state[f"up.{i}.bias"]
        y = norm(nn.functional.conv_transpose2d(y, weight, bias, 2, 1, 1)).relu()
    torch.testing.assert_close(network(x), conv(y, "head", 3).tanh(), rtol=1e-4, atol=1e-5)


def test_dropout_acts_only_in_training() -> None:
    for network in (ResnetGenerator(4, 1, has_dropout=True), UnetGenerator(4, 6, has_dropout=True)):
        x = torch.randn(1, 3, 64, 64)
        assert not network(x).equal(network(x))
        network.eval()
        assert network(x).equal(network(x))


def test_unet_drops_out_in_the_levels_next_to_the_innermost() -> None:
    network = without_memory(UnetGenerator, 4, 8, has_dropout=True)
    dropping = [level for level, layers in enumerate(network.up) if isinstance(layers[-1], nn.Dropout)]
    assert dropping == [4, 5, 6]


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
def test_resize_convolution_leaves_a_constant_map_constant(kind: str) -> None:
    made = upsampling(kind, 3, 2)(torch.ones(1, 3, 8, 8))  # type: ignore[arg-type]
    assert (made.amax((2, 3)) - made.amin((2, 3))).max() < 1e-6


def test_transposed_convolution_makes_a_pattern_of_period_two() -> None:
    made = upsampling("transposed", 3, 2)(torch.ones(1, 3, 8, 8))[:, :, 4:12, 4:12]
    assert made.std() > 0.01
    torch.testing.assert_close(made[:, :, 2:, 2:], made[:, :, :-2, :-2])


def test_mirrored_convolution_is_the_same_under_autocast_with_padding_left_in_bf16() -> None:
    layer, x = MirroredConv2d(4, 4, 3).bfloat16(), torch.randn(1, 4, 8, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer(x)
    assert inside.equal(layer(x))


def test_output_is_bounded_in_float32_even_in_bf16() -> None:
    network, x = ResnetGenerator(4, 1), torch.randn(1, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = network(x)
    assert made.dtype == torch.float32
    assert (made - network(x)).abs().mean() < 0.05
    logit = torch.tensor([1.5], dtype=torch.bfloat16)
    assert bounded(logit).item() == pytest.approx(0.9051482, abs=1e-6)


def test_residual_block_adds_nothing_after_the_sum() -> None:
    block = ResidualBlock(4, norm="batch", has_dropout=False)
    nn.init.zeros_(block.norm2.weight)
    x = torch.randn(1, 4, 8, 8)
    assert block(x).equal(x)


def test_same_seed_same_weights_same_picture() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        network = ResnetGenerator(4, 1, norm="batch")
        initialise(network)
        made.append(network(torch.ones(1, 3, 16, 16)))
    assert made[0].equal(made[1])
