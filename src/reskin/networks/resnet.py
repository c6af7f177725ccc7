"""The residual generator of CycleGAN.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer", ECCV 2016, https://arxiv.org/abs/1603.08155;
in the form of Zhu et al., ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.networks.blocks import (
    MirroredConv2d,
    Norm,
    Upsample,
    bounded,
    check_input,
    needs_bias,
    norm_layer,
    upsampling,
)
from reskin.networks.residual import ResidualBlock


class ResnetGenerator(nn.Module):
    """Two downsamplings, residual blocks at a quarter of the size, two upsamplings.

    Its weights are PyTorch's own initial ones (see `networks.init.initialise`).

    Args:
        width: channels after the first layer.
        blocks: residual blocks: 9 for 256 px, 6 for 128 px.
        channels: of the pictures that go in and that come out.
        norm: "instance" is the paper's.
        has_dropout: drop half of the values inside each residual block while training.
        upsample: "transposed" is the paper's; "nearest" and "bilinear" avoid the
            checkerboard (Odena et al. 2016).

    Raises:
        SettingsError: `width` is below 1, `blocks` is below 0, or a name is unknown.

    >>> import torch
    >>> ResnetGenerator(4, 1)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 3, 16, 24])
    >>> with torch.device("meta"):  # no memory is taken, nothing is computed
    ...     network = ResnetGenerator()
    >>> sum(p.numel() for p in network.parameters())
    11378179
    """

    size_multiple = 4
    smallest_size = 8  # At 4 px the blocks would see one pixel, which cannot be mirrored or normalised.

    def __init__(
        self,
        width: int = 64,
        blocks: int = 9,
        *,
        channels: tuple[int, int] = (3, 3),
        norm: Norm = "instance",
        has_dropout: bool = False,
        upsample: Upsample = "transposed",
    ) -> None:
        super().__init__()
        if width < 1 or blocks < 0:
            raise SettingsError(
                f"a generator of width {width} with {blocks} blocks", "Use a width of at least 1."
            )
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
            self.down.extend(self._halving(few, many, norm))
        self.blocks = nn.Sequential(
            *(ResidualBlock(4 * width, norm=norm, has_dropout=has_dropout) for _ in range(blocks))
        )
        for many, few in ((4 * width, 2 * width), (2 * width, width)):
            self.up.extend(self._doubling(many, few, upsample, bias=bias))
            self.up.append(norm_layer(norm, few)).append(nn.ReLU(inplace=True))
        self.head = MirroredConv2d(width, self.out_channels, 7)

    def _halving(self, few: int, many: int, norm: Norm) -> list[nn.Module]:
        """Layers from (N, few, H, W) to (N, many, H / 2, W / 2)."""
        convolution = nn.Conv2d(few, many, 3, stride=2, padding=1, bias=needs_bias(norm))
        return [convolution, norm_layer(norm, many), nn.ReLU(inplace=True)]

    def _doubling(self, many: int, few: int, upsample: Upsample, *, bias: bool) -> list[nn.Module]:
        """Layers from (N, many, H, W) to (N, few, 2H, 2W), before the norm."""
        return [upsampling(upsample, many, few, bias=bias)]

    def forward(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, in_channels, H, W) in [-1, 1]; H and W multiples of 4, at least 8.

        Returns:
            (N, out_channels, H, W), float32, in [-1, 1].

        Raises:
            ShapeError: another number of channels, or edges that are too small or no multiples of 4.
        """
        check_input(
            images, channels=self.in_channels, multiple=self.size_multiple, smallest=self.smallest_size
        )
        return bounded(self.head(self.up(self.blocks(self.down(self.stem(images))))))
