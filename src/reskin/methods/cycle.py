"""What CycleGAN and its variants share: settings, the four networks, and the step that trains them.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
https://arxiv.org/abs/1703.10593.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import Adversarial, adversarial_discriminator, adversarial_generator
from reskin.losses.gradient_penalty import gradient_penalty
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import Init, initialise
from reskin.networks.patchgan import Discriminator, patch_discriminator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

Fakes = tuple[Tensor, Tensor | None, dict[str, Tensor]]
"""A translation, an identity image where that loss is on, and further losses of the generator by name."""


class CycleConfig(MethodConfig):
    """Settings of CycleGAN and its variants; the defaults are CycleGAN's."""

    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the cycle-consistency loss |gen_b2a(gen_a2b(a)) - a|, in both directions (eq. 3)."""
    forward_cycle: float = Field(default=1.0, ge=0)
    """Share of cycle_weight for the forward cycle A, B, A; 0 leaves it out (table 4)."""
    backward_cycle: float = Field(default=1.0, ge=0)
    """Share of cycle_weight for the backward cycle B, A, B; 0 leaves it out (table 4)."""
    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss |gen_a2b(b) - b|, as a share of cycle_weight (section 5.2); 0 for none."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generators' adversarial loss; 0 leaves the cycle alone, with no discriminator."""
    adversarial: Adversarial = "lsgan"
    """Form of the adversarial loss: least squares (the paper), cross-entropy, hinge or WGAN-GP."""
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
        if not (self.adversarial_weight or self.has_cycle):
            raise ValueError("adversarial_weight and the cycle's weights are all 0: nothing would be learnt")
        return self

    @property
    def has_cycle(self) -> bool:
        """Whether there is a cycle-consistency loss."""
        return bool(self.cycle_weight and (self.forward_cycle or self.backward_cycle))

    @property
    def has_identity(self) -> bool:
        """Whether there is an identity loss."""
        return bool(self.identity_weight and self.has_cycle)


class CycleMethod(Method):
    """Two generators and two discriminators (G, F, D_Y, D_X in the paper), tied by the cycle.

    Args:
        config: of the method.
        disc_learning_rate: of the discriminators, instead of the setting for all.
    """

    config: CycleConfig
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")
    advice = {
        "inverted": ("higher identity_weight", "lower init_gain"),
        "copy": ("lower cycle_weight", "lower identity_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("fewer disc_layers", "higher pool_size", "another adversarial"),
    }

    def __init__(self, config: CycleConfig, *, disc_learning_rate: float | None = None) -> None:
        super().__init__(config)
        self.gen_a2b, self.gen_b2a = self._generator(), self._generator()
        self.disc_a, self.disc_b = self._discriminator(), self._discriminator()
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b, learning_rate=disc_learning_rate)

    def _generator(self) -> nn.Module:
        """A generator with its initial weights."""
        return initialise(self._resnet(), self.config.init, self.config.init_gain)

    def _discriminator(self) -> nn.Module:
        """A discriminator with its initial weights."""
        return initialise(self._patchgan(), self.config.init, self.config.init_gain)

    def _resnet(self) -> ResnetGenerator:
        """The paper's generator, not initialised."""
        c = self.config
        return ResnetGenerator(c.width, c.blocks, norm=c.norm, has_dropout=c.has_dropout, upsample=c.upsample)

    def _patchgan(self, norm: Norm | None = None) -> Discriminator:
        """The paper's discriminator, not initialised; with the norm of the settings where none is given."""
        return patch_discriminator(self.config.width, self.config.disc_layers, norm=norm or self.config.norm)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        cycle_a, cycle_b = c.cycle_weight * c.forward_cycle, c.cycle_weight * c.backward_cycle
        fake_b, same_b, further_b = self._fakes(self.gen_a2b, a, b)
        fake_a, same_a, further_a = self._fakes(self.gen_b2a, b, a)

        losses, terms = {}, {}
        with frozen(self.disc_a, self.disc_b):
            if c.adversarial_weight:
                adversarial_a2b = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                adversarial_b2a = adversarial_generator(c.adversarial, self.disc_a(fake_a))
                losses["adversarial"] = adversarial_a2b + adversarial_b2a
                terms["adversarial"] = c.adversarial_weight * losses["adversarial"]
            if c.has_cycle:
                of_a = l1(self.gen_b2a(fake_b), a) if cycle_a else a.new_zeros(())
                of_b = l1(self.gen_a2b(fake_a), b) if cycle_b else b.new_zeros(())
                losses["cycle"] = of_a + of_b
                terms["cycle"] = cycle_a * of_a + cycle_b * of_b
            if same_a is not None and same_b is not None:
                kept_a, kept_b = l1(same_a, a), l1(same_b, b)
                losses["identity"] = kept_a + kept_b
                terms["identity"] = c.identity_weight * (cycle_a * kept_a + cycle_b * kept_b)
            for name, further in further_a.items():
                losses[name] = further + further_b[name]
                terms[name] = getattr(c, f"{name}_weight") * losses[name]
            self.update("generators", **terms)

        if c.adversarial_weight:
            judged = {
                "discriminator_a": self._real_vs_fake(self.disc_a, a, self.pool_a(fake_a)),
                "discriminator_b": self._real_vs_fake(self.disc_b, b, self.pool_b(fake_b)),
            }
            self.update("discriminators", **judged)
            losses |= judged
        return {name: loss.detach() for name, loss in losses.items()}

    def _fakes(self, gen: nn.Module, image: Tensor, other: Tensor) -> Fakes:
        """A translation of `image`, an identity image of `other`; further losses have a `<name>_weight`."""
        if not self.config.has_identity:
            return gen(image), None, {}
        return *together(gen, image, other), {}

    def _real_vs_fake(self, disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator loss on real and pooled fake pictures."""
        real_logits, fake_logits = together(disc, real, fake)
        loss = adversarial_discriminator(self.config.adversarial, real_logits, fake_logits)
        if self.config.adversarial == "wgan-gp":
            loss = loss + gradient_penalty(disc, real, fake)
        return loss

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
