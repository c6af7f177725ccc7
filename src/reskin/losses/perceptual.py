"""Distances in the features of a pretrained network.

Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018, section 5.1,
https://arxiv.org/abs/1804.04732: the domain-invariant perceptual loss, for features without style.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def perceptual_loss(features: Callable[[Tensor], Tensor], images: Tensor, translated: Tensor) -> Tensor:
    """Mean squared change of features by a translation; lower keeps more of the content.

    Args:
        features: (N, 3, H, W) to (N, C, h, w).
        images: (N, 3, H, W), what was translated; no gradient is taken through it.
        translated: the same shape.

    Returns:
        A scalar.

    >>> perceptual_loss(lambda images: 2 * images, torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4))
    tensor(4.)
    """
    with torch.no_grad():
        wanted = features(images)
    return F.mse_loss(features(translated), wanted)
