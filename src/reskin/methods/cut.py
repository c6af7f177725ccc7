"""CUT: one direction; a contrastive loss ties each patch of a translation to the same patch of its input.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
https://arxiv.org/abs/2007.15651.

From the step in which the learning rate begins to fall, pictures are no longer enlarged and cropped, as in
the paper's code: training ends on whole pictures, as they come in a translation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from reskin.losses.adversarial import adversarial_generator
from reskin.losses.contrastive import patch_nce
from reskin.losses.equivariance import add_noise, equivariance, random_warp
from reskin.methods.base import Preset, frozen
from reskin.methods.contrastive import ContrastiveConfig, ContrastiveMethod
from reskin.networks.cut import Antialias
from reskin.networks.patch_projection import draw_locations
from reskin.networks.together import together
from reskin.types import Batch, Step

Shown = tuple[Tensor, dict[str, Tensor]]
"""Pictures that the generator made, and the features of those it made them of."""


class CUTConfig(ContrastiveConfig):
    """Settings of CUT; the defaults are the paper's."""

    identity_weight: float = Field(default=1.0, ge=0)
    """Weight of the PatchNCE loss of the identity image gen_a2b(b), as a share of the nce weight; the two are
    averaged, each by its share. 0 for none."""
    antialias: Antialias = "both"
    """Where the generator blurs so that its output moves with its input: at both changes of size (the paper),
    or only where it halves (down) or doubles (up)."""
    equivariance_weight: float = Field(default=0.0, ge=0)
    """Weight of the equivariance loss: the translation of a slightly warped and noisy picture is the warped
    translation, so that films hold still; 0 for none (the paper), 5 in preset steady."""


class CUT(ContrastiveMethod):
    """A generator (G), a discriminator (D) and a projection of features (H in the paper, F in its code)."""

    Config = CUTConfig
    config: CUTConfig
    title = "CUT"
    good_for = (
        "one direction, in less memory than CycleGAN and on a GPU in less time; shapes may change a little"
    )
    advice = {
        "inverted": ("higher identity_weight", "lower init_gain"),
        "copy": ("lower identity_weight", "lower nce_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher nce_weight",),
        "discriminator_won": ("fewer disc_layers", "another adversarial"),
        "overfitting": ("lower width",),
    }
    defaults = {"epochs": 400, "decay_epochs": 200}
    presets = {
        "steady": Preset(
            "For films: pictures that move a little are translated alike.", {"equivariance_weight": 5.0}
        )
    }

    def __init__(self, config: CUTConfig) -> None:
        super().__init__(config, antialias=config.antialias)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        translate = self.gen_a2b.translate_and_tap
        warp = random_warp(a) if c.equivariance_weight else None
        inputs = [a, *([b] if self._has_identity else []), *([add_noise(warp(a))] if warp else [])]
        shown = together(translate, *inputs)
        fake_b = shown[0][0]

        losses, terms = self.teach_discriminator(b, fake_b), {}
        with frozen(self.disc_b):
            if c.adversarial_weight:
                losses["adversarial"] = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                terms["adversarial"] = c.adversarial_weight * losses["adversarial"]
            if c.nce_weight:
                share = c.nce_weight / (1 + c.identity_weight)
                weights = {"nce": share, "identity": share * c.identity_weight}
                for name, loss in zip(
                    weights, self._nce_losses(shown[: 1 + self._has_identity]), strict=False
                ):
                    losses[name], terms[name] = loss, weights[name] * loss
            if warp:
                losses["equivariance"] = equivariance(fake_b, shown[-1][0], warp)
                terms["equivariance"] = c.equivariance_weight * losses["equivariance"]
            self.update("generator", **terms)
        return {name: loss.detach() for name, loss in losses.items()}

    @property
    def _has_identity(self) -> bool:
        return bool(self.config.nce_weight and self.config.identity_weight)

    def _nce_losses(self, shown: Sequence[Shown]) -> list[Tensor]:
        """The PatchNCE loss of each batch: of the translations, then of the identity images."""
        made = [images for images, _ in shown]
        tapped = together(self.gen_a2b.tap, *made)
        return [self._nce(of_made, taps) for of_made, (_, taps) in zip(tapped, shown, strict=True)]

    def _nce(self, of_made: dict[str, Tensor], taps: dict[str, Tensor]) -> Tensor:
        """Queries from what was made, keys from the features it was made of, at the same random locations."""
        locations = draw_locations(taps, self.config.num_patches)
        with torch.no_grad():
            keys = self.projection(taps, locations)
        return patch_nce(self.projection(of_made, locations), keys, temperature=self.config.temperature)
