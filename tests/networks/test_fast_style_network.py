"""The network of fast style transfer: its size, its edges, and both of its layouts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.support.small import count
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.fast_style import CutTransposed2d, EdgeConv2d, FastStyleNetwork, fast_style_network

TENSORFLOW = {"layout": "tensorflow", "upsample": "transposed", "output": "tanh"}


def test_the_parameter_counts_are_those_of_the_sheet() -> None:
    with torch.device("meta"):
        assert count(fast_style_network()) == 1_679_235
        assert count(fast_style_network(upsample="transposed")) == 1_679_235
        # Without the biases of 15 convolutions, with a norm of three channels at the end.
        without = 32 + 64 + 128 + 10 * 128 + 64 + 32 + 3
        assert count(fast_style_network(**TENSORFLOW)) == 1_679_235 - without + 6 == 1_677_638


@pytest.mark.parametrize(
    "settings",
    [{}, {"upsample": "bilinear"}, {"upsample": "transposed"}, TENSORFLOW, {"layout": "tensorflow"}],
    ids=str,
)
@pytest.mark.parametrize("size", [(8, 8), (32, 36), (128, 128)], ids=str)
@pytest.mark.thinned(3)
def test_the_size_stays(settings: dict[str, str], size: tuple[int, int]) -> None:
    painted = fast_style_network(2, 1, **settings)(torch.rand(2, 3, *size) * 255)
    assert painted.shape == (2, 3, *size) and painted.dtype == torch.float32


def test_full_size_at_256_on_no_memory() -> None:
    with torch.device("meta"):
        network, images = fast_style_network(), torch.zeros(1, 3, 256, 256)
        assert network.stem(images).shape == (1, 32, 256, 256)
        assert network.down(network.stem(images)).shape == (1, 128, 64, 64)
        assert network(images).shape == images.shape


@pytest.mark.parametrize("shape", [(1, 3, 30, 32), (1, 3, 4, 32), (1, 1, 32, 32), (3, 32, 32)], ids=str)
def test_a_size_it_cannot_take_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        fast_style_network(2, 1)(torch.zeros(shape))


@pytest.mark.parametrize(
    "settings",
    [{"width": 0}, {"blocks": 0}, {"layout": "caffe"}, {"output": "relu"}, {"upsample": "cubic"}],
    ids=str,
)
def test_what_cannot_be_built_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        fast_style_network(**settings)


def one_tap(convolution: nn.Module, row: int, column: int) -> None:
    """Let the kernel of one channel pick a single place."""
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.zero_()
        convolution.weight[0, 0, row, column] = 1


def test_tensorflow_halves_with_the_missing_pixel_right_and_below() -> None:
    convolution, picture = EdgeConv2d(1, 1, 3, stride=2, layout="tensorflow"), torch.arange(1.0, 17.0)
    for tap, expected in (((0, 0), [1, 3, 9, 11]), ((1, 1), [6, 8, 14, 16]), ((2, 2), [11, 0, 0, 0])):
        one_tap(convolution, *tap)
        assert convolution(picture.view(1, 1, 4, 4)).flatten().tolist() == expected


def test_the_pytorch_form_halves_with_mirrored_edges_on_all_sides() -> None:
    convolution, picture = EdgeConv2d(1, 1, 3, stride=2, layout="pytorch"), torch.arange(1.0, 17.0)
    for tap, expected in (((0, 0), [6, 6, 6, 6]), ((1, 1), [1, 3, 9, 11]), ((2, 2), [6, 8, 14, 16])):
        one_tap(convolution, *tap)
        assert convolution(picture.view(1, 1, 4, 4)).flatten().tolist() == expected


def test_doubling_is_the_reverse_of_halving() -> None:
    """<halved x, y> = <x, doubled y> where both have the same kernel: that is what makes it its transpose."""
    halving, doubling = EdgeConv2d(2, 3, 3, stride=2, layout="tensorflow"), CutTransposed2d(3, 2)
    doubling.weight = halving.weight
    x, y = torch.randn(1, 2, 6, 8), torch.randn(1, 3, 3, 4)
    assert doubling(y).shape == x.shape
    torch.testing.assert_close((halving(x) * y).sum(), (x * doubling(y)).sum())


def reference(network: FastStyleNetwork, images: Tensor) -> Tensor:
    """The common PyTorch form, written out with functions."""
    state = network.state_dict()

    def layer(x: Tensor, convolution: str, norm: str | None, stride: int = 1) -> Tensor:
        weight, bias = state[f"{convolution}.weight"], state[f"{convolution}.bias"]
        margin = weight.shape[-1] // 2
        x = F.conv2d(F.pad(x, (margin,) * 4, mode="reflect"), weight, bias, stride=stride)
        if norm is None:
            return x
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), unbiased=False, keepdim=True)
        scale, shift = (state[f"{norm}.{kind}"].view(1, -1, 1, 1) for kind in ("weight", "bias"))
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = layer(images, "stem.0", "stem.1").relu()
    x = layer(x, "down.0", "down.1", stride=2).relu()
    x = layer(x, "down.3", "down.4", stride=2).relu()
    for block in range(len(network.blocks)):
        change = layer(x, f"blocks.{block}.conv1", f"blocks.{block}.norm1").relu()
        x = x + layer(change, f"blocks.{block}.conv2", f"blocks.{block}.norm2")
    for place in (0, 3):
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = layer(x, f"up.{place}", f"up.{place + 1}").relu()
    return layer(x, "head.0", None)


def test_it_computes_what_the_layers_of_the_sheet_compute() -> None:
    network = fast_style_network(4, 2).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.1, 0.5)  # scales and shifts of the norms too
    images = torch.rand(2, 3, 16, 20) * 255
    with torch.no_grad():
        expected, painted = reference(network, images), network(images)
    torch.testing.assert_close(painted, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_tanh_stays_within_its_bounds_and_is_computed_in_float32() -> None:
    network = fast_style_network(4, 1, output="tanh")
    nn.init.normal_(network.head[0].weight, 0, 10)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        painted = network(torch.rand(1, 3, 32, 32) * 255)
    assert painted.dtype == torch.float32
    assert painted.min() >= 127.5 - 150 and painted.max() <= 127.5 + 150
    assert painted.min() < 0 and painted.max() > 255


def test_mirrored_edges_leave_no_border_and_zeros_do() -> None:
    flat = torch.full((1, 3, 32, 32), 100.0)
    with torch.no_grad():
        assert fast_style_network(4, 1).stem[0](flat).std(dim=(2, 3)).max() < 1e-4
        assert fast_style_network(4, 1, **TENSORFLOW).stem[0](flat).std(dim=(2, 3)).max() > 1
