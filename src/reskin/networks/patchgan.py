"""Discriminators that judge overlapping patches of a picture instead of the whole.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
https://arxiv.org/abs/1611.07004.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import Norm, check_input, needs_bias, norm_layer


class Discriminator(nn.Module):
    """A chain of convolutions that ends in one raw logit per patch (no sigmoid).

    Args:
        layers: the chain, from `in_channels` channels to one.
        in_channels: channels of the pictures.
        smallest_size: the least height and width that leave at least one logit, in pixels.
    """

    def __init__(self, layers: list[nn.Module], *, in_channels: int, smallest_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.in_channels, self.smallest_size = in_channels, smallest_size

    def forward(self, images: Tensor) -> Tensor:
        """Judge a batch; higher means "looks real".

        Args:
            images: (N, in_channels, H, W) in [-1, 1].

        Returns:
            (N, 1, h, w) logits, one for each patch.

        Raises:
            ShapeError: another number of channels, or a height or width below `smallest_size`.
        """
        check_input(images, channels=self.in_channels, multiple=1, smallest=self.smallest_size)
        return self.layers(images)


def patch_discriminator(
    width: int = 64,
    layers: int = 3,
    *,
    in_channels: int = 3,
    norm: Norm = "instance",
    shrink: Callable[[], nn.Module] | None = None,
) -> Discriminator:
    """PatchGAN: each logit sees a square of 16, 34, 70, 142, 286 or 574 px for 1 to 6 `layers`.

    A square picture of s px gives s // 2**layers - 2 logits in height and width.

    Args:
        width: channels after the first layer; later ones have 2, 4 and then 8 times as many.
        layers: convolutions that halve the size, 1 to 6; 3 is the 70 px one of CycleGAN and pix2pix.
        in_channels: channels of the pictures (6 for a pair that is judged together).
        norm: "instance" is CycleGAN's, "batch" is pix2pix's.
        shrink: makes the layer that halves the size after each activation, instead of the convolution, such
            as CUT's `BlurDownsample`; as many weights and logits, and each logit sees a little more of the
            picture.

    Raises:
        SettingsError: `layers` is not 1 to 6, `width` is below 1, or `norm` is unknown.

    >>> import torch
    >>> with torch.device("meta"):  # no memory is taken, nothing is computed
    ...     network = patch_discriminator()
    >>> network(torch.zeros(1, 3, 256, 256, device="meta")).shape
    torch.Size([1, 1, 30, 30])
    >>> sum(p.numel() for p in network.parameters())
    2764737
    """
    if not 1 <= layers <= 6 or width < 1:
        raise SettingsError(f"a discriminator of width {width} with {layers} layers", "Use 1 to 6 layers.")
    bias = needs_bias(norm)
    stride, halving = (1, [shrink()]) if shrink else (2, [])
    chain: list[nn.Module] = [
        nn.Conv2d(in_channels, width, 4, stride=stride, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        *halving,
    ]
    now = width
    for layer in range(1, layers + 1):
        wider = width * min(2**layer, 8)
        is_last = layer == layers  # the last one keeps the size
        chain.append(nn.Conv2d(now, wider, 4, stride=1 if is_last else stride, padding=1, bias=bias))
        chain += [norm_layer(norm, wider), nn.LeakyReLU(0.2, inplace=True)]
        chain += [] if is_last else halving
        now = wider
    chain.append(nn.Conv2d(now, 1, 4, padding=1))
    return Discriminator(chain, in_channels=in_channels, smallest_size=3 * 2**layers)
