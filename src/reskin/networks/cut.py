"""The generator of CUT: that of CycleGAN with blurs where the size changes, and its features for PatchNCE.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
https://arxiv.org/abs/2007.15651.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from reskin.networks.antialias import BlurDownsample, BlurUpsample
from reskin.networks.blocks import Norm, Upsample, bounded, check_input, mirrored, needs_bias, norm_layer
from reskin.networks.resnet import ResnetGenerator


class TappedGenerator(ResnetGenerator):
    """A ResNet generator that also gives features from several depths.

    Args:
        width: channels after the first layer.
        blocks: residual blocks.
        channels: of the pictures that go in and that come out.
        norm: "instance" is the paper's.
        has_dropout: drop half of the values inside each residual block while training.

    Attributes:
        tap_channels: name and channels of each map of features that `tap` gives, the shallowest first:
            "padded", the pictures with their edges mirrored; "down1" and "down2", what the two downsampling
            convolutions give before it is normalised; "block1" and "block5", what those residual blocks give
            (with fewer than five, the last block stands in for the fifth).
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 9,
        *,
        channels: tuple[int, int] = (3, 3),
        norm: Norm = "instance",
        has_dropout: bool = False,
    ) -> None:
        super().__init__(width, blocks, channels=channels, norm=norm, has_dropout=has_dropout)
        self.tap_channels = {"padded": self.in_channels, "down1": 2 * width, "down2": 4 * width}
        self.tap_channels |= {f"block{number}": 4 * width for number in (1, min(5, blocks)) if blocks}

    def tap(self, images: Tensor) -> dict[str, Tensor]:
        """Features of pictures, as named in `tap_channels`; what lies behind the last of them is not run.

        Args:
            images: as in `forward`.

        Returns:
            (N, C, H, W) each: "padded" is 6 px larger than the pictures, the others follow the downsamplings.

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


Antialias = Literal["both", "down", "up"]
"""Where a `CutGenerator` blurs: at both changes of size, or only where it halves or doubles."""


class CutGenerator(TappedGenerator):
    """As `TappedGenerator`, with a blur whenever the size changes: the generator of the paper.

    The weights are as many; the convolutions beside the blurs run at twice the size.

    Args:
        width: channels after the first layer.
        blocks: residual blocks.
        channels: of the pictures that go in and that come out.
        norm: "instance" is the paper's.
        has_dropout: drop half of the values inside each residual block while training.
        antialias: where the blurs are; "both" is the paper's.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 9,
        *,
        channels: tuple[int, int] = (3, 3),
        norm: Norm = "instance",
        has_dropout: bool = False,
        antialias: Antialias = "both",
    ) -> None:
        self._antialias = antialias
        super().__init__(width, blocks, channels=channels, norm=norm, has_dropout=has_dropout)

    def _halving(self, few: int, many: int, norm: Norm) -> list[nn.Module]:
        if self._antialias == "up":
            return super()._halving(few, many, norm)
        convolution = nn.Conv2d(few, many, 3, padding=1, bias=needs_bias(norm))
        return [convolution, norm_layer(norm, many), nn.ReLU(inplace=True), BlurDownsample()]

    def _doubling(self, many: int, few: int, upsample: Upsample, *, bias: bool) -> list[nn.Module]:
        if self._antialias == "down":
            return super()._doubling(many, few, upsample, bias=bias)
        return [BlurUpsample(), nn.Conv2d(many, few, 3, padding=1, bias=bias)]
