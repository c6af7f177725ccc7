"""CycleGAN with the parts of SAGAN: self-attention, spectral norm, the hinge loss and two learning rates.

Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019, https://arxiv.org/abs/1805.08318;
Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
https://arxiv.org/abs/1703.10593. SAGAN itself has spectral norm in its generator too.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.attention import (
    add_spectral_norm,
    attend_in_discriminator,
    attend_in_generator,
    without_norms,
)
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import Init, initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step


class CycleGANAttentionConfig(MethodConfig):
    """Settings of CycleGAN with self-attention; the learning rates and their betas are those of SAGAN."""

    retired: ClassVar[dict[str, Any]] = {
        **{"generator": "resnet", "downsamplings": ..., "halvings": ..., "discriminator": "patch"},
        **{"forward_cycle": 1.0, "backward_cycle": 1.0, "equivariance_weight": 0.0},
    }

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
    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the cycle-consistency loss |gen_b2a(gen_a2b(a)) - a|, in both directions; 0 for none."""
    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss |gen_a2b(b) - b|, as a share of cycle_weight; 0 for none."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generators' adversarial loss; 0 leaves the cycle alone, with no discriminator."""
    adversarial: Literal["lsgan", "bce", "hinge"] = "hinge"
    """Form of the adversarial loss: least squares, cross-entropy or hinge (SAGAN)."""
    pool_size: int = Field(default=50, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of every network."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks in a generator: 9 for 256 px, 6 for 128 px."""
    upsample: Upsample = "transposed"
    """Upsampling in a generator: a transposed convolution, or a nearest or bilinear resize-convolution."""
    norm: Norm = "instance"
    """Normalisation in all networks."""
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

    def attends(self, part: Literal["generator", "discriminator"]) -> bool:
        """Whether these networks have self-attention."""
        return self.self_attention in (part, "both")


class CycleGANAttention(Method):
    """Two generators and two discriminators (G, F, D_Y, D_X in CycleGAN's paper), each with attention."""

    Config = CycleGANAttentionConfig
    config: CycleGANAttentionConfig
    size_multiple = 4
    title = "CycleGAN with self-attention"
    paper = "Zhang et al. 2019"
    good_for = "as CycleGAN, where what one part of a picture shows depends on parts far away"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")
    advice = {
        "inverted": ("higher identity_weight", "lower init_gain"),
        "copy": ("lower cycle_weight", "lower identity_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("fewer disc_layers", "higher pool_size", "another adversarial"),
    }

    def __init__(self, config: CycleGANAttentionConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.gen_b2a = self._generator(), self._generator()
        self.disc_a, self.disc_b = self._discriminator(), self._discriminator()
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        rate = config.disc_learning_rate
        self.add_optimizer("discriminators", self.disc_a, self.disc_b, learning_rate=rate)

    def _generator(self) -> nn.Module:
        c = self.config
        network = ResnetGenerator(
            c.width, c.blocks, norm=c.norm, has_dropout=c.has_dropout, upsample=c.upsample
        )
        if c.attends("generator"):
            attend_in_generator(network)
        initialise(network, c.init, c.init_gain)
        return network

    def _discriminator(self) -> nn.Module:
        c = self.config
        network = patch_discriminator(c.width, c.disc_layers, norm="instance" if c.spectral_norm else c.norm)
        if c.attends("discriminator"):
            attend_in_discriminator(network)
        initialise(network, c.init, c.init_gain)
        if c.spectral_norm:
            without_norms(network)
            add_spectral_norm(network)
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
        return adversarial_discriminator(self.config.adversarial, *together(disc, real, fake))

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
