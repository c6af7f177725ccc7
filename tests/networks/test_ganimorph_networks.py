"""GANimorph's networks: counts, shapes, how far they see, what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.concatenating import ConcatBlock
from reskin.networks.dilated import DilatedDiscriminator
from reskin.networks.ganimorph import GanimorphGenerator
from reskin.networks.ganimorph_lite import LiteGenerator


def lite_disc(width: int = 32, **settings: str) -> DilatedDiscriminator:
    kind = {"norm": "instance"} | settings
    return DilatedDiscriminator(width, downsamplings=2, dilations=(2, 4), **kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (GanimorphGenerator, 53_017_728),
        (lambda: GanimorphGenerator(64, 1), 22_331_520),
        (DilatedDiscriminator, 16_798_208),
        (lambda: DilatedDiscriminator(32), 4_204_800),
        (LiteGenerator, 5_705_731),
        (lambda: LiteGenerator(norm="affine"), 5_707_648),
        (lambda: LiteGenerator(upsample="nearest"), 5_417_667),
        (lambda: LiteGenerator(upsample="bilinear"), 5_417_667),
        (lambda: LiteGenerator(32), 1_428_483),
        (lambda: LiteGenerator(layout="add"), 5_742_723),
        (lite_disc, 2_793_665),
        (lambda: lite_disc(norm="affine"), 2_794_752),
        (lambda: lite_disc(64), 11_157_889),
    ],
)
@pytest.mark.thinned(5, first=4)
def test_parameter_counts(build: Callable[[], nn.Module], wanted: int) -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build().parameters()) == wanted


def convolutions(network: nn.Module) -> int:
    return sum(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in network.modules())


def test_how_deep_they_are() -> None:
    assert convolutions(GanimorphGenerator(4, 1)) == 23
    assert convolutions(LiteGenerator(4)) == 14


@pytest.mark.parametrize("side", [128, 256, 720])
@pytest.mark.thinned(3)
def test_sizes(side: int) -> None:
    with torch.device("meta"):
        images = torch.zeros(1, 3, side, side)
        assert GanimorphGenerator()(images).shape == images.shape
        assert LiteGenerator()(images).shape == images.shape
        assert DilatedDiscriminator()(images)[0].shape == (1, 1, side // 8, side // 8)
        assert lite_disc()(images)[0].shape == (1, 1, side // 4, side // 4)


def without_norms(network: nn.Module) -> nn.Module:
    """Norms see the whole picture; without them and with positive weights nothing cancels."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm2d):
                setattr(module, name, nn.Identity())
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.01)
    return network


@pytest.mark.parametrize(("network", "field"), [(DilatedDiscriminator(2), 302), (lite_disc(2), 86)])
def test_a_logit_sees_as_far_as_the_sheet_says(network: DilatedDiscriminator, field: int) -> None:
    side = 400 if field > 100 else 128
    images = torch.ones(1, 3, side, side, requires_grad=True)
    logits, _ = without_norms(network)(images)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    seen = gradient[0, 0] != 0
    for dim in (0, 1):
        places = seen.any(dim=dim).nonzero().flatten()
        assert len(places) == field and places[0] > 0 and places[-1] < side - 1


def test_the_maps_are_those_of_feature_matching() -> None:
    _, maps = DilatedDiscriminator(4)(torch.rand(2, 3, 64, 64))
    assert [m.shape[1:] for m in maps] == [(16, 16, 16), *[(32, 8, 8)] * 6]
    assert all(m.min() == 0 for m in maps)  # each ends in a ReLU
    _, maps = lite_disc(4)(torch.rand(2, 3, 64, 64))
    assert [m.shape[1] for m in maps] == [16, 32, 32, 32, 32]


def test_ranges() -> None:
    images = torch.rand(2, 3, 32, 48)
    levels = GanimorphGenerator(4, 1)(images)
    assert levels.min() >= 0 and levels.max() <= 1 and levels.min() < 0.5 < levels.max()
    values = LiteGenerator(4)(images)
    assert values.min() < 0 < values.max() and values.abs().max() <= 1


def test_a_block_hands_its_input_to_its_last_convolution() -> None:
    block = ConcatBlock(3, 5, convs=2)
    features = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        middle = block.change(features)
        torch.testing.assert_close(block(features), block.join(torch.cat([middle, features], dim=1)))
        block.join[0].weight[:, :5] = 0  # nothing of what the first one made: the input alone is left
        kept = block(features)
        block.change[0][0].weight.zero_()
        torch.testing.assert_close(block(features), kept)


def test_resizing_leaves_a_flat_map_flat_and_transposing_does_not() -> None:
    flat = torch.ones(1, 8, 12, 12)
    torch.manual_seed(0)
    for upsample, is_flat in (("nearest", True), ("bilinear", True), ("transposed", False)):
        layer = LiteGenerator(4, upsample=upsample).up0[0][0]  # type: ignore[arg-type, index]
        inside = layer(flat)[..., 4:-4, 4:-4]
        assert (inside.std(dim=(2, 3)).max() < 1e-6) == is_flat, upsample


def test_every_part_of_the_picture_reaches_the_output() -> None:
    for network in (GanimorphGenerator(4, 1), LiteGenerator(4), LiteGenerator(4, layout="add")):
        images = torch.rand(1, 3, 32, 32, requires_grad=True)
        network(images).square().sum().backward()
        assert images.grad is not None and (images.grad != 0).float().mean() > 0.99


@pytest.mark.parametrize(
    ("build", "images", "said"),
    [
        (lambda: GanimorphGenerator(4, 1), (1, 3, 40, 32), "multiples of 16"),
        (lambda: GanimorphGenerator(4, 1), (1, 3, 16, 32), "at least 32"),
        (lambda: LiteGenerator(4), (1, 3, 20, 32), "multiples of 8"),
        (lambda: LiteGenerator(4), (1, 3, 8, 32), "at least 16"),
        (lambda: LiteGenerator(4), (1, 1, 32, 32), r"takes \(N, 3, H, W\)"),
        (lambda: DilatedDiscriminator(4), (1, 3, 8, 32), "at least 16"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(
    build: Callable[[], nn.Module], images: tuple[int, ...], said: str
) -> None:
    with pytest.raises(ShapeError, match=said):
        build()(torch.zeros(images))


def test_the_smallest_pictures() -> None:
    for network, side in ((GanimorphGenerator(4, 1), 32), (LiteGenerator(4), 16)):
        assert network(torch.rand(1, 3, side, side)).isfinite().all()
    for disc in (DilatedDiscriminator(4), lite_disc(4)):
        result: tuple[Tensor, list[Tensor]] = disc(torch.rand(1, 3, disc.smallest_size, disc.smallest_size))
        assert result[0].isfinite().all()


def test_unknown_names_are_refused() -> None:
    for settings in ({"upsample": "cubic"}, {"norm": "batch"}, {"layout": "other"}):
        with pytest.raises(SettingsError, match=r"unknown .* Known: "):
            LiteGenerator(4, **settings)  # type: ignore[arg-type]
