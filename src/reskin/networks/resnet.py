"""The residual generator of CycleGAN.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer", ECCV 2016, https://arxiv.org/abs/1603.08155;
in the form of Zhu et al., ICCV 2017, https://arxiv.org/abs/1703.10593; with blurs, in that of Park et al.,
ECCV 2020, https://arxiv.org/abs/2007.15651.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.antialias import BlurDownsample, BlurUpsample
from reskin.networks.blocks import (
    MirroredConv2d,
    Norm,
    Upsample,
    bounded,
    check_input,
    mirrored,
    needs_bias,
    norm_layer,
    upsampling,
)


class ResidualBlock(nn.Module):
    """Adds to its input what two 3x3 convolutions with mirrored edges make of it; nothing after the sum."""

    def __init__(self, channels: int, *, norm: Norm, has_dropout: bool) -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.conv1 = MirroredConv2d(channels, channels, 3, bias=bias)
        self.norm1 = norm_layer(norm, channels)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5) if has_dropout else nn.Identity()
        self.conv2 = MirroredConv2d(channels, channels, 3, bias=bias)
        self.norm2 = norm_layer(norm, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        change = self.dropout(self.relu(self.norm1(self.conv1(features))))
        return features + self.norm2(self.conv2(change))


class ResnetGenerator(nn.Module):
    """Two halvings, residual blocks at a quarter of the size, two doublings; see `resnet_generator`.

    Attributes:
        tap_channels: name and channels of each map of features that `tap` gives, the shallowest first:
            "padded", the pictures with their edges mirrored; "down1" and "down2", what the two halving
            convolutions give before it is normalised; "block1" and "block5", what those residual blocks give
            (with fewer than five, the last block stands in for the fifth).
    """

    size_multiple = 4
    smallest_size = 8  # At 4 px the blocks would see one pixel, which cannot be mirrored or normalised.

    def __init__(
        self,
        width: int,
        blocks: int,
        *,
        channels: tuple[int, int],
        norm: Norm,
        has_dropout: bool,
        upsample: Upsample,
        antialias: bool,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = channels
        bias = needs_bias(norm)
        self.stem = nn.Sequential(
            MirroredConv2d(self.in_channels, width, 7, bias=bias),
            norm_layer(norm, width),
            nn.ReLU(inplace=True),
        )
        self.down = nn.Sequential()
        self.up = nn.Sequential()
        for few, many in ((width, 2 * width), (2 * width, 4 * width)):
            self.down.append(nn.Conv2d(few, many, 3, stride=1 if antialias else 2, padding=1, bias=bias))
            self.down.append(norm_layer(norm, many)).append(nn.ReLU(inplace=True))
            if antialias:
                self.down.append(BlurDownsample())
        self.blocks = nn.Sequential(
            *(ResidualBlock(4 * width, norm=norm, has_dropout=has_dropout) for _ in range(blocks))
        )
        for many, few in ((4 * width, 2 * width), (2 * width, width)):
            if antialias:
                self.up.append(BlurUpsample()).append(nn.Conv2d(many, few, 3, padding=1, bias=bias))
            else:
                self.up.append(upsampling(upsample, many, few, bias=bias))
            self.up.append(norm_layer(norm, few)).append(nn.ReLU(inplace=True))
        self.head = MirroredConv2d(width, self.out_channels, 7)
        self.tap_channels = {"padded": self.in_channels, "down1": 2 * width, "down2": 4 * width}
        self.tap_channels |= {f"block{number}": 4 * width for number in (1, min(5, blocks)) if blocks}

    def forward(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, in_channels, H, W) in [-1, 1]; H and W multiples of 4, at least 8.

        Returns:
            (N, out_channels, H, W), float32, in [-1, 1].

        Raises:
            ShapeError: another number of channels, or sides that are too small or no multiples of 4.
        """
        check_input(
            images, channels=self.in_channels, multiple=self.size_multiple, smallest=self.smallest_size
        )
        return bounded(self.head(self.up(self.blocks(self.down(self.stem(images))))))

    def tap(self, images: Tensor) -> dict[str, Tensor]:
        """Features of pictures, as named in `tap_channels`; what lies behind the last of them is not run.

        Args:
            images: as in `forward`.

        Returns:
            (N, C, H, W) each: "padded" is 6 px larger than the pictures, the others follow the halvings.

        Raises:
            ShapeError: as in `forward`.
        """
        return self._to_last_tap(images)[1]

    def translate_and_tap(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What `forward` and `tap` give, from one pass."""
        features, taps = self._to_last_tap(images)
        for block in list(self.blocks)[self._tapped_blocks() :]:
            features = block(features)
        return bounded(self.head(self.up(features))), taps

    def _tapped_blocks(self) -> int:
        """How many residual blocks lie before the last tap."""
        return min(5, len(self.blocks))

    def _to_last_tap(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The features at the last tap, and all taps by name."""
        check_input(
            images, channels=self.in_channels, multiple=self.size_multiple, smallest=self.smallest_size
        )
        taps = {"padded": mirrored(images, 3)}
        features = self.stem(images)
        for layer in self.down:
            features = layer(features)
            if isinstance(layer, nn.Conv2d):
                taps[f"down{len(taps)}"] = features
        for number, block in enumerate(list(self.blocks)[: self._tapped_blocks()], start=1):
            features = block(features)
            if f"block{number}" in self.tap_channels:
                taps[f"block{number}"] = features
        return features, taps


def resnet_generator(
    width: int = 64,
    blocks: int = 9,
    *,
    in_channels: int = 3,
    out_channels: int = 3,
    norm: Norm = "instance",
    has_dropout: bool = False,
    upsample: Upsample = "transposed",
    antialias: bool = False,
) -> ResnetGenerator:
    """The generator of CycleGAN, with PyTorch's own initial weights (see `networks.init.initialise`).

    Args:
        width: channels after the first layer.
        blocks: residual blocks: 9 for 256 px, 6 for 128 px.
        in_channels: channels of the pictures that go in.
        out_channels: channels of the pictures that come out.
        norm: "instance" is the paper's.
        has_dropout: drop half of the values inside each residual block while training.
        upsample: "transposed" is the paper's; "nearest" and "bilinear" avoid the
            checkerboard (Odena et al. 2016).
        antialias: blur whenever the size changes, as CUT does; the weights are as many, the convolutions
            beside the blurs run at twice the size. It takes the place of `upsample`.

    Raises:
        SettingsError: `width` is below 1, `blocks` is below 0, a name is unknown, or both `antialias` and an
            `upsample` were chosen.

    >>> import torch
    >>> resnet_generator(4, 1)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 3, 16, 24])
    >>> sum(p.numel() for p in resnet_generator().parameters())
    11378179
    """
    if width < 1 or blocks < 0:
        raise SettingsError(
            f"a generator of width {width} with {blocks} blocks", "Use a width of at least 1."
        )
    if antialias and upsample != "transposed":
        raise SettingsError(f"antialias with upsample '{upsample}'", "Choose one of the two.")
    return ResnetGenerator(
        width,
        blocks,
        channels=(in_channels, out_channels),
        norm=norm,
        has_dropout=has_dropout,
        upsample=upsample,
        antialias=antialias,
    )
