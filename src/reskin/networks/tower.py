"""The discriminator of AttentionGAN's first version, which judges a whole picture."""

from __future__ import annotations

from torch import nn

from reskin.errors import SettingsError
from reskin.networks.blocks import Norm, norm_layer
from reskin.networks.patchgan import Discriminator


def tower_discriminator(width: int = 64, layers: int = 4, *, norm: Norm = "batch") -> Discriminator:
    """The discriminator of AttentionGAN's first version: one logit for a whole picture.

    4x4 convolutions of stride 2 without padding, one of stride 1, the mean over all positions and a 1x1
    convolution. Its convolutions have a bias before a norm too.

    Args:
        width: channels after the first layer; later ones have 2, 4 and then 8 times as many.
        layers: downsamplings.
        norm: "batch" is the published one.

    Raises:
        SettingsError: `layers` is not 1 to 6, `width` is below 1, or `norm` is unknown.

    >>> import torch
    >>> with torch.device("meta"):  # no memory is taken, nothing is computed
    ...     network = tower_discriminator()
    >>> network(torch.zeros(1, 3, 256, 256, device="meta")).shape
    torch.Size([1, 1, 1, 1])
    >>> sum(p.numel() for p in network.parameters())
    6953793
    """
    if not 1 <= layers <= 6 or width < 1:
        raise SettingsError(f"a discriminator of width {width} with {layers} layers", "Use 1 to 6 layers.")
    chain: list[nn.Module] = []
    now, smallest = 3, 4
    for layer in range(layers):
        wider = width * min(2**layer, 8)
        chain += [nn.Conv2d(now, wider, 4, stride=2), norm_layer(norm, wider)]
        chain.append(nn.LeakyReLU(0.01, inplace=True))
        now, smallest = wider, 2 * smallest + 2
    chain += [nn.Conv2d(now, now, 4), nn.LeakyReLU(0.01, inplace=True)]
    chain += [nn.AdaptiveAvgPool2d(1), nn.Conv2d(now, 1, 1)]
    return Discriminator(chain, in_channels=3, smallest_size=smallest)
