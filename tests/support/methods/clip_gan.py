"""A tiny method that learns from clips of three frames: its generator is steadied by a predictor.

The terms are those of Recycle-GAN (Bansal et al. 2018, https://arxiv.org/abs/1808.05174) with networks of one
layer; it is found as a method where `tests.support.methods` is on the path of `reskin.methods`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.methods.translator import Stream
from reskin.networks.image_pool import ImagePool
from reskin.types import Batch, Direction, Step


class Fading(Stream):
    """Half of each frame is what came before: a video is not what its frames are one by one."""

    def __init__(self, model: ClipGAN, direction: Direction) -> None:
        super().__init__(model, direction)
        self.before: Tensor | None = None

    def step(self, frame: Tensor) -> Tensor:
        made = self.model.translate(frame, self.direction)
        self.before = made if self.before is None else (made + self.before) / 2
        return self.before

    def reset(self) -> None:
        self.before = None


class ClipGAN(Method):
    """One generator, a predictor of B's next frame, and a discriminator that sees whole clips."""

    title = "Clip GAN"
    paper = "Nobody 2026"
    good_for = "tests"
    directions = ("a2b",)
    adversary = Adversary(("disc_b",), ("discriminator",), objective="lsgan")
    clip_length = 3
    defaults = {"batch": 2}

    def __init__(self, config: MethodConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.predictor = nn.Conv2d(3, 3, 1), nn.Conv2d(6, 3, 1)
        self.disc_b, self.pool = nn.Conv3d(3, 1, (1, 4, 4), stride=(1, 4, 4)), ImagePool(2)
        self.add_optimizer("generator", self.gen_a2b, self.predictor)
        self.add_optimizer("discriminator", self.disc_b)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        length = batch.a.shape[1]
        assert batch.a.dim() == batch.b.dim() == 5 and length == self.clip_length
        fake = self.gen_a2b(batch.a.flatten(0, 1)).unflatten(0, (-1, length))  # (N, T, 3, H, W)
        with frozen(self.disc_b):
            adversarial = adversarial_generator("lsgan", self.judge(fake))
            cycle = l1(self.predictor(fake[:, :2].flatten(1, 2)), fake[:, 2])
            recurrent = l1(self.predictor(batch.b[:, :2].flatten(1, 2)), batch.b[:, 2])
            self.update("generator", adversarial=adversarial, cycle=cycle, recurrent=recurrent)
        old = self.pool(fake.detach())
        discriminator = adversarial_discriminator("lsgan", self.judge(batch.b), self.judge(old))
        self.update("discriminator", discriminator=discriminator)
        losses = {"adversarial": adversarial, "cycle": cycle, "recurrent": recurrent}
        return {k: v.detach() for k, v in (losses | {"discriminator": discriminator}).items()}

    def judge(self, clips: Tensor) -> Tensor:
        return self.disc_b(clips.transpose(1, 2))

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return torch.tanh(self.gen_a2b(images))

    def stream(self, direction: Direction) -> Fading:
        return Fading(self, direction)
