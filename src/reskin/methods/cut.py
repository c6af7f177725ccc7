"""CUT: one way only; each patch of a translation must be recognised as the same patch of its original.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
https://arxiv.org/abs/2007.15651.

The paper's code stops enlarging and cropping pictures when the learning rate begins to fall; here they are
prepared alike throughout.
"""

from __future__ import annotations

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from reskin.losses.adversarial import Adversarial, adversarial_discriminator, adversarial_generator
from reskin.losses.contrastive import patch_nce
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.init import Init, initialise
from reskin.networks.patch_projection import PatchProjection, draw_places
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import resnet_generator
from reskin.types import Batch, Direction, Step


class CUTConfig(MethodConfig):
    """Settings of CUT; the defaults are the paper's."""

    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generator's adversarial loss; 0 for none, with no discriminator."""
    nce_weight: float = Field(default=1.0, ge=0)
    """Weight of recognising the patches of a picture in its translation (lambda_X in eq. 5)."""
    identity_weight: float = Field(default=1.0, ge=0)
    """The same for a picture of B that the generator should leave alone, as a share of the nce weight; the
    two are averaged, each by its share. 0 for none."""
    temperature: float = Field(default=0.07, gt=0)
    """What likenesses are divided by; less makes close mistakes dearer."""
    patches: int = Field(default=256, ge=2)
    """Patches that are compared at each depth of a picture, drawn anew in every step."""
    adversarial: Adversarial = "lsgan"
    """Form of the adversarial loss: least squares (the paper), cross-entropy or hinge."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of generator and discriminator."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks in the generator; the first and the fifth are compared."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Layers of the patch discriminator that halve the size, the last of them excepted."""
    init: Init = "xavier"
    """How weights are drawn at the start."""
    init_gain: float = Field(default=0.02, gt=0)
    """Spread of the weights at the start."""

    @model_validator(mode="after")
    def _can_be_learnt(self) -> Self:
        if not (self.adversarial_weight or self.nce_weight):
            raise ValueError("adversarial_weight and nce_weight are both 0: nothing would be learnt")
        if self.adversarial == "wgan-gp":
            raise ValueError("adversarial wgan-gp does not fit here: take lsgan, bce or hinge")
        return self


class CUT(Method):
    """A generator (G), a discriminator (D) and what projects features (H in the paper, F in its code)."""

    Config = CUTConfig
    config: CUTConfig
    title = "CUT"
    paper = "Park et al. 2020"
    good_for = "one direction, in less time and memory than CycleGAN; shapes may change a little"
    adversary = Adversary(("disc_b",), ("discriminator",), setting="adversarial")
    advice = {
        "inverted": ("higher identity_weight", "lower init_gain"),
        "copy": ("lower identity_weight", "lower nce_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher nce_weight",),
        "discriminator_won": ("fewer disc_layers", "another adversarial"),
        "overfitting": ("lower width",),
    }
    directions: tuple[Direction, ...] = ("a2b",)
    size_multiple = 4
    defaults = {"epochs": 400, "decay_epochs": 200}

    def __init__(self, config: CUTConfig) -> None:
        super().__init__(config)
        self.gen_a2b = resnet_generator(config.width, config.blocks, antialias=True)
        self.disc_b = patch_discriminator(config.width, config.disc_layers, antialias=True)
        self.projection = PatchProjection(self.gen_a2b.tap_channels)
        for network in (self.gen_a2b, self.disc_b, self.projection):
            initialise(network, config.init, config.init_gain)
        self.add_optimizer("generator", self.gen_a2b, self.projection)
        self.add_optimizer("discriminator", self.disc_b)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        has_identity = bool(c.nce_weight and c.identity_weight)
        shown = torch.cat([a, b]) if has_identity else a
        made, taps = self.gen_a2b.translate_and_tap(shown)
        fake_b = made[: len(a)]

        losses, terms = {}, {}
        if c.adversarial_weight:
            real_logits, fake_logits = self.disc_b(torch.cat([b, fake_b.detach()])).chunk(2)
            judged = adversarial_discriminator(c.adversarial, real_logits, fake_logits)
            self.update("discriminator", discriminator=judged)
            losses["discriminator"] = judged

        with frozen(self.disc_b):
            if c.adversarial_weight:
                losses["adversarial"] = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                terms["adversarial"] = c.adversarial_weight * losses["adversarial"]
            if c.nce_weight:
                queries, keys = self._vectors(made, taps)
                losses["nce"] = self._nce(queries, keys, slice(len(a)))
                share = c.nce_weight / (1 + c.identity_weight)
                terms["nce"] = share * losses["nce"]
            if has_identity:
                losses["identity"] = self._nce(queries, keys, slice(len(a), None))
                terms["identity"] = share * c.identity_weight * losses["identity"]
            self.update("generator", **terms)
        return {name: loss.detach() for name, loss in losses.items()}

    def _vectors(self, made: Tensor, taps: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Queries from what was made and keys from the features it was made of, at the same random places."""
        places = draw_places(taps, self.config.patches)
        with torch.no_grad():
            keys = self.projection(taps, places)
        return self.projection(self.gen_a2b.tap(made), places), keys

    def _nce(self, queries: list[Tensor], keys: list[Tensor], part: slice) -> Tensor:
        """The contrastive loss of some of the pictures."""
        return patch_nce(
            [query[part] for query in queries],
            [key[part] for key in keys],
            temperature=self.config.temperature,
        )

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.gen_a2b(images)
