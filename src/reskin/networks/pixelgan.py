"""PixelGAN: a discriminator of single pixels.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
https://arxiv.org/abs/1611.07004, section 4.4.
"""

from __future__ import annotations

from torch import nn

from reskin.errors import SettingsError
from reskin.networks.blocks import Norm, needs_bias, norm_layer
from reskin.networks.patchgan import Discriminator


def pixel_discriminator(width: int = 64, *, in_channels: int = 3, norm: Norm = "instance") -> Discriminator:
    """PixelGAN: judges every pixel by its colour alone.

    Args:
        width: channels after the first layer.
        in_channels: channels of the pictures.
        norm: "instance" or "batch".

    Raises:
        SettingsError: `width` is below 1 or `norm` is unknown.

    >>> import torch
    >>> pixel_discriminator(4)(torch.zeros(1, 3, 8, 9)).shape
    torch.Size([1, 1, 8, 9])
    """
    if width < 1:
        raise SettingsError(f"a discriminator of width {width}", "Use a width of at least 1.")
    bias = needs_bias(norm)
    chain: list[nn.Module] = [
        nn.Conv2d(in_channels, width, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 1, bias=bias),
        norm_layer(norm, 2 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, 1, bias=bias),
    ]
    return Discriminator(chain, in_channels=in_channels, smallest_size=2)
