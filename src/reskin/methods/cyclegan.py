"""CycleGAN: two generators tied by a cycle-consistency loss.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from reskin.losses.equivariance import add_noise, equivariance, random_warp
from reskin.methods.base import Preset
from reskin.methods.cycle import CycleConfig, CycleMethod, Fakes
from reskin.networks.together import together

GOT = {"batch": 8, "epochs": 200, "decay_epochs": 100, "save_every": 5, "learning_rate": 2e-4}
"""Castles of a series and buildings: 100 + 100 epochs at batch 8, a checkpoint every 5."""

TABLES = {"identity_weight": 0.0, "blocks": 6, "load_size": 143, "crop_size": 128}
"""What the five runs of tables 4 and 5 share: Cityscapes at 128 px, no identity loss."""


class CycleGANConfig(CycleConfig):
    """Settings of CycleGAN; the defaults are the paper's."""

    equivariance_weight: float = Field(default=0.0, ge=0)
    """Weight of the equivariance loss: the translation of a slightly warped and noisy picture is the warped
    translation, in both directions, so that films hold still; 0 for none (the paper), 5 in preset steady."""


class CycleGAN(CycleMethod):
    """Two generators and two discriminators (G, F, D_Y, D_X in the paper)."""

    Config = CycleGANConfig
    config: CycleGANConfig
    size_multiple = 4
    title = "CycleGAN"
    paper = "Zhu et al. 2017"
    good_for = "any two domains whose shapes agree; the reference that others are compared with"
    presets = {
        "got_castle2building": Preset(
            "Castles of a series and real buildings: 273 and 924 pictures (or 2148 and 1948), batch 8.", GOT
        ),
        "got2fixers": Preset(
            "A series and a renovation show: every 100th frame, 6168 and 7372 of 640x360, not squeezed.",
            GOT | {"preprocess": "scale_width_and_crop"},
        ),
        "cycle_alone": Preset("Tables 4 and 5: no adversarial loss.", TABLES | {"adversarial_weight": 0.0}),
        "gan_alone": Preset("Tables 4 and 5: no cycle.", TABLES | {"cycle_weight": 0.0}),
        "gan_forward": Preset("Tables 4 and 5: only the cycle A, B, A.", TABLES | {"backward_cycle": 0.0}),
        "gan_backward": Preset("Tables 4 and 5: only the cycle B, A, B.", TABLES | {"forward_cycle": 0.0}),
        "full": Preset("Tables 4 and 5: adversarial loss and both cycles.", TABLES),
        "steady": Preset("For films: what moves a little is translated alike.", {"equivariance_weight": 5.0}),
    }

    def _fakes(self, gen: nn.Module, image: Tensor, other: Tensor) -> Fakes:
        if not self.config.equivariance_weight:
            return super()._fakes(gen, image, other)
        warp = random_warp(image)
        inputs = [image, *([other] if self.config.has_identity else []), add_noise(warp(image))]
        fake, *same, of_warped = together(gen, *inputs)
        return fake, same[0] if same else None, {"equivariance": equivariance(fake, of_warped, warp)}
