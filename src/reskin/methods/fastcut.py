"""FastCUT: CUT without the identity loss; half of the pictures are mirrored before they are translated.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
https://arxiv.org/abs/2007.15651, section 4.1 and appendix C.

From the step in which the learning rate begins to fall, pictures are no longer enlarged and cropped, as in
the paper's code: training ends on whole pictures, as they come in a translation.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.contrastive import patch_nce
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.antialias import BlurDownsample
from reskin.networks.cut import CutGenerator
from reskin.networks.init import Init, initialise
from reskin.networks.patch_projection import PatchProjection, draw_locations, mirror_locations
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step


class FastCUTConfig(MethodConfig):
    """Settings of FastCUT; the defaults are the paper's."""

    renamed = {"patches": "num_patches", "mirror_chance": "flip_probability"}

    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generator's adversarial loss; 0 for none, with no discriminator."""
    nce_weight: float = Field(default=10.0, ge=0)
    """Weight of the PatchNCE loss between a picture and its translation (lambda_X in eq. 5)."""
    flip_probability: float = Field(default=0.5, ge=0, le=1)
    """Probability that a picture is mirrored before translation, and its features after it."""
    temperature: float = Field(default=0.07, gt=0)
    """Softmax temperature of the InfoNCE loss (tau); a lower one punishes hard negatives more."""
    num_patches: int = Field(default=256, ge=2)
    """Patches sampled from each feature layer of a picture, anew in every step."""
    adversarial: Literal["lsgan", "bce", "hinge"] = "lsgan"
    """Form of the adversarial loss: least squares (the paper), cross-entropy or hinge."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of generator and discriminator."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks in the generator; features are taken behind the first and the fifth."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of the patch discriminator."""
    init: Init = "xavier"
    """Initialisation of the weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Standard deviation or scale of the initial weights."""

    @model_validator(mode="after")
    def _can_be_learnt(self) -> Self:
        if not (self.adversarial_weight or self.nce_weight):
            raise ValueError("adversarial_weight and nce_weight are both 0: nothing would be learnt")
        return self


class FastCUT(Method):
    """A generator (G), a discriminator (D) and a projection of features (H in the paper, F in its code)."""

    Config = FastCUTConfig
    config: FastCUTConfig
    title = "FastCUT"
    paper = "Park et al. 2020"
    good_for = "one direction in the least time; keeps shapes more firmly than CUT, changes the style less"
    adversary = Adversary(("disc_b",), ("discriminator",), setting="adversarial")
    advice = {
        "inverted": ("lower init_gain",),
        "copy": ("lower nce_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher nce_weight",),
        "discriminator_won": ("fewer disc_layers", "another adversarial"),
        "overfitting": ("lower width",),
    }
    directions: tuple[Direction, ...] = ("a2b",)
    size_multiple = 4
    whole_when_rate_falls = True
    defaults = {"epochs": 200, "decay_epochs": 50}

    def __init__(self, config: FastCUTConfig) -> None:
        super().__init__(config)
        self.gen_a2b = CutGenerator(config.width, config.blocks)
        self.disc_b = patch_discriminator(config.width, config.disc_layers, shrink=BlurDownsample)
        self.projection = PatchProjection(self.gen_a2b.tap_channels)
        for network in (self.gen_a2b, self.disc_b, self.projection):
            initialise(network, config.init, config.init_gain)
        self.add_optimizer("generator", self.gen_a2b, self.projection)
        self.add_optimizer("discriminator", self.disc_b)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        is_mirrored = torch.rand(len(a), device=a.device) < c.flip_probability
        fake_b, taps = self._translate(a, is_mirrored)

        losses, terms = {}, {}
        if c.adversarial_weight:
            real_logits, fake_logits = together(self.disc_b, b, fake_b.detach())
            judged = adversarial_discriminator(c.adversarial, real_logits, fake_logits)
            self.update("discriminator", discriminator=judged)
            losses["discriminator"] = judged

        with frozen(self.disc_b):
            if c.adversarial_weight:
                losses["adversarial"] = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                terms["adversarial"] = c.adversarial_weight * losses["adversarial"]
            if c.nce_weight:
                losses["nce"] = self._nce(fake_b, taps, is_mirrored)
                terms["nce"] = c.nce_weight * losses["nce"]
            self.update("generator", **terms)
        return {name: loss.detach() for name, loss in losses.items()}

    def _translate(self, a: Tensor, is_mirrored: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Translations of the pictures, some mirrored first, and the features of the pictures as they are.

        The features come from a pass of their own, without gradients, since they are those of other pictures:
        which ones are mirrored is known on the device alone.
        """
        if not self.config.nce_weight:
            taps: dict[str, Tensor] = {}
        elif not self.config.flip_probability:
            return self.gen_a2b.translate_and_tap(a)
        else:
            with torch.no_grad():
                taps = self.gen_a2b.tap(a)
        return self.gen_a2b(torch.where(is_mirrored[:, None, None, None], a.flip(-1), a)), taps

    def _nce(self, fake_b: Tensor, taps: dict[str, Tensor], is_mirrored: Tensor) -> Tensor:
        """The contrastive loss; queries are read where a mirrored picture shows what the keys are of."""
        locations = draw_locations(taps, self.config.num_patches)
        with torch.no_grad():
            keys = self.projection(taps, locations)
        queries = self.projection(self.gen_a2b.tap(fake_b), mirror_locations(locations, taps, is_mirrored))
        return patch_nce(queries, keys, temperature=self.config.temperature)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.gen_a2b(images)
