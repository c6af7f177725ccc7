"""CycleGAN with the parts of SAGAN: self-attention, spectral norm, the hinge loss and two learning rates.

Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019, https://arxiv.org/abs/1805.08318;
Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
https://arxiv.org/abs/1703.10593. SAGAN itself has spectral norm in its generator too.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import nn

from reskin.methods.cycle import CycleConfig, CycleMethod
from reskin.networks.attention import (
    add_spectral_norm,
    attend_in_discriminator,
    attend_in_generator,
    without_norms,
)
from reskin.networks.init import initialise


class CycleGANAttentionConfig(CycleConfig):
    """Settings of CycleGAN with self-attention; the learning rates and their betas are those of SAGAN."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """Step size of Adam for the generators before the schedule lowers it."""
    disc_learning_rate: float | None = Field(default=4e-4, gt=0)
    """Step size of Adam for the discriminators."""
    beta1: float = Field(default=0.0, ge=0, lt=1)
    """Adam's decay of the mean gradient."""
    beta2: float = Field(default=0.9, ge=0, lt=1)
    """Adam's decay of the mean squared gradient."""
    self_attention: Literal["none", "generator", "discriminator", "both"] = "both"
    """Which networks have a block of self-attention."""
    spectral_norm: bool = True
    """Spectral norm in the discriminators, instead of `norm` (Miyato et al. 2018)."""
    adversarial: Literal["lsgan", "bce", "hinge"] = "hinge"
    """Form of the adversarial loss: least squares, cross-entropy or hinge (SAGAN)."""

    def attends(self, part: Literal["generator", "discriminator"]) -> bool:
        """Whether these networks have self-attention."""
        return self.self_attention in (part, "both")


class CycleGANAttention(CycleMethod):
    """Two generators and two discriminators (G, F, D_Y, D_X in CycleGAN's paper), each with attention."""

    Config = CycleGANAttentionConfig
    config: CycleGANAttentionConfig
    size_multiple = 4
    title = "CycleGAN with self-attention"
    paper = "Zhang et al. 2019"
    good_for = "as CycleGAN, where what one part of a picture shows depends on parts far away"

    def __init__(self, config: CycleGANAttentionConfig) -> None:
        super().__init__(config, disc_learning_rate=config.disc_learning_rate)

    def _generator(self) -> nn.Module:
        network = self._resnet()
        if self.config.attends("generator"):
            attend_in_generator(network)
        return initialise(network, self.config.init, self.config.init_gain)

    def _discriminator(self) -> nn.Module:
        network = self._patchgan("instance" if self.config.spectral_norm else None)
        if self.config.attends("discriminator"):
            attend_in_discriminator(network)
        initialise(network, self.config.init, self.config.init_gain)
        if self.config.spectral_norm:
            without_norms(network)
            add_spectral_norm(network)
        return network
