"""SqueezeNet 1.1, a small classifier of ImageNet: features for measures, in a file of 2 MB.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016,
https://arxiv.org/abs/1602.07360; version 1.1, with torchvision's names of tensors.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.networks.blocks import check_input
from reskin.networks.state_files import load_tensors, read_tensors

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], by channel."""

TAPS = (1, 4, 7, 9, 10, 11, 12)
"""Layers whose outputs LPIPS compares: 64, 128, 256, 384, 384, 512 and 512 channels."""


class Fire(nn.Module):
    """Few channels, then many again, half of them with 1x1 and half with 3x3 convolutions."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, 2 * expanded, H, W)."""
        few = F.relu(self.squeeze(features))
        return torch.cat([F.relu(self.expand1x1(few)), F.relu(self.expand3x3(few))], dim=1)


class SqueezeNet(nn.Module):
    """The network; takes pictures in [-1, 1] and brings them to ImageNet's scale itself.

    Args:
        classes: how many it distinguishes.

    >>> SqueezeNet()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 512])
    >>> sum(p.numel() for p in SqueezeNet().parameters())
    1235496
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(),
            pool,
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            pool,
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            pool,
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(512, classes, 1))
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def taps(self, images: Tensor) -> list[Tensor]:
        """The outputs of the layers `TAPS`.

        Args:
            images: (N, 3, H, W) in [-1, 1]; 32 px or more high and wide.

        Raises:
            ShapeError: other channels, or pictures that are too small.
        """
        check_input(images, channels=3, multiple=1, smallest=32)
        values, found = (images.float() / 2 + 0.5 - self.mean) / self.deviation, []
        # Channels last: pooling, which is a third of the time on a CPU, is vectorised over channels.
        values = values.contiguous(memory_format=torch.channels_last)
        for index, layer in enumerate(self.features):
            values = layer(values)
            if index in TAPS:
                found.append(values)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """One feature vector a picture, (N, 512): the last layer, averaged over the picture."""
        return self.taps(images)[-1].mean(dim=(2, 3))

    def classify(self, images: Tensor) -> Tensor:
        """(N, classes) scores, higher for a likelier class; trained at 227 px."""
        return F.relu(self.classifier(self.taps(images)[-1])).mean(dim=(2, 3))


def read_squeezenet(path: Path) -> SqueezeNet:
    """The network with the weights of a file, in evaluation mode and frozen.

    Args:
        path: a .pth or .safetensors file with torchvision's names; half precision is widened. It may
            have been trained for other classes than ImageNet's 1000.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
    """
    names = {"of": "SqueezeNet 1.1", "fix": "Give torchvision's squeezenet1_1 or weights of its names."}
    state = read_tensors(path, **names)
    network = SqueezeNet(len(state.get("classifier.1.bias", range(1000))))
    load_tensors(network, state, path, **names)
    return network.eval().requires_grad_(False)
