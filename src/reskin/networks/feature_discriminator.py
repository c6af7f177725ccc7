"""A patch discriminator at several sizes that also gives its features, as pix2pixHD and vid2vid have it.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018,
https://arxiv.org/abs/1711.11585, sections 3.2 and 3.3.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.networks.blocks import check_input, norm_layer


class FeatureDiscriminator(nn.Module):
    """One chain of 4x4 convolutions for the picture as it is, one for its half, and so on.

    Args:
        in_channels: of the pictures.
        width: channels after the first layer of each chain; later ones have 2, 4 and then 8 times as many.
        layers: convolutions that halve the size; 3 have a receptive field of 70 px.
        scales: sizes of the picture that are judged.

    >>> import torch
    >>> [[m.shape[-1] for m in maps] for maps in FeatureDiscriminator(6, 2)(torch.zeros(1, 6, 64, 64))]
    [[33, 17, 9, 10, 11], [17, 9, 5, 6, 7]]
    >>> sum(p.numel() for p in FeatureDiscriminator(6).parameters())
    5535618
    """

    def __init__(self, in_channels: int, width: int = 64, layers: int = 3, scales: int = 2) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.scales = nn.ModuleList(_chain(in_channels, width, layers) for _ in range(scales))
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, images: Tensor) -> list[list[Tensor]]:
        """Judge a batch; higher logits mean "looks real".

        Args:
            images: (N, in_channels, H, W).

        Returns:
            For each scale, largest picture first, the features of every layer; the last are raw logits.

        Raises:
            ShapeError: another number of channels.
        """
        check_input(images, channels=self.in_channels, multiple=1, smallest=2 ** len(self.scales))
        judged = []
        for number, chain in enumerate(self.scales):
            images = self.halve(images) if number else images
            features, maps = images, []
            for layer in chain.children():
                features = layer(features)
                maps.append(features)
            judged.append(maps)
        return judged


def _chain(channels: int, width: int, layers: int) -> nn.ModuleList:
    widths = [width * min(2**layer, 8) for layer in range(layers + 1)]
    chain: list[nn.Module] = []
    for number, (now, wider) in enumerate(zip([channels, *widths], widths, strict=False)):
        conv = nn.Conv2d(now, wider, 4, stride=1 if number == layers else 2, padding=2)
        norm = [norm_layer("instance", wider)] if number else []
        chain.append(nn.Sequential(conv, *norm, nn.LeakyReLU(0.2)))
    return nn.ModuleList([*chain, nn.Conv2d(widths[-1], 1, 4, padding=2)])
