"""The residual block of CycleGAN, of CUT and of MUNIT's content encoder.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer", ECCV 2016, https://arxiv.org/abs/1603.08155;
in the form of Zhu et al., ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.networks.blocks import MirroredConv2d, Norm, needs_bias, norm_layer


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
