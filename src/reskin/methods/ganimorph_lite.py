"""GANimorph lite: a reduced GANimorph for faces and frames of films and games, for little data and one GPU.

It follows Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV
2018, https://arxiv.org/abs/1808.04325, with an eighth of the weights. The discriminator is known from its
count of weights; the generator's figure is lost and its layout inferred.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.losses.structural import ms_ssim
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.networks.blocks import Upsample
from reskin.networks.concatenating import InstanceNorm
from reskin.networks.dilated import DilatedDiscriminator
from reskin.networks.ganimorph_lite import Layout, LiteGenerator
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import initialise
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

REPORT = {
    "load_size": 128,
    "crop_size": 128,
    "schedule": "constant",
    "augment": "one_of_five",
    "flip": False,
    "brightness": 0.2,
    "contrast": 0.2,
    "saturation": 0.2,
    "hue": 0.05,
}
"""What both runs of the report share, beside the defaults of the settings below; the strengths of the changes
of colour are ours."""

FRAMES = {"epochs": 40, "adversarial_weight": 0.5, "cycle_weight": 0.3, "input_l1_weight": 0.2}


class GANimorphLiteConfig(MethodConfig):
    """Settings of GANimorph lite; the defaults are for faces of a film and of a game, 800 pictures each."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of Adam for the generators; try 2e-4 with a resize-convolution."""
    disc_learning_rate: float = Field(default=1e-4, gt=0)
    """Step size of Adam for the discriminators."""
    adversarial_weight: float = Field(default=0.7, ge=0)
    """Weight of the adversarial loss; the three weights add up to 1."""
    cycle_weight: float = Field(default=0.2, ge=0)
    """Weight of the cycle-consistency loss 1 - MS-SSIM(gen_b2a(gen_a2b(a)), a); 0 for none."""
    input_l1_weight: float = Field(default=0.1, ge=0)
    """Weight of the input L1 |a - gen_a2b(a)|, the picture against its own translation; 0 for none."""
    input_l1_of: Literal["source", "target"] = "source"
    """Pictures of that term: source, those that are translated (the report); target, those of the other
    domain, which are to stay as they are (CycleGAN's identity loss)."""
    pool_size: int = Field(default=0, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none, try 50."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of the generators."""
    disc_width: int = Field(default=32, ge=1)
    """Half the channels after the first layer of a discriminator."""
    upsample: Upsample = "transposed"
    """Upsampling: a transposed convolution, or a nearest or bilinear resize-convolution."""
    norm: InstanceNorm = "instance"
    """Instance norm without parameters, or affine: with scale and shift, and no biases in convolutions."""
    layout: Layout = "concatenate"
    """Which inferred layout the generators have; add has its blocks and skip elsewhere, 5,742,723 weights."""
    ssim_scales: int = Field(default=5, ge=1, le=5)
    """Scales of MS-SSIM, each half the size of the one before: 5 for 128 px, 3 for 32 px."""
    ssim_window: int = Field(default=7, ge=2)
    """Window of MS-SSIM, px; must fit into the smallest of these sizes (11 from 176 px on)."""
    ssim_shrinks: bool = False
    """Make the window as small as the picture at sizes where it does not fit."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "normal"
    """Initialisation of the weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Standard deviation or scale of the initial weights."""

    @model_validator(mode="after")
    def _weights_share(self) -> Self:
        total = self.adversarial_weight + self.cycle_weight + self.input_l1_weight
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"adversarial_, cycle_ and input_l1_weight add up to {total:g}, not 1: give all three, "
                "such as --adversarial-weight 0.7 --cycle-weight 0.2 --input-l1-weight 0.1"
            )
        return self


class GANimorphLite(Method):
    """Two small generators and two dilated discriminators; the generators learn first in a step."""

    Config = GANimorphLiteConfig
    config: GANimorphLiteConfig
    title = "GANimorph lite"
    paper = "Gokaslan et al. 2018, reduced"
    good_for = "few pictures of 128 px and one small GPU; frames of any size after"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), objective="bce")
    advice = {
        "inverted": ("lower init_gain",),
        "copy": ("lower cycle_weight", "lower input_l1_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("lower disc_width", "higher pool_size"),
        "overfitting": ("lower width",),
    }
    defaults = REPORT | {"epochs": 36}
    presets = {
        "frame_movie_game": Preset(
            "Frames of a film and of a game: 1200 pictures a domain, 40 epochs; did not converge in them.",
            FRAMES,
        ),
    }

    def __init__(self, config: GANimorphLiteConfig) -> None:
        super().__init__(config)
        self.disc_a, self.disc_b = self._discriminator(), self._discriminator()
        self.gen_a2b, self.gen_b2a = self._generator(), self._generator()
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.size_multiple = LiteGenerator.size_multiple
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer(
            "discriminators", self.disc_a, self.disc_b, learning_rate=config.disc_learning_rate
        )

    def _generator(self) -> LiteGenerator:
        c = self.config
        network = LiteGenerator(c.width, upsample=c.upsample, norm=c.norm, layout=c.layout)
        initialise(network, c.init, c.init_gain)
        return network

    def _discriminator(self) -> DilatedDiscriminator:
        c = self.config
        network = DilatedDiscriminator(c.disc_width, downsamplings=2, dilations=(2, 4), norm=c.norm)
        initialise(network, c.init, c.init_gain)
        return network

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        with frozen(self.disc_a, self.disc_b):
            losses, fake_a, fake_b = self._of_generators(a, b)
            self.update(
                "generators", **{name: getattr(c, f"{name}_weight") * loss for name, loss in losses.items()}
            )
        if c.adversarial_weight:
            judged = {
                "discriminator_a": self._real_vs_fake(self.disc_a, a, self.pool_a(fake_a)),
                "discriminator_b": self._real_vs_fake(self.disc_b, b, self.pool_b(fake_b)),
            }
            self.update("discriminators", **judged)
            losses |= judged
        return {name: loss.detach() for name, loss in losses.items()}

    def _of_generators(self, a: Tensor, b: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The generators' losses, summed over both directions, and the two fakes."""
        c, losses = self.config, {}
        (fake_b, kept_b), (fake_a, kept_a) = self._translated(a, b)
        if c.adversarial_weight:
            losses["adversarial"] = adversarial_generator("bce", self.disc_b(fake_b)[0]) + (
                adversarial_generator("bce", self.disc_a(fake_a)[0])
            )
        if c.cycle_weight:
            cycled_a, cycled_b = self.gen_b2a(fake_b), self.gen_a2b(fake_a)
            losses["cycle"] = self._dissimilarity(cycled_a, a) + self._dissimilarity(cycled_b, b)
        if c.input_l1_weight:
            pairs = ((fake_b, a), (fake_a, b)) if c.input_l1_of == "source" else ((kept_b, b), (kept_a, a))
            losses["input_l1"] = l1(*pairs[0]) + l1(*pairs[1])
        return losses, fake_a, fake_b

    def _translated(self, a: Tensor, b: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The fake of each generator, and its identity image where that is to stay as it is."""
        if self.config.input_l1_of == "source" or not self.config.input_l1_weight:
            return (self.gen_a2b(a), b), (self.gen_b2a(b), a)
        return together(self.gen_a2b, a, b), together(self.gen_b2a, b, a)

    def _dissimilarity(self, image: Tensor, reference: Tensor) -> Tensor:
        """1 - MS-SSIM; 0 for equal pictures."""
        c = self.config
        similarity = ms_ssim(
            image, reference, scales=c.ssim_scales, window=c.ssim_window, shrinks=c.ssim_shrinks
        )
        return 1 - similarity.mean()

    def _real_vs_fake(self, disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator loss on real and on fake pictures, added up."""
        (real_logits, _), (fake_logits, _) = together(disc, real, fake)
        return 2 * adversarial_discriminator("bce", real_logits, fake_logits)

    @torch.no_grad()
    def held_out_losses(self, batch: Batch) -> dict[str, Tensor]:
        """The generators' losses on pictures that are not learnt from; a rise is over-fitting."""
        return self._of_generators(batch.a, batch.b)[0]

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
