"""Adversarial losses of a discriminator that judges pictures at several sizes.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018,
https://arxiv.org/abs/1711.11585, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reskin.losses.adversarial import Adversarial, adversarial_discriminator, adversarial_generator


def multiscale_generator(kind: Adversarial, fake_logits: Sequence[Tensor]) -> Tensor:
    """The adversarial loss of the generator, summed over the scales of a discriminator (MUNIT, pix2pixHD).

    >>> multiscale_generator("lsgan", [torch.zeros(1), torch.zeros(1)])
    tensor(2.)
    """
    return torch.stack([adversarial_generator(kind, logits) for logits in fake_logits]).sum()


def multiscale_discriminator(
    kind: Adversarial, real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]
) -> Tensor:
    """The adversarial loss of a discriminator, summed over its scales; real and fake without the factor 1/2.

    >>> multiscale_discriminator("lsgan", [torch.zeros(1)], [torch.ones(1)])
    tensor(2.)
    """
    pairs = zip(real_logits, fake_logits, strict=True)
    return 2 * torch.stack([adversarial_discriminator(kind, *pair) for pair in pairs]).sum()
