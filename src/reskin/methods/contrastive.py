"""What CUT and FastCUT share: settings, networks and the discriminator's part of a step.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020,
https://arxiv.org/abs/2007.15651.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from reskin.losses.adversarial import adversarial_discriminator
from reskin.methods.base import Adversary, Method, MethodConfig
from reskin.networks.antialias import BlurDownsample
from reskin.networks.cut import Antialias, CutGenerator
from reskin.networks.init import Init, initialise
from reskin.networks.patch_projection import PatchProjection
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.together import together
from reskin.types import Direction


class ContrastiveConfig(MethodConfig):
    """Settings of CUT and FastCUT; the defaults are CUT's."""

    renamed = {"patches": "num_patches"}

    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generator's adversarial loss; 0 for none, with no discriminator."""
    nce_weight: float = Field(default=1.0, ge=0)
    """Weight of the PatchNCE loss between a picture and its translation (lambda_X in eq. 5)."""
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


class ContrastiveMethod(Method):
    """A generator (G), a discriminator (D) and a projection of features (H in the paper, F in its code)."""

    config: ContrastiveConfig
    paper = "Park et al. 2020"
    adversary = Adversary(("disc_b",), ("discriminator",), setting="adversarial")
    directions: tuple[Direction, ...] = ("a2b",)
    size_multiple = 4
    whole_when_rate_falls = True

    def __init__(self, config: ContrastiveConfig, *, antialias: Antialias = "both") -> None:
        super().__init__(config)
        self.gen_a2b = CutGenerator(config.width, config.blocks, antialias=antialias)
        self.disc_b = patch_discriminator(config.width, config.disc_layers, shrink=BlurDownsample)
        self.projection = PatchProjection(self.gen_a2b.tap_channels)
        for network in (self.gen_a2b, self.disc_b, self.projection):
            initialise(network, config.init, config.init_gain)
        self.add_optimizer("generator", self.gen_a2b, self.projection)
        self.add_optimizer("discriminator", self.disc_b)

    def teach_discriminator(self, b: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """Its loss on pictures of B and on translations, by name, after it has learnt from it; none without
        an adversarial loss."""
        if not self.config.adversarial_weight:
            return {}
        real_logits, fake_logits = together(self.disc_b, b, fake_b.detach())
        judged = adversarial_discriminator(self.config.adversarial, real_logits, fake_logits)
        self.update("discriminator", discriminator=judged)
        return {"discriminator": judged}

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.gen_a2b(images)
