"""Toy: CycleGAN's objective with one 1x1 convolution for each network, for tests of what surrounds a method.

It has all that a run's state can hold: two optimizers, image pools, dropout, batch norm if asked for.

Zhu et al., ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from reskin.losses.adversarial import Adversarial, adversarial_discriminator, adversarial_generator
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.image_pool import ImagePool
from reskin.types import Batch, Direction, Step


class ToyConfig(MethodConfig):
    """Settings of the toy."""

    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the cycle-consistency loss."""
    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss, as a share of cycle_weight."""
    adversarial: Adversarial = "lsgan"
    """Kind of adversarial loss."""
    pool_size: int = Field(default=50, ge=0)
    """Earlier outputs that a discriminator may be shown."""
    width: int = Field(default=4, ge=1)
    """Channels that a discriminator gives."""
    norm: Literal["none", "batch"] = "none"
    """Normalisation after a generator's convolution."""
    has_dropout: bool = False
    """Leave out a tenth of a generator's values while it learns."""


class Generator(nn.Module):
    """A 1x1 convolution, perhaps a norm and dropout, and a tanh."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3) if config.norm == "batch" else nn.Identity()
        self.dropout = nn.Dropout(0.1 if config.has_dropout else 0.0)

    def forward(self, images: Tensor) -> Tensor:
        return self.dropout(self.norm(self.head(images))).float().tanh()


class Toy(Method):
    """Two generators and two discriminators of one convolution each."""

    Config = ToyConfig
    config: ToyConfig
    title = "Toy"
    paper = "Zhu et al. 2017"
    good_for = "tests"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.gen_b2a = Generator(config), Generator(config)
        self.disc_a, self.disc_b = nn.Conv2d(3, config.width, 1), nn.Conv2d(3, config.width, 1)
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        fake_b, fake_a = self.gen_a2b(a), self.gen_b2a(b)
        fool = partial(adversarial_generator, c.adversarial)
        judge = partial(adversarial_discriminator, c.adversarial)
        with frozen(self.disc_a, self.disc_b):
            adversarial = fool(self.disc_b(fake_b)) + fool(self.disc_a(fake_a))
            cycle = F.l1_loss(self.gen_b2a(fake_b), a) + F.l1_loss(self.gen_a2b(fake_a), b)
            identity = F.l1_loss(self.gen_a2b(b), b) + F.l1_loss(self.gen_b2a(a), a)
            weight = c.cycle_weight
            self.update(
                "generators",
                adversarial=adversarial,
                cycle=weight * cycle,
                identity=weight * c.identity_weight * identity,
            )
        of_a = judge(self.disc_a(a), self.disc_a(self.pool_a(fake_a.detach())))
        of_b = judge(self.disc_b(b), self.disc_b(self.pool_b(fake_b.detach())))
        self.update("discriminators", discriminator_a=of_a, discriminator_b=of_b)
        losses = {"adversarial": adversarial, "cycle": cycle, "identity": identity}
        losses |= {"discriminator_a": of_a, "discriminator_b": of_b}
        return {name: loss.detach() for name, loss in losses.items()}

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
