"""Feature matching: made pictures are to look to a discriminator, layer by layer, as real ones do.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018,
https://arxiv.org/abs/1711.11585, section 3.3, eq. 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.losses.reconstruction import l1

Maps = list[list[Tensor]]
"""Of each scale of a discriminator, the features of its layers; the last are logits."""


def feature_matching(real: Maps, fake: Maps) -> Tensor:
    """Mean absolute difference of all features but the logits; each scale counts as four layers do.

    Args:
        real: of a discriminator of any depth and number of scales; no gradient flows into them.
        fake: of the same discriminator.

    Returns:
        A scalar, float32.

    >>> real, fake = ([[torch.full((1,), level)] * 5] * 2 for level in (0.0, 0.1))
    >>> feature_matching(real, fake)
    tensor(0.4000)
    """
    share = 4 / (len(real[0]) - 1) / len(real)
    scales = zip(real, fake, strict=True)
    pairs = [pair for of_real, of_fake in scales for pair in zip(of_real[:-1], of_fake[:-1], strict=True)]
    return share * torch.stack([l1(made, wanted.detach()) for wanted, made in pairs]).sum()
