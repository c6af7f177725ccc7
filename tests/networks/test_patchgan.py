"""Discriminators: published sizes and what one logit sees."""

from __future__ import annotations

import pytest
import torch
from tests.support.small import count
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.pixelgan import pixel_discriminator

PUBLISHED = [
    # layers, receptive field, parameters, logits a side at 256 px, at 128 px
    (1, 16, 136_385, 126, 62),
    (2, 34, 662_977, 62, 30),
    (3, 70, 2_764_737, 30, 14),
    (4, 142, 6_959_553, 14, 6),
    (5, 286, 11_154_369, 6, 2),
    (6, 574, 15_349_185, 2, 0),
]


def seen_by_one_logit(network: nn.Module, side: int) -> Tensor:
    """Which rows of a picture the logit in the middle depends on, with the norms taken out."""
    layers = nn.Sequential(
        *(nn.Identity() if isinstance(layer, nn.InstanceNorm2d) else layer for layer in network.layers)
    )
    for parameter in layers.parameters():  # Only positive weights: no two paths can cancel.
        nn.init.constant_(parameter, 0.1)
    image = torch.ones(1, 1, side, side, requires_grad=True)
    logits = layers(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert image.grad is not None
    return image.grad[0, 0] != 0


@pytest.mark.parametrize(("layers", "field", "parameters", "at_256", "at_128"), PUBLISHED)
@pytest.mark.thinned(3, first=2)
def test_patchgan_is_as_published(layers: int, field: int, parameters: int, at_256: int, at_128: int) -> None:
    with torch.device("meta"):
        network = patch_discriminator(64, layers)
        assert count(network) == parameters
        assert network(torch.zeros(2, 3, 256, 256)).shape == (2, 1, at_256, at_256)
        if at_128:
            assert network(torch.zeros(1, 3, 128, 128)).shape == (1, 1, at_128, at_128)


@pytest.mark.parametrize(("layers", "field"), [row[:2] for row in PUBLISHED])
@pytest.mark.thinned(3)
def test_one_logit_sees_exactly_its_patch(layers: int, field: int) -> None:
    side = 3 * field if layers < 5 else field + 2**layers * 4
    seen = seen_by_one_logit(patch_discriminator(1, layers, in_channels=1), side)
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert (len(rows), len(columns)) == (field, field)
    assert seen.sum() == field * field  # one full square, no holes


def test_one_pixel_logit_sees_one_pixel() -> None:
    assert seen_by_one_logit(pixel_discriminator(2, in_channels=1), 9).sum() == 1


def test_batch_norm_and_pairs_have_the_published_sizes() -> None:
    with torch.device("meta"):
        assert count(patch_discriminator(norm="batch")) == 2_765_633
        assert count(patch_discriminator(in_channels=6)) == 2_767_809
        assert count(patch_discriminator(in_channels=6, norm="batch")) == 2_768_705
        assert len(patch_discriminator().state_dict()) == 10
        assert len(patch_discriminator(norm="batch").state_dict()) == 22
        assert count(pixel_discriminator()) == 8_705
        assert count(pixel_discriminator(norm="batch")) == 8_832


def test_logits_are_raw_and_every_weight_learns() -> None:
    network = patch_discriminator(4, 2)
    nn.init.constant_(network.layers[-1].bias, 7.0)
    logits = network(torch.randn(1, 3, 32, 40))
    assert logits.shape == (1, 1, 6, 8)
    assert logits.mean() > 3
    logits.square().mean().backward()
    assert all(p.grad.abs().max() > 0 for n, p in network.named_parameters() if n.endswith("weight"))


@pytest.mark.parametrize("layers", range(1, 7))
def test_the_smallest_size_leaves_one_logit(layers: int) -> None:
    network = patch_discriminator(1, layers)
    side = network.smallest_size
    assert network(torch.zeros(1, 3, side, side)).shape == (1, 1, 1, 1)
    with pytest.raises(ShapeError, match=f"at least {side}"):
        network(torch.zeros(1, 3, side, side - 1))


def test_wrong_settings_and_input_are_refused() -> None:
    for layers in (0, 7):
        with pytest.raises(SettingsError, match="1 to 6"):
            patch_discriminator(4, layers)
    with pytest.raises(SettingsError, match="width"):
        pixel_discriminator(0)
    with pytest.raises(SettingsError, match="norm"):
        patch_discriminator(4, norm="layer")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="takes"):
        patch_discriminator(4)(torch.zeros(1, 6, 64, 64))
