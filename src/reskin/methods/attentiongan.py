"""AttentionGAN: CycleGAN whose generators blend new content with the input, by attention masks.

Tang et al., "AttentionGAN: Unpaired Image-to-Image Translation using Attention-Guided Generative Adversarial
Networks", TNNLS 2021, https://arxiv.org/abs/1911.11897; version 1: "Attention-Guided Generative Adversarial
Networks for Unsupervised Image-to-Image Translation", IJCNN 2019, https://arxiv.org/abs/1903.12296.

Not in the papers: masks may be given for training, such as passes of a renderer, and the attention masks
learn to agree with them (mask_weight).
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, Preset, frozen
from reskin.methods.masked import Masked, MaskedConfig, missed
from reskin.networks.attention_generator import Attended, AttentionGenerator, OneMaskGenerator
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.together import together
from reskin.networks.tower import tower_discriminator
from reskin.precision import at_least_float32
from reskin.types import Batch, Direction, Step


class AttentionGANConfig(MaskedConfig):
    """Settings of AttentionGAN; the defaults are version 2 as published."""

    version: Literal["v2", "v1"] = "v2"
    """Generator: v2 has nine contents and ten attention masks, v1 one of each (its losses: --preset v1)."""
    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the cycle-consistency loss |gen_b2a(gen_a2b(a)) - a|, in both directions."""
    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss |gen_a2b(b) - b|, as a share of cycle_weight; 0 for none."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generators' adversarial loss; 0 for none."""
    pixel_weight: float = Field(default=0.0, ge=0)
    """Weight of the pixel loss |gen_a2b(a) - a| (version 1); 0 for none."""
    tv_weight: float = Field(default=0.0, ge=0)
    """Weight of the total variation of the attention mask, summed (version 1); 0 for none."""
    is_balanced: bool = False
    """Weigh the adversarial loss to the others 99 to 1 in the first twentieth of the steps, then evenly
    (version 1)."""
    adversarial: Literal["lsgan", "bce", "hinge"] = "lsgan"
    """Form of the adversarial loss: least squares (the paper), cross-entropy or hinge."""
    pool_size: int = Field(default=50, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of every network."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks in a generator: 9 in version 2, 6 in version 1."""
    upsample: Upsample = "transposed"
    """Upsampling in version 2: a transposed convolution, or a nearest or bilinear resize-convolution."""
    norm: Norm = "instance"
    """Normalisation in all networks: instance in version 2, batch in version 1."""
    discriminator: Literal["patch", "tower"] = "patch"
    """PatchGAN, or the tower of version 1, which gives one logit for a whole picture."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of a discriminator: a patch one has a receptive field of 70 px with 3, 16 px with 1."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "normal"
    """Initialisation of the weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Standard deviation or scale of the initial weights."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.cycle_weight or self.pixel_weight or self.tv_weight):
            weights = "adversarial_weight, cycle_weight, pixel_weight and tv_weight"
            raise ValueError(f"{weights} are all 0: nothing would be learnt")
        return self


class AttentionGAN(Masked, Method):
    """Two generators that draw contents and masks (C, A, G_C, G_A, G_B in the paper), two discriminators."""

    Config = AttentionGANConfig
    config: AttentionGANConfig
    title = "AttentionGAN"
    paper = "Tang et al. 2019"
    good_for = "changing one thing in a picture and leaving the rest as it is; gives the attention mask"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")
    advice = {
        "inverted": ("higher identity_weight", "lower init_gain"),
        "copy": (
            "lower cycle_weight",
            "lower identity_weight",
            "lower pixel_weight",
            "higher adversarial_weight",
        ),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("fewer disc_layers", "higher pool_size", "another adversarial"),
        "overfitting": ("lower width",),
    }
    presets = {
        "batch4": Preset("The published script.", {"batch": 4, "epochs": 60, "decay_epochs": 0}),
        "selfie2anime": Preset("Faces to drawn ones.", {"batch": 4, "epochs": 200, "decay_epochs": 100}),
        "v1": Preset(
            "Version 1 at 256 px: one mask, losses on mask and pixels, batch norm, tower discriminators.",
            {
                "version": "v1",
                "norm": "batch",
                "blocks": 6,
                "discriminator": "tower",
                "disc_layers": 4,
                "load_size": 256,
                "adversarial_weight": 0.5,
                "identity_weight": 0.0,
                "pixel_weight": 1.0,
                "tv_weight": 1e-6,
                "is_balanced": True,
                "learning_rate": 1e-4,
            },
        ),
    }

    def __init__(self, config: AttentionGANConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.gen_b2a = self._generator(), self._generator()
        self.disc_a, self.disc_b = self._discriminator(), self._discriminator()
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.size_multiple = 4
        self.same_every_step = not (config.is_balanced or config.mask_weight)
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b)

    def _generator(self) -> nn.Module:
        c = self.config
        network = (
            OneMaskGenerator(c.width, c.blocks, norm=c.norm)
            if c.version == "v1"
            else AttentionGenerator(c.width, c.blocks, norm=c.norm, upsample=c.upsample)
        )
        return initialise(network, c.init, c.init_gain)

    def _discriminator(self) -> nn.Module:
        c = self.config
        make = tower_discriminator if c.discriminator == "tower" else patch_discriminator
        return initialise(make(c.width, c.disc_layers, norm=c.norm), c.init, c.init_gain)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        made_b, same_b = self._fakes(self.gen_a2b, a, b)
        made_a, same_a = self._fakes(self.gen_b2a, b, a)
        fake_b, fake_a = made_b.picture, made_a.picture

        losses = {}
        with frozen(self.disc_a, self.disc_b):
            if c.adversarial_weight:
                fooled_b = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                fooled_a = adversarial_generator(c.adversarial, self.disc_a(fake_a))
                losses["adversarial"] = fooled_b + fooled_a
            if c.cycle_weight:
                losses["cycle"] = l1(self.gen_b2a(fake_b).picture, a) + l1(self.gen_a2b(fake_a).picture, b)
            if same_a is not None and same_b is not None:
                losses["identity"] = l1(same_a, a) + l1(same_b, b)
            if c.pixel_weight:
                losses["pixel"] = l1(fake_b, a) + l1(fake_a, b)
            if c.tv_weight:
                losses["tv"] = _variation(made_b.background) + _variation(made_a.background)
            if c.mask_weight:
                shown = ((made_b, batch.mask_a), (made_a, batch.mask_b))
                masks = [missed(made.background, mask) for made, mask in shown if mask is not None]
                losses["mask"] = torch.stack([*masks, a.new_zeros(())]).sum()
            weights = self._weights(step)
            self.update("generators", **{name: weights[name] * loss for name, loss in losses.items()})

        if c.adversarial_weight:
            judged = {
                "discriminator_a": self._real_vs_fake(self.disc_a, a, self.pool_a(fake_a)),
                "discriminator_b": self._real_vs_fake(self.disc_b, b, self.pool_b(fake_b)),
            }
            share = 0.5 if c.version == "v1" else 1.0  # a quarter of the four terms instead of a half
            self.update("discriminators", **{name: share * loss for name, loss in judged.items()})
            losses |= judged
        # Near 1 the output is the input, near 0 this is CycleGAN: worth a look, but nothing is taught by it.
        losses["background"] = (made_b.background.mean() + made_a.background.mean()) / 2
        return {name: loss.detach() for name, loss in losses.items()}

    def _fakes(self, gen: nn.Module, image: Tensor, other: Tensor) -> tuple[Attended, Tensor | None]:
        """The translation of `image`, and the identity image of `other`; None where that loss is off."""
        c = self.config
        if not (c.identity_weight and c.cycle_weight):
            return gen(image), None
        made, same = together(gen, image, other)
        return made, same.picture

    def _weights(self, step: Step) -> dict[str, float]:
        """Weight of each loss in this step."""
        c = self.config
        adversarial, rest = 1.0, 1.0
        if c.is_balanced:
            rest = 0.01 if step.number <= 0.05 * step.total else 0.5
            adversarial = 1 - rest
        return {
            "adversarial": adversarial * c.adversarial_weight,
            "tv": adversarial * c.tv_weight,
            "cycle": rest * c.cycle_weight,
            "pixel": rest * c.pixel_weight,
            "identity": rest * c.cycle_weight * c.identity_weight,
            "mask": rest * c.mask_weight,
        }

    def _real_vs_fake(self, disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator loss on real and pooled fake pictures."""
        return adversarial_discriminator(self.config.adversarial, *together(disc, real, fake))

    def generate_with_masks(self, images: Tensor, direction: Direction) -> tuple[Tensor, Tensor]:
        made: Attended = (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
        return made.picture.clamp(-1, 1), 1 - made.background  # the contents of version 1 may go beyond


def _variation(mask: Tensor) -> Tensor:
    """Total variation of (N, 1, H, W): differences of adjacent pixels, summed, mean over pictures.

    The published code repeats the mask to three channels before it sums.
    """
    mask = at_least_float32(mask)
    return 3 * (mask.diff(dim=2).abs().sum() + mask.diff(dim=3).abs().sum()) / len(mask)
