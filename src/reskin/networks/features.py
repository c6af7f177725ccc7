"""What a loss asks of a pretrained network, whichever it is and wherever its weights lie."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Convention = Literal["torchvision", "caffe", "normalised"]
"""Which pictures the weights were trained on: RGB by ImageNet's mean and deviation; BGR in 0 to 255 less the
mean; or the same rescaled so that every channel is 1 on average, with mirrored edges (style transfer)."""


class FeatureNetwork(nn.Module):
    """Layers of a network that was trained to name photographs; it learns nothing.

    Attributes:
        layers: names of what `forward` gives, such as "relu3_1": after the first convolution of the third
            block and its ReLU.
        convention: the kind of weights.
        convolutions: by name, such as "conv3_1".
    """

    layers: tuple[str, ...]
    convention: Convention
    convolutions: nn.ModuleDict

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Features of pictures (N, 3, H, W) in [-1, 1], by the name of their layer."""
        raise NotImplementedError
