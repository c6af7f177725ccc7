"""FastCUT: CUT without the identity loss; half of the pictures are mirrored before they are translated.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
https://arxiv.org/abs/2007.15651, section 4.1 and appendix C.

From the step in which the learning rate begins to fall, pictures are no longer enlarged and cropped, as in
the paper's code: training ends on whole pictures, as they come in a translation.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from reskin.losses.adversarial import adversarial_generator
from reskin.losses.contrastive import patch_nce
from reskin.methods.base import frozen
from reskin.methods.contrastive import ContrastiveConfig, ContrastiveMethod
from reskin.networks.patch_projection import draw_locations, mirror_locations
from reskin.types import Batch, Step


class FastCUTConfig(ContrastiveConfig):
    """Settings of FastCUT; the defaults are the paper's."""

    renamed = {"patches": "num_patches", "mirror_chance": "flip_probability"}

    nce_weight: float = Field(default=10.0, ge=0)
    """Weight of the PatchNCE loss between a picture and its translation (lambda_X in eq. 5)."""
    flip_probability: float = Field(default=0.5, ge=0, le=1)
    """Probability that a picture is mirrored before translation, and its features after it."""


class FastCUT(ContrastiveMethod):
    """A generator (G), a discriminator (D) and a projection of features (H in the paper, F in its code)."""

    Config = FastCUTConfig
    config: FastCUTConfig
    title = "FastCUT"
    good_for = "one direction in the least time; keeps shapes more firmly than CUT, changes the style less"
    advice = {
        "inverted": ("lower init_gain",),
        "copy": ("lower nce_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher nce_weight",),
        "discriminator_won": ("fewer disc_layers", "another adversarial"),
        "overfitting": ("lower width",),
    }
    defaults = {"epochs": 200, "decay_epochs": 50}

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        is_mirrored = torch.rand(len(a), device=a.device) < c.flip_probability
        fake_b, taps = self._translate(a, is_mirrored)

        losses, terms = self.teach_discriminator(b, fake_b), {}
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
