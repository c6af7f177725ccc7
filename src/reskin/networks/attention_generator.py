"""The generators of AttentionGAN: they say what is new in a picture, and where the old one shows.

Tang et al., "AttentionGAN: Unpaired Image-to-Image Translation using Attention-Guided Generative Adversarial
Networks", TNNLS 2021, https://arxiv.org/abs/1911.11897.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

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
from reskin.networks.normalization import InstanceNorm2d
from reskin.networks.resnet import ResnetGenerator
from reskin.precision import at_least_float32

NUM_CONTENTS = 9
"""New pictures of a generator of version 2, which has one mask more than that."""


class Attended(NamedTuple):
    """A picture and what it was put together from.

    Attributes:
        picture: (N, 3, H, W), the sum of the contents and of the input, each times its mask.
        contents: (N, K, 3, H, W), the new pictures.
        masks: (N, K + 1, H, W) in [0, 1], adding up to 1 everywhere; the last is the background's, where the
            input shows.
    """

    picture: Tensor
    contents: Tensor
    masks: Tensor

    @property
    def background(self) -> Tensor:
        """(N, 1, H, W) in [0, 1]: how much of the input is left at each position."""
        return self.masks[:, -1:]


def attended(images: Tensor, contents: Tensor, masks: Tensor) -> Attended:
    """Put `contents` over `images` as `masks` say; shapes as in `Attended`."""
    new = (masks[:, :-1, None] * contents).sum(dim=1)
    return Attended(new + masks[:, -1:] * images, contents, masks)


class AttentionGenerator(nn.Module):
    """The second version: a ResNet generator's trunk, a decoder for contents and one for masks.

    Args:
        width: channels after the first layer.
        blocks: residual blocks.
        norm: "instance" is the published one.
        upsample: how both decoders enlarge.

    >>> sum(p.numel() for p in AttentionGenerator().parameters())
    11822949
    """

    size_multiple, smallest_size = 4, 8

    def __init__(
        self, width: int = 64, blocks: int = 9, *, norm: Norm = "instance", upsample: Upsample = "transposed"
    ) -> None:
        super().__init__()
        self.content = ResnetGenerator(
            width, blocks, channels=(3, 3 * NUM_CONTENTS), norm=norm, upsample=upsample
        )
        self.attention = nn.Sequential()
        for many, few in ((4 * width, 2 * width), (2 * width, width)):
            self.attention.append(upsampling(upsample, many, few, bias=needs_bias(norm)))
            self.attention.append(norm_layer(norm, few)).append(nn.ReLU(inplace=True))
        self.attention.append(nn.Conv2d(width, NUM_CONTENTS + 1, 1))

    def forward(self, images: Tensor) -> Attended:
        """Translate a batch.

        Args:
            images: (N, 3, H, W) in [-1, 1]; H and W multiples of 4, at least 8.

        Returns:
            The picture, nine contents in [-1, 1] and ten masks, float32.

        Raises:
            ShapeError: another number of channels, or a height or width that is too small or no multiple of
                4.
        """
        check_input(images, channels=3, multiple=self.size_multiple, smallest=self.smallest_size)
        net = self.content
        features = net.blocks(net.down(net.stem(images)))
        contents = bounded(net.head(net.up(features))).unflatten(1, (-1, 3))
        masks = at_least_float32(self.attention(features)).softmax(dim=1)
        return attended(images, contents, masks)


class OneMaskGenerator(nn.Module):
    """The first version: one content, without bounds, and one mask; enlarged by shuffling pixels.

    Args:
        width: channels after the first layer.
        blocks: residual blocks.
        norm: "batch" is the published one. Its convolutions have a bias all the same.

    >>> sum(p.numel() for p in OneMaskGenerator().parameters())
    7931332
    """

    size_multiple, smallest_size = 4, 8

    def __init__(self, width: int = 64, blocks: int = 6, *, norm: Norm = "batch") -> None:
        super().__init__()
        base = ResnetGenerator(width, blocks)
        layers: list[nn.Module] = [base.stem, base.down, base.blocks]
        for many, few in ((4 * width, 2 * width), (2 * width, width)):
            layers += [MirroredConv2d(many, few, 3), InstanceNorm2d(few), nn.ReLU(inplace=True)]
            layers += [nn.Conv2d(few, 4 * few, 1), nn.PixelShuffle(2)]
            layers += [InstanceNorm2d(few), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, MirroredConv2d(width, 4, 7))
        if norm != "instance":
            _exchange_norms(self.layers, norm)

    def forward(self, images: Tensor) -> Attended:
        """Translate a batch; as `AttentionGenerator`, but picture and contents may leave [-1, 1]."""
        check_input(images, channels=3, multiple=self.size_multiple, smallest=self.smallest_size)
        content, logits = at_least_float32(self.layers(images)).split([3, 1], dim=1)
        mask = torch.sigmoid(logits)
        return attended(images, content[:, None], torch.cat([mask, 1 - mask], dim=1))


def _exchange_norms(network: nn.Module, norm: Norm) -> None:
    """Put norms of another kind instead of the instance norms."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, InstanceNorm2d):
                setattr(parent, name, norm_layer(norm, layer.num_features))
