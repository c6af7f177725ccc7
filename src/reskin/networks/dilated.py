"""GANimorph's discriminator, which sees far by dilation.

Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1808.04325.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.networks.blocks import check_input
from reskin.networks.concatenating import InstanceNorm, half_size, has_bias, same_size


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
        bias, most = has_bias(norm), 8 * width
        self.smallest_size = 2 ** (downsamplings + 1)  # below, the small map is one pixel: no norm of that
        self.stem = nn.Sequential(
            nn.Conv2d(3, 2 * width, 4, stride=2, padding=1, bias=bias), nn.ReLU(inplace=True)
        )
        sizes = [min(2 * width * 2**k, most) for k in range(downsamplings)]
        self.down = nn.ModuleList(half_size(few, many, norm) for few, many in pairwise(sizes))
        self.near = same_size(sizes[-1], most, norm)
        self.far = nn.ModuleList(same_size(most, most, norm, dilation=dilation) for dilation in dilations)
        self.join = same_size(2 * most, most, norm)
        self.head = nn.Conv2d(most, 1, 4, bias=bias)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge a batch; higher means "looks real".

        Args:
            images: (N, 3, H, W), in the range of the generator.

        Returns:
            Logits (N, 1, h, w), one for each patch, and the map after every layer that has a norm, in order.

        Raises:
            ShapeError: another number of channels, or a height or width below `smallest_size`.
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
