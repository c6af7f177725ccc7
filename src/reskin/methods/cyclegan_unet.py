"""CycleGAN with other networks of its authors' code: U-Net generators and discriminators of single pixels.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
https://arxiv.org/abs/1703.10593; the networks are those of Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017, https://arxiv.org/abs/1611.07004.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import nn

from reskin.methods.cycle import CycleConfig, CycleMethod
from reskin.networks.init import initialise
from reskin.networks.pixelgan import pixel_discriminator
from reskin.networks.unet import UnetGenerator


class CycleGANUnetConfig(CycleConfig):
    """Settings of CycleGAN with U-Nets; weights and rates are those of CycleGAN's paper."""

    renamed = {"halvings": "downsamplings"}

    generator: Literal["resnet", "unet"] = "unet"
    """Generator: a U-Net, or residual blocks for a pixel discriminator beside CycleGAN's own generator."""
    downsamplings: int = Field(default=8, ge=5, le=10)
    """Downsamplings of a U-Net generator: 8 for 256 px, 7 for 128 px."""
    discriminator: Literal["patch", "pixel"] = "patch"
    """Discriminator: PatchGAN, or PixelGAN, which sees single pixels."""


class CycleGANUnet(CycleMethod):
    """Two generators and two discriminators (G, F, D_Y, D_X in the paper)."""

    Config = CycleGANUnetConfig
    config: CycleGANUnetConfig
    title = "CycleGAN with U-Nets"
    paper = "Zhu et al. 2017"
    good_for = "as CycleGAN, where every edge is to stay where it is; frames of fixed sizes"

    def __init__(self, config: CycleGANUnetConfig) -> None:
        super().__init__(config)
        self.size_multiple = 4 if config.generator == "resnet" else 2**config.downsamplings

    def _generator(self) -> nn.Module:
        c = self.config
        if c.generator == "resnet":
            return super()._generator()
        unet = UnetGenerator(c.width, c.downsamplings, norm=c.norm, has_dropout=c.has_dropout)
        return initialise(unet, c.init, c.init_gain)

    def _discriminator(self) -> nn.Module:
        c = self.config
        if c.discriminator == "patch":
            return super()._discriminator()
        return initialise(pixel_discriminator(c.width, norm=c.norm), c.init, c.init_gain)
