"""A plain GAN: the counter-example, which matches the look of a pile of pictures and nothing else.

Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, https://arxiv.org/abs/1406.2661; from noise
with the networks of Radford et al., ICLR 2016, https://arxiv.org/abs/1511.06434.
"""

from __future__ import annotations

import zlib
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.dcgan import SIDE, dcgan_discriminator, dcgan_generator
from reskin.networks.init import initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resizing import bilinear
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step


class DistributionGANConfig(MethodConfig):
    """Settings of the plain GAN."""

    source: Literal["picture", "noise"] = "picture"
    """What B is made from: pictures of A (a translation without any cycle) or noise (DCGAN, 64 px)."""
    adversarial: Literal["bce", "lsgan", "hinge"] = "bce"
    """Form of the adversarial loss: cross-entropy (the paper), least squares or hinge."""
    width: int = Field(default=64, ge=1)
    """Channels of the outermost layers of both networks."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks of a generator from pictures: 9 for 256 px, 6 for 128 px."""
    upsample: Upsample = "transposed"
    """How a generator from pictures grows them; nearest or bilinear is a resize-convolution."""
    norm: Norm = "instance"
    """Normalisation in both networks for pictures; DCGAN has its own, batch."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of the discriminator for pictures: 3 give a receptive field of 70 px, 1 of 16 px."""
    noise_size: int = Field(default=100, ge=1)
    """Numbers from N(0, 1) that a picture is made from, where the source is noise."""


class DistributionGAN(Method):
    """One generator, one discriminator and the adversarial objective alone, which other methods add to.

    The objective asks that outputs have the distribution of B. It does not ask which output belongs to which
    input: exchanging the inputs among each other leaves every loss as it is. So the style of B is matched and
    content is not asked for; a cycle, pairs or a content loss are what ties the two. From noise there is no
    content to begin with. From pictures a convolutional generator often keeps it all the same, by its
    architecture and not by its loss, and may give it up at any time.

    From noise, `translate` draws the noise by the bytes of each picture: the same picture always gives the
    same output, another one another, and nothing of what it shows gets through.
    """

    Config = DistributionGANConfig
    config: DistributionGANConfig
    title = "Distribution GAN"
    paper = "Goodfellow et al. 2014, Radford et al. 2016"
    good_for = "a counter-example: the style of B without the content of A"
    adversary = Adversary(("disc_b",), ("discriminator",), setting="adversarial")
    advice = {
        "discriminator_won": ("fewer disc_layers", "another adversarial"),
        "overfitting": ("lower width",),
    }
    directions = ("a2b",)
    presets = {
        "dcgan": Preset(
            "Noise to pictures of 64 px, batch 128.",
            {"source": "noise", "batch": 128, "load_size": 64, "crop_size": 64},
        ),
    }

    def __init__(self, config: DistributionGANConfig) -> None:
        super().__init__(config)
        c = config
        self.gen_a2b: nn.Module
        self.disc_b: nn.Module
        if c.source == "noise":
            self.gen_a2b, self.disc_b = dcgan_generator(c.width, c.noise_size), dcgan_discriminator(c.width)
        else:
            self.gen_a2b = ResnetGenerator(c.width, c.blocks, norm=c.norm, upsample=c.upsample)
            self.disc_b = patch_discriminator(c.width, c.disc_layers, norm=c.norm)
            self.size_multiple = 4
        for network in (self.gen_a2b, self.disc_b):
            initialise(network)
        self.add_optimizer("generator", self.gen_a2b)
        self.add_optimizer("discriminator", self.disc_b)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        kind, is_noise = self.config.adversarial, self.config.source == "noise"
        real = bilinear(batch.b, SIDE, SIDE) if is_noise else batch.b
        fake = self.gen_a2b(self._noise(real)) if is_noise else self.gen_a2b(batch.a)
        judged = adversarial_discriminator(kind, *together(self.disc_b, real, fake.detach()))
        self.update("discriminator", discriminator=judged)

        with frozen(self.disc_b):
            if is_noise:
                fake = self.gen_a2b(self._noise(real))  # the paper draws anew for each of the two
            adversarial = adversarial_generator(kind, self.disc_b(fake))
            self.update("generator", adversarial=adversarial)
        return {"discriminator": judged.detach(), "adversarial": adversarial.detach()}

    def _noise(self, like: Tensor) -> Tensor:
        """Fresh noise for as many pictures as `like` has, on its device."""
        return torch.randn(len(like), self.config.noise_size, device=like.device)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        if self.config.source == "picture":
            return self.gen_a2b(images)
        noise = torch.stack([noise_of(image, self.config.noise_size) for image in images])
        height, width = images.shape[-2:]
        return bilinear(self.gen_a2b(noise.to(images.device)), height, width)


def noise_of(image: Tensor, size: int) -> Tensor:
    """Noise, (size,) on the CPU, that depends on the bytes of one picture and on nothing else.

    >>> noise_of(torch.zeros(3, 4, 4), 2).equal(noise_of(torch.zeros(3, 4, 4), 2))
    True
    """
    seed = zlib.crc32(image.detach().float().cpu().contiguous().numpy().tobytes())
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))
