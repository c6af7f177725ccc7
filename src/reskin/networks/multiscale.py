"""A discriminator that judges a picture at several sizes.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018,
https://arxiv.org/abs/1711.11585; in the form of MUNIT (https://arxiv.org/abs/1804.04732): no norm, mirrored
edges.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.networks.blocks import check_input
from reskin.networks.munit import MirroredDownsampling, check_sizes


class MultiscaleDiscriminator(nn.Module):
    """One patch discriminator for the picture as it is, one for its half, one for its quarter, and so on.

    A logit of four layers sees 46 px of its size of the picture.

    Args:
        width: channels after the first layer; each further layer doubles them.
        layers: downsamplings at each scale.
        scales: sizes of the picture that are judged.

    Raises:
        SettingsError: any of them is below 1.

    >>> import torch
    >>> [list(logits.shape) for logits in MultiscaleDiscriminator(2)(torch.zeros(1, 3, 256, 256))]
    [[1, 1, 16, 16], [1, 1, 8, 8], [1, 1, 4, 4]]
    """

    def __init__(self, width: int = 64, layers: int = 4, scales: int = 3) -> None:
        super().__init__()
        check_sizes(width, layers, scales)
        self.scales = nn.ModuleList(_one_scale(width, layers) for _ in range(scales))
        # Beyond the edge nothing is counted, so an even picture stays even.
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.smallest_size = 2 ** (layers + scales - 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Judge a batch; higher means "looks real".

        Args:
            images: (N, 3, H, W) in [-1, 1].

        Returns:
            For each scale, largest picture first, raw logits (N, 1, h, w).

        Raises:
            ShapeError: another number of channels, or a height or width below `smallest_size`.
        """
        check_input(images, channels=3, multiple=1, smallest=self.smallest_size)
        judged = []
        for number, scale in enumerate(self.scales):
            images = self.halve(images) if number else images
            judged.append(scale(images))
        return judged


def _one_scale(width: int, layers: int) -> nn.Sequential:
    chain: list[nn.Module] = []
    now = 3
    for layer in range(layers):
        chain += [MirroredDownsampling(now, width * 2**layer), nn.LeakyReLU(0.2, inplace=True)]
        now = width * 2**layer
    return nn.Sequential(*chain, nn.Conv2d(now, 1, 1))
