"""AlexNet, the convolutions of torchvision's: the network that LPIPS is usually measured with.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014,
https://arxiv.org/abs/1404.5997, in torchvision's form and with its names of tensors.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from reskin.networks.blocks import check_input
from reskin.networks.state_files import load_tensors, read_tensors
from reskin.networks.vgg import IMAGENET_DEVIATION, IMAGENET_MEAN

TAPS = (1, 4, 7, 9, 11)
"""Layers whose outputs LPIPS compares, after their ReLU: 64, 192, 384, 256 and 256 channels."""

SMALLEST_PX = 63
"""The last convolutions have nothing to work on where an edge is shorter."""


class AlexNet(nn.Module):
    """The convolutions; takes images in [-1, 1] and brings them to ImageNet's scale itself.

    >>> [tap.shape[1] for tap in AlexNet().taps(torch.zeros(1, 3, 64, 64))]
    [64, 192, 384, 256, 256]
    >>> sum(p.numel() for p in AlexNet().parameters())
    2469696
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(3, 1, 1), persistent=False)

    def taps(self, images: Tensor) -> list[Tensor]:
        """The outputs of the layers `TAPS`.

        Args:
            images: (N, 3, H, W) in [-1, 1]; edges of `SMALLEST_PX` or more.

        Raises:
            ShapeError: other channels, or images that are too small.
        """
        check_input(images, channels=3, multiple=1, smallest=SMALLEST_PX)
        values, found = (images.float() / 2 + 0.5 - self.mean) / self.deviation, []
        for index, layer in enumerate(self.features):
            values = layer(values)
            if index in TAPS:
                found.append(values)
        return found


def read_alexnet(path: Path) -> AlexNet:
    """The convolutions with the weights of a file, in evaluation mode and frozen; a classifier is left out.

    Args:
        path: a .pth file with torchvision's names.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
    """
    names = {"of": "AlexNet", "fix": "Give torchvision's alexnet-owt-7be5be79.pth."}
    state = read_tensors(path, **names)
    network = AlexNet()
    own = {key: value for key, value in state.items() if key.startswith("features.")}
    load_tensors(network, own, path, **names)
    return network.eval().requires_grad_(False)
