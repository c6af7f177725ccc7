"""What a pretrained network sees in a picture, less the picture's look.

Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018, section 5.1,
https://arxiv.org/abs/1804.04732.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor, nn

from reskin.networks.blocks import check_input
from reskin.networks.features import FeatureNetwork
from reskin.networks.normalization import instance_norm
from reskin.precision import at_least_float32

InvariantLayer = Literal["relu4_3", "relu5_3"]
"""The paper's layer, or that of the authors' code, which leaves out the pool between blocks 4 and 5."""


class InvariantFeatures(nn.Module):
    """Features of a VGG-16, instance-normalised: contrast and colour cast of a domain are taken out.

    Args:
        load: gives the layers of a VGG-16 by their names.
        layer: which features.
    """

    def __init__(
        self, load: Callable[[Sequence[str]], FeatureNetwork], layer: InvariantLayer = "relu4_3"
    ) -> None:
        super().__init__()
        self.vgg = load(["relu4_3"])
        self.rest = nn.Sequential()
        if layer == "relu5_3":
            convolutions = load(["relu5_3"]).convolutions
            for place in (1, 2, 3):
                self.rest.append(convolutions[f"conv5_{place}"]).append(nn.ReLU())
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """The features of a batch.

        Args:
            images: (N, 3, H, W), float32, in [-1, 1]; H and W at least 16.

        Returns:
            (N, C, H // 8, W // 8), of mean 0 and variance 1 in each picture and channel.

        Raises:
            ShapeError: the pictures are not RGB, or smaller than that.
        """
        check_input(images, channels=3, multiple=1, smallest=16)
        return instance_norm(at_least_float32(self.rest(self.vgg(images)["relu4_3"])))
