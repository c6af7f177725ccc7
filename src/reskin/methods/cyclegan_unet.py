"""CycleGAN with other networks of its authors' code: U-Net generators and discriminators of single pixels.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
https://arxiv.org/abs/1703.10593; the networks are those of Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017, https://arxiv.org/abs/1611.07004.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import Adversarial, adversarial_discriminator, adversarial_generator
from reskin.losses.gradient_penalty import gradient_penalty
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import Init, initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.pixelgan import pixel_discriminator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.networks.unet import UnetGenerator
from reskin.types import Batch, Direction, Step


class CycleGANUnetConfig(MethodConfig):
    """Settings of CycleGAN with U-Nets; weights and rates are those of CycleGAN's paper."""

    retired: ClassVar[dict[str, Any]] = {
        **{"self_attention": "none", "spectral_norm": False, "disc_learning_rate": None},
        **{"forward_cycle": 1.0, "backward_cycle": 1.0, "equivariance_weight": 0.0},
    }
    renamed = {"halvings": "downsamplings"}

    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the cycle-consistency loss |gen_b2a(gen_a2b(a)) - a|, in both directions; 0 for none."""
    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss |gen_a2b(b) - b|, as a share of cycle_weight; 0 for none."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generators' adversarial loss; 0 leaves the cycle alone, with no discriminator."""
    adversarial: Adversarial = "lsgan"
    """Form of the adversarial loss: least squares (the paper), cross-entropy, hinge or WGAN-GP."""
    generator: Literal["resnet", "unet"] = "unet"
    """Generator: a U-Net, or residual blocks for a pixel discriminator beside CycleGAN's own generator."""
    downsamplings: int = Field(default=8, ge=5, le=10)
    """Downsamplings of a U-Net generator: 8 for 256 px, 7 for 128 px."""
    pool_size: int = Field(default=50, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of every network."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks in a ResNet generator: 9 for 256 px, 6 for 128 px."""
    upsample: Upsample = "transposed"
    """Upsampling in a ResNet: a transposed convolution, or a nearest or bilinear resize-convolution."""
    norm: Norm = "instance"
    """Normalisation in all networks."""
    discriminator: Literal["patch", "pixel"] = "patch"
    """Discriminator: PatchGAN, or PixelGAN, which sees single pixels."""
    has_dropout: bool = False
    """Dropout of one half inside the generators."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of a patch discriminator: 3 give a receptive field of 70 px, 1 of 16 px."""
    init: Init = "normal"
    """Initialisation of the weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Standard deviation or scale of the initial weights."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.cycle_weight):
            raise ValueError("adversarial_weight and cycle_weight are both 0: nothing would be learnt")
        return self


class CycleGANUnet(Method):
    """Two generators and two discriminators (G, F, D_Y, D_X in the paper)."""

    Config = CycleGANUnetConfig
    config: CycleGANUnetConfig
    title = "CycleGAN with U-Nets"
    paper = "Zhu et al. 2017"
    good_for = "as CycleGAN, where every edge is to stay where it is; frames of fixed sizes"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")
    advice = {
        "inverted": ("higher identity_weight", "lower init_gain"),
        "copy": ("lower cycle_weight", "lower identity_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("fewer disc_layers", "higher pool_size", "another adversarial"),
    }

    def __init__(self, config: CycleGANUnetConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.gen_b2a = self._generator(), self._generator()
        self.disc_a, self.disc_b = self._discriminator(), self._discriminator()
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.size_multiple = 4 if config.generator == "resnet" else 2**config.downsamplings
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b)

    def _generator(self) -> nn.Module:
        c = self.config
        network: nn.Module
        if c.generator == "unet":
            network = UnetGenerator(c.width, c.downsamplings, norm=c.norm, has_dropout=c.has_dropout)
        else:
            network = ResnetGenerator(
                c.width, c.blocks, norm=c.norm, has_dropout=c.has_dropout, upsample=c.upsample
            )
        initialise(network, c.init, c.init_gain)
        return network

    def _discriminator(self) -> nn.Module:
        c = self.config
        if c.discriminator == "pixel":
            network = pixel_discriminator(c.width, norm=c.norm)
        else:
            network = patch_discriminator(c.width, c.disc_layers, norm=c.norm)
        initialise(network, c.init, c.init_gain)
        return network

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        fake_b, same_b = self._fakes(self.gen_a2b, a, b)
        fake_a, same_a = self._fakes(self.gen_b2a, b, a)

        losses = {}
        with frozen(self.disc_a, self.disc_b):
            if c.adversarial_weight:
                adversarial_a2b = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                losses["adversarial"] = adversarial_a2b + adversarial_generator(
                    c.adversarial, self.disc_a(fake_a)
                )
            if c.cycle_weight:
                losses["cycle"] = l1(self.gen_b2a(fake_b), a) + l1(self.gen_a2b(fake_a), b)
            if same_a is not None and same_b is not None:
                losses["identity"] = l1(same_a, a) + l1(same_b, b)
            weights = {"adversarial": c.adversarial_weight, "cycle": c.cycle_weight}
            weights["identity"] = c.cycle_weight * c.identity_weight
            self.update("generators", **{name: weights[name] * loss for name, loss in losses.items()})

        if c.adversarial_weight:
            judged = {
                "discriminator_a": self._real_vs_fake(self.disc_a, a, self.pool_a(fake_a)),
                "discriminator_b": self._real_vs_fake(self.disc_b, b, self.pool_b(fake_b)),
            }
            self.update("discriminators", **judged)
            losses |= judged
        return {name: loss.detach() for name, loss in losses.items()}

    def _fakes(self, gen: nn.Module, image: Tensor, other: Tensor) -> tuple[Tensor, Tensor | None]:
        """The translation of `image`, and the identity image of `other`; None where that loss is off."""
        if not (self.config.identity_weight and self.config.cycle_weight):
            return gen(image), None
        return together(gen, image, other)

    def _real_vs_fake(self, disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator loss on real and pooled fake pictures."""
        real_logits, fake_logits = together(disc, real, fake)
        loss = adversarial_discriminator(self.config.adversarial, real_logits, fake_logits)
        if self.config.adversarial == "wgan-gp":
            loss = loss + gradient_penalty(disc, real, fake)
        return loss

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
