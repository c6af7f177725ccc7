"""CoGAN: two generators with common layers make pairs from noise; a translation is a code found backwards.

Liu and Tuzel, "Coupled Generative Adversarial Networks", NeurIPS 2016, https://arxiv.org/abs/1606.07536.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.methods.searching import Searching
from reskin.networks.blocks import Norm
from reskin.networks.cogan import NOISE_SIZE, invert, picture_discriminators, picture_generators
from reskin.networks.init import initialise
from reskin.networks.resizing import bilinear
from reskin.types import Batch, Direction, Domain, Step


class CoGANConfig(MethodConfig):
    """Settings of CoGAN; the defaults are those of the paper's networks for faces."""

    picture_size: Literal[32, 64, 128, 256] = 128
    """Height and width of generated pictures, px; what comes in is resized to it, and the output back."""
    width: int = Field(default=32, ge=1)
    """Channels at full size, doubled at each downsampling, in every network."""
    sharing: float = Field(default=2 / 3, ge=0, le=1)
    """Share of layers common to both domains: the first of generators, the last of discriminators."""
    norm: Norm = "batch"
    """Normalisation in all networks: batch (the paper) or instance."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Pull of all weights towards 0, added to the gradient (5e-4 for the paper's digits)."""
    restarts: int = Field(default=4, ge=1)
    """Codes from which the search for a picture's code starts when translating; the best find is used."""
    inversion_steps: int = Field(default=100, ge=1)
    """Steps of L-BFGS from each of them."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "xavier"
    """How weights are drawn at the start."""
    init_gain: float = Field(default=1.0, gt=0)
    """Scale of the weights at the start."""


class CoGAN(Searching, Method):
    """Two generators and two discriminators with common layers (g1, g2, f1, f2 in the paper).

    It never sees which picture belongs to which: that a code means the same in both domains comes from the
    common layers alone, and is lost where the domains differ in more than detail. So it is weak on rich
    pictures, and slow to translate: each picture is a search.
    """

    Config = CoGANConfig
    config: CoGANConfig
    title = "CoGAN"
    paper = "Liu and Tuzel 2016"
    good_for = "making pairs from nothing; as a translator a weak baseline, slow, for small centred pictures"
    adversary = Adversary(("disc",), ("discriminator_a", "discriminator_b"), objective="bce")
    advice = {
        "inverted": ("lower init_gain",),
        "overfitting": ("lower width",),
    }
    defaults = {"batch": 64, "load_size": 143, "crop_size": 128, "schedule": "constant"}

    def __init__(self, config: CoGANConfig) -> None:
        super().__init__(config)
        design = (config.width, config.picture_size)
        self.gen = picture_generators(*design, sharing=config.sharing, norm=config.norm)
        self.disc = picture_discriminators(*design, sharing=config.sharing, norm=config.norm)
        for network in (self.gen, self.disc):
            initialise(network, config.init, config.init_gain)
        self.add_optimizer("generators", self.gen, weight_decay=config.weight_decay)
        self.add_optimizer("discriminators", self.disc, weight_decay=config.weight_decay)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b = self._fitted(batch.a), self._fitted(batch.b)
        with torch.no_grad():
            fake_a, fake_b = self.gen(self._codes(a))
        # Not together: batch norm would tell real from fake by their company.
        real_logits, fake_logits = self.disc(a, b), self.disc(fake_a, fake_b)
        judged = {
            name: 2 * adversarial_discriminator("bce", real, fake)  # the paper's is without the half
            for name, real, fake in zip(
                ("discriminator_a", "discriminator_b"), real_logits, fake_logits, strict=True
            )
        }
        self.update("discriminators", **judged)

        fake_a, fake_b = self.gen(self._codes(a))
        with frozen(self.disc):
            logits_a, logits_b = self.disc(fake_a, fake_b)
            adversarial = adversarial_generator("bce", logits_a) + adversarial_generator("bce", logits_b)
            self.update("generators", adversarial=adversarial)
        return {name: loss.detach() for name, loss in judged.items()} | {"adversarial": adversarial.detach()}

    def _codes(self, images: Tensor) -> Tensor:
        """New noise, one code for each of `images`, uniform in [-1, 1]."""
        return torch.rand(len(images), NOISE_SIZE, device=images.device) * 2 - 1

    def _fitted(self, images: Tensor) -> Tensor:
        """The pictures in the size that the networks know."""
        return bilinear(images, self.config.picture_size, self.config.picture_size)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        """Find the code whose picture of one domain is nearest, and show its picture of the other domain.

        The starts are the same for every picture, so the same picture always has the same translation.
        """
        c, source = self.config, torch.Generator().manual_seed(0)
        starts = (torch.rand(c.restarts, NOISE_SIZE, generator=source) * 2 - 1).to(images.device)
        domains: tuple[Domain, Domain] = ("a", "b") if direction == "a2b" else ("b", "a")
        here, there = domains
        was_training = self.gen.training
        self.gen.eval()  # a search must neither change the statistics of batch norm nor depend on the batch
        try:
            fitted = self._fitted(images)
            codes = [invert(self.gen, image, here, starts, steps=c.inversion_steps) for image in fitted]
            translated = self.gen.one_domain(torch.stack(codes), there)
        finally:
            self.gen.train(was_training)
        return bilinear(translated, *images.shape[-2:]).clamp(-1, 1)
