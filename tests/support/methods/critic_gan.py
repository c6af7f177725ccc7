"""A GAN of two tiny layers whose discriminator and losses have other names than usual."""

from __future__ import annotations

from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.types import Batch, Direction, Step


class CriticGAN(Method):
    """One generator and one critic, least squares."""

    title = "Critic GAN"
    paper = "Nobody 2026"
    good_for = "tests"
    directions = ("a2b",)
    adversary = Adversary(("critic",), ("judgement",), ("deceit",), objective="lsgan")

    def __init__(self, config: MethodConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.critic = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 4, stride=4)
        self.add_optimizer("generator", self.gen_a2b)
        self.add_optimizer("critic", self.critic)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        fake = self.gen_a2b(batch.a)
        with frozen(self.critic):
            deceit = adversarial_generator("lsgan", self.critic(fake))
            self.update("generator", deceit=deceit)
        judgement = adversarial_discriminator("lsgan", self.critic(batch.b), self.critic(fake.detach()))
        self.update("critic", judgement=judgement)
        return {"deceit": deceit.detach(), "judgement": judgement.detach()}

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.gen_a2b(images).clamp(-1, 1)
