"""BiGAN as a translation: one discriminator for pairs (a, gen_a2b(a)) and pairs (gen_b2a(b), b).

Donahue et al., "Adversarial Feature Learning", ICLR 2017, https://arxiv.org/abs/1605.09782; and Dumoulin et
al., "Adversarially Learned Inference", ICLR 2017, https://arxiv.org/abs/1606.00704. As in the comparison of
Zhu et al., ICCV 2017, https://arxiv.org/abs/1703.10593, section 5.1, the latent code is a picture of the
other domain.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.precision import at_least_float32
from reskin.types import Batch, Direction, Step

Kind = Literal["lsgan", "bce"]


def adversarial_other(kind: Kind, logits: Tensor) -> Tensor:
    """How far pairs of label 1 are from being taken for label 0; lower is better for who made them.

    The mirror image of `adversarial_generator`, whose pictures have label 0 and want to be taken for 1.

    Args:
        kind: "lsgan" or "bce".
        logits: what the discriminator says of the pairs, any shape, raw.

    Returns:
        A scalar, float32.

    >>> adversarial_other("lsgan", torch.tensor([0.0, 1.0]))
    tensor(0.5000)
    """
    logits = at_least_float32(logits)  # in half precision 1 less a small number is 1
    return adversarial_generator(kind, 1 - logits if kind == "lsgan" else -logits)


class BiGANConfig(MethodConfig):
    """Settings of BiGAN; the defaults are those of the comparison in the CycleGAN paper."""

    adversarial: Kind = "lsgan"
    """Form of the losses: least squares (the comparison) or cross-entropy (the BiGAN paper)."""
    pool_size: int = Field(default=50, ge=0)
    """Size of the image pools: earlier pairs of each kind that the discriminator sees; 0 for none."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of every network."""
    blocks: int = Field(default=6, ge=1)
    """Residual blocks in a generator: 6 for 128 px, 9 for 256 px."""
    upsample: Upsample = "transposed"
    """Upsampling: a transposed convolution, or a nearest or bilinear resize-convolution."""
    norm: Norm = "instance"
    """Normalisation in all networks."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of the discriminator: 3 give a receptive field of 70 px, 1 of 16 px."""


class BiGAN(Method):
    """Two generators (G: A to B, E: B to A in the papers) and one discriminator of pairs, always (a, b).

    Nothing ties a picture to its own translation: only the distributions of pairs must agree. So the content
    may drift, which is what this baseline is there to show.
    """

    Config = BiGANConfig
    config: BiGANConfig
    title = "BiGAN"
    paper = "Donahue et al. 2017, Dumoulin et al. 2017"
    good_for = "a baseline: both domains tied only through the distribution of pairs"
    adversary = Adversary(
        ("disc_pairs",),
        ("discriminator",),
        ("adversarial_a2b", "adversarial_b2a"),
        setting="adversarial",
    )
    advice = {
        "discriminator_won": ("fewer disc_layers", "higher pool_size", "another adversarial"),
        "overfitting": ("lower width",),
    }
    defaults = {"load_size": 143, "crop_size": 128}

    def __init__(self, config: BiGANConfig) -> None:
        super().__init__(config)
        c = config
        self.gen_a2b = ResnetGenerator(c.width, c.blocks, norm=c.norm, upsample=c.upsample)
        self.gen_b2a = ResnetGenerator(c.width, c.blocks, norm=c.norm, upsample=c.upsample)
        self.disc_pairs = patch_discriminator(c.width, c.disc_layers, in_channels=6, norm=c.norm)
        for network in (self.gen_a2b, self.gen_b2a, self.disc_pairs):
            initialise(network)
        self.pool_a2b, self.pool_b2a = ImagePool(c.pool_size), ImagePool(c.pool_size)
        self.size_multiple = 4
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer("discriminator", self.disc_pairs)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        kind = self.config.adversarial
        # A pool keeps whole pairs, so that both halves always come from the same call.
        pairs_a2b = torch.cat([batch.a, self.gen_a2b(batch.a)], dim=1)
        pairs_b2a = torch.cat([self.gen_b2a(batch.b), batch.b], dim=1)

        judged = adversarial_discriminator(
            kind, *together(self.disc_pairs, self.pool_a2b(pairs_a2b), self.pool_b2a(pairs_b2a))
        )
        self.update("discriminator", discriminator=judged)

        # The generators share no weight, so one update of both equals one of each.
        with frozen(self.disc_pairs):
            logits_a2b, logits_b2a = together(self.disc_pairs, pairs_a2b, pairs_b2a)
            adversarial_a2b = adversarial_other(kind, logits_a2b)
            adversarial_b2a = adversarial_generator(kind, logits_b2a)
            self.update("generators", adversarial_a2b=adversarial_a2b, adversarial_b2a=adversarial_b2a)
        return {
            "discriminator": judged.detach(),
            "adversarial_a2b": adversarial_a2b.detach(),
            "adversarial_b2a": adversarial_b2a.detach(),
        }

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
