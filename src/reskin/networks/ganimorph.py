"""GANimorph's networks: blocks that concatenate, and discriminators that see far by dilation.

Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1808.04325; and a reduced form of both for little data and one GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import ResizeConv2d, Upsample, bounded, check_input
from reskin.networks.normalization import InstanceNorm2d
from reskin.precision import at_least_float32

InstanceNorm = Literal["instance", "affine"]
"""Instance norm without parameters after biased convolutions, or with scale and shift after unbiased ones."""

Layout = Literal["concatenate", "add"]
"""Where the reduced generator has its blocks and how its skip joins; the two known readings of its design."""


def normed(convolution: nn.Module, channels: int, norm: InstanceNorm) -> nn.Sequential:
    """A convolution, its instance norm over `channels` and a ReLU.

    Raises:
        SettingsError: `norm` is not a known one.
    """
    return nn.Sequential(
        convolution, InstanceNorm2d(channels, affine=not _has_bias(norm)), nn.ReLU(inplace=True)
    )


def _has_bias(norm: InstanceNorm) -> bool:
    if norm not in ("instance", "affine"):
        raise SettingsError(f"unknown norm '{norm}'", "Known: affine, instance.")
    return norm == "instance"


def _same(in_channels: int, out_channels: int, norm: InstanceNorm, *, dilation: int = 1) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, with norm and ReLU."""
    convolution = nn.Conv2d(
        in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=_has_bias(norm)
    )
    return normed(convolution, out_channels, norm)


def _half(in_channels: int, out_channels: int, norm: InstanceNorm) -> nn.Sequential:
    """A 4x4 convolution that halves the size, with norm and ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1, bias=_has_bias(norm))
    return normed(convolution, out_channels, norm)


def _double(in_channels: int, out_channels: int, upsample: Upsample, *, bias: bool) -> nn.Module:
    """A layer that doubles the size: a 4x4 transposed convolution, or enlarging and a 3x3 convolution.

    Raises:
        SettingsError: `upsample` is not a known one.
    """
    if upsample == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)
    if upsample in ("nearest", "bilinear"):
        return ResizeConv2d(in_channels, out_channels, mode=upsample, bias=bias)
    raise SettingsError(f"unknown upsample '{upsample}'", "Known: bilinear, nearest, transposed.")


class ConcatBlock(nn.Module):
    """Convolutions whose last one sees the block's input again, beside what the others made of it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        convs: 3x3 convolutions, at least 2; each with norm and ReLU.
        norm: kind of instance norm.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, convs: int = 3, norm: InstanceNorm = "affine"
    ) -> None:
        super().__init__()
        sizes = [in_channels] + [out_channels] * (convs - 1)
        self.change = nn.Sequential(*(_same(few, out_channels, norm) for few in sizes[:-1]))
        self.join = _same(out_channels + in_channels, out_channels, norm)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.join(torch.cat([self.change(features), features], dim=1))


def _group(in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    """Some blocks of three convolutions; the first one brings the channels to their number."""
    sizes = [in_channels] + [out_channels] * (blocks - 1)
    return nn.Sequential(*(ConcatBlock(size, out_channels) for size in sizes))


class GanimorphGenerator(nn.Module):
    """Four downsamplings, four upsamplings, concatenating blocks and two skips; in and out in [0, 1].

    Every convolution but the first and the last has an instance norm with scale and shift, and a ReLU. No
    convolution has a bias.

    Args:
        width: channels after the first layer.
        blocks: blocks in each of the five groups: 3 in the paper; with 1 it has 23 convolutions.

    >>> GanimorphGenerator(4, 1)(torch.zeros(1, 3, 32, 48)).shape
    torch.Size([1, 3, 32, 48])
    >>> with torch.device("meta"):
    ...     print(sum(p.numel() for p in GanimorphGenerator().parameters()))
    53017728
    """

    size_multiple = 16
    smallest_size = 32  # At 16 px the middle would be one pixel, which cannot be normalised.

    def __init__(self, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        n = width
        self.stem = nn.Sequential(nn.Conv2d(3, n, 4, stride=2, padding=1, bias=False), nn.ReLU(inplace=True))
        self.down1 = nn.Sequential(_half(n, 2 * n, "affine"), _group(2 * n, 2 * n, blocks))
        self.down2 = nn.Sequential(_half(2 * n, 4 * n, "affine"), _group(4 * n, 4 * n, blocks))
        self.down3 = nn.Sequential(_half(4 * n, 8 * n, "affine"), _group(8 * n, 8 * n, blocks))
        self.up2, self.join2 = self._doubled(8 * n, 4 * n), _group(8 * n, 4 * n, blocks)
        self.up1, self.join1 = self._doubled(4 * n, 2 * n), _group(4 * n, 2 * n, blocks)
        self.up0 = self._doubled(2 * n, n)
        self.head = _double(n, 3, "transposed", bias=False)

    @staticmethod
    def _doubled(many: int, few: int) -> nn.Sequential:
        return normed(_double(many, few, "transposed", bias=False), few, "affine")

    def forward(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, 3, H, W) in [0, 1]; H and W multiples of 16, at least 32.

        Returns:
            (N, 3, H, W), float32, in [0, 1].

        Raises:
            ShapeError: another number of channels, or sides that are too small or no multiples of 16.
        """
        check_input(images, channels=3, multiple=self.size_multiple, smallest=self.smallest_size)
        skip1 = self.down1(self.stem(images))
        skip2 = self.down2(skip1)
        features = self.join2(torch.cat([self.up2(self.down3(skip2)), skip2], dim=1))
        features = self.join1(torch.cat([self.up1(features), skip1], dim=1))
        return torch.sigmoid(at_least_float32(self.head(self.up0(features))))


class LiteGenerator(nn.Module):
    """The reduced generator: three downsamplings, blocks of two convolutions, one skip; in [-1, 1].

    Its figure is lost; both layouts are inferred from what is told of it (about 5.7 million weights, blocks
    of two convolutions). "concatenate" has two blocks in the middle, one after each of two doublings and a
    skip that is concatenated; "add" has two in the middle, one on each side of them and a skip that is added.

    Args:
        width: channels after the first layer.
        upsample: how it grows pictures.
        norm: kind of instance norm.
        layout: "concatenate" or "add".

    Raises:
        SettingsError: a name is unknown.

    >>> LiteGenerator(4)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 3, 16, 24])
    >>> with torch.device("meta"):
    ...     print(sum(p.numel() for p in LiteGenerator().parameters()))
    5705731
    """

    size_multiple = 8
    smallest_size = 16  # At 8 px the middle would be one pixel, which cannot be normalised.

    def __init__(
        self,
        width: int = 64,
        *,
        upsample: Upsample = "transposed",
        norm: InstanceNorm = "instance",
        layout: Layout = "concatenate",
    ) -> None:
        super().__init__()
        n, bias = width, _has_bias(norm)
        if layout not in ("concatenate", "add"):
            raise SettingsError(f"unknown layout '{layout}'", "Known: add, concatenate.")
        self.concatenates = layout == "concatenate"

        def block(in_channels: int, out_channels: int) -> ConcatBlock:
            return ConcatBlock(in_channels, out_channels, convs=2, norm=norm)

        def doubled(many: int, few: int) -> nn.Sequential:
            return normed(_double(many, few, upsample, bias=bias), few, norm)

        self.stem = nn.Sequential(nn.Conv2d(3, n, 4, stride=2, padding=1, bias=bias), nn.ReLU(inplace=True))
        self.down1 = nn.Sequential(_half(n, 2 * n, norm))
        self.down2 = nn.Sequential(_half(2 * n, 4 * n, norm), block(4 * n, 4 * n), block(4 * n, 4 * n))
        self.up1 = doubled(4 * n, 2 * n)
        self.up0 = nn.Sequential(doubled(2 * n, n))
        if self.concatenates:
            self.join1 = block(4 * n, 2 * n)
            self.up0.append(block(n, n))
        else:
            self.down1.append(block(2 * n, 2 * n))
            self.join1 = block(2 * n, 2 * n)
        self.head = _double(n, 3, upsample, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, 3, H, W) in [-1, 1]; H and W multiples of 8, at least 16.

        Returns:
            (N, 3, H, W), float32, in [-1, 1].

        Raises:
            ShapeError: another number of channels, or sides that are too small or no multiples of 8.
        """
        check_input(images, channels=3, multiple=self.size_multiple, smallest=self.smallest_size)
        skip = self.down1(self.stem(images))
        features = self.up1(self.down2(skip))
        features = torch.cat([features, skip], dim=1) if self.concatenates else features + skip
        return bounded(self.head(self.up0(self.join1(features))))


class DilatedDiscriminator(nn.Module):
    """Judges patches, each logit with a wide view, by dilated convolutions on a small map.

    The map before dilation and the one after it are joined, so that a logit has detail and overview.

    Args:
        width: half the channels after the first layer; later ones have up to eight times `width`.
        downsamplings: layers of stride 2.
        dilations: spacing, in px of the small map, of the taps of each dilated layer.
        norm: kind of instance norm.

    >>> judge = DilatedDiscriminator(4)
    >>> logits, maps = judge(torch.zeros(1, 3, 128, 128))
    >>> logits.shape, len(maps)
    (torch.Size([1, 1, 16, 16]), 7)
    """

    def __init__(
        self,
        width: int = 64,
        *,
        downsamplings: int = 3,
        dilations: Sequence[int] = (2, 4, 8),
        norm: InstanceNorm = "affine",
    ) -> None:
        super().__init__()
        bias, most = _has_bias(norm), 8 * width
        self.smallest_size = 2 ** (downsamplings + 1)  # below, the small map is one pixel: no norm of that
        self.stem = nn.Sequential(
            nn.Conv2d(3, 2 * width, 4, stride=2, padding=1, bias=bias), nn.ReLU(inplace=True)
        )
        sizes = [min(2 * width * 2**k, most) for k in range(downsamplings)]
        self.down = nn.ModuleList(_half(few, many, norm) for few, many in pairwise(sizes))
        self.near = _same(sizes[-1], most, norm)
        self.far = nn.ModuleList(_same(most, most, norm, dilation=dilation) for dilation in dilations)
        self.join = _same(2 * most, most, norm)
        self.head = nn.Conv2d(most, 1, 4, bias=bias)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge a batch; higher means "looks real".

        Args:
            images: (N, 3, H, W), in the range of the generator.

        Returns:
            Logits (N, 1, h, w), one for each patch, and the map after every layer that has a norm, in order.

        Raises:
            ShapeError: another number of channels, or a side below `smallest_size`.
        """
        check_input(images, channels=3, multiple=1, smallest=self.smallest_size)
        features, maps = self.stem(images), []
        for layer in self.down:
            features = layer(features)
            maps.append(features)
        near = features = self.near(features)
        maps.append(near)
        for layer in self.far:
            features = layer(features)
            maps.append(features)
        joined = self.join(torch.cat([near, features], dim=1))
        maps.append(joined)
        # A kernel of 4 has no middle: one pixel before and two after keep the size.
        return self.head(F.pad(joined, (1, 2, 1, 2))), maps
