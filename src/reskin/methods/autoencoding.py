"""What UNIT and MUNIT share: the adversarial loss at several scales, the perceptual loss, the two updates.

Liu et al., "Unsupervised Image-to-Image Translation Networks", NeurIPS 2017, https://arxiv.org/abs/1703.00848;
Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1804.04732. The code of MUNIT's authors holds both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.multiscale import multiscale_discriminator, multiscale_generator
from reskin.losses.perceptual import perceptual_loss
from reskin.methods.base import Adversary, FeatureLoader, Method, MethodConfig, frozen
from reskin.networks.init import initialise
from reskin.networks.invariant_features import InvariantFeatures, InvariantLayer
from reskin.networks.together import together

Pair = tuple[Tensor, Tensor]
"""Something of domain A and of domain B: pictures (N, 3, H, W), or codes (N, C, h, w)."""


class AutoencodingConfig(MethodConfig):
    """Settings of UNIT and MUNIT; the defaults are MUNIT's."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """Step size of Adam before the schedule lowers it."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay of the optimizers (L2, added to the gradient)."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the adversarial losses, all scales summed; 0 for none and no discriminator."""
    image_weight: float = Field(default=10.0, ge=0)
    """Weight of the image reconstruction, of a picture from its own code."""
    cycle_weight: float = Field(default=0.0, ge=0)
    """Weight of the cycle-consistency loss; 0 for none."""
    features_weight: float = Field(default=0.0, ge=0)
    """Weight of the domain-invariant perceptual loss; 1 for pictures of 512 px, 0 for none."""
    feature_layer: InvariantLayer = "relu4_3"
    """Features of features_weight: the paper's, or the code's relu5_3 without the pool before block 5."""
    feature_weights: Path | None = None
    """File of VGG-16 weights for features_weight; the one that reskin knows by default."""
    adversarial: Literal["lsgan", "bce"] = "lsgan"
    """Form of the adversarial loss: least squares or cross-entropy."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of encoders, and before the last of decoders."""
    blocks: int = Field(default=4, ge=1)
    """Residual blocks in an encoder and in a decoder."""
    disc_width: int = Field(default=64, ge=1)
    """Channels after the first layer of a discriminator."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.image_weight or self.cycle_weight):
            raise ValueError("image_weight, adversarial_weight and cycle_weight are all 0: nothing is learnt")
        return self


class AutoencodingMethod(Method):
    """Encoders and decoders of both domains, and two discriminators."""

    config: AutoencodingConfig
    features: InvariantFeatures
    disc_a: nn.Module
    disc_b: nn.Module
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")
    advice = {
        "copy": ("lower cycle_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("fewer disc_layers", "lower disc_width", "another adversarial"),
        "overfitting": ("lower width",),
    }
    size_multiple = 4
    defaults = {
        "preprocess": "scale_width_and_crop",  # at this size: the shorter edge to 256
        "load_size": 256,
        "crop_size": 256,
        "schedule": "step",
        "steps": 1_000_000,
    }

    def _begin(self, *generators: nn.Module, init: Literal["normal", "kaiming"]) -> None:
        """Initialise the networks, the discriminators by N(0, 0.02), and make both optimizers."""
        for network in generators:
            initialise(network, init, 0.02)
        discriminators, decay = (self.disc_a, self.disc_b), self.config.weight_decay
        for network in discriminators:
            initialise(network, "normal", 0.02)
        self.add_optimizer("generators", *generators, weight_decay=decay)
        self.add_optimizer("discriminators", *discriminators, weight_decay=decay)

    def prepare_training(self, load_features: FeatureLoader) -> None:
        c = self.config
        if c.features_weight:
            features = InvariantFeatures(
                lambda layers: load_features(layers, c.feature_weights), c.feature_layer
            )
            self.add_frozen("features", features)

    def _update_discriminators(self, real: Pair, fake: Pair) -> dict[str, Tensor]:
        """Teach the discriminators pictures and translations; their losses."""
        c, kind = self.config, self.config.adversarial
        judged = {
            "discriminator_a": multiscale_discriminator(kind, *together(self.disc_a, real[0], fake[0])),
            "discriminator_b": multiscale_discriminator(kind, *together(self.disc_b, real[1], fake[1])),
        }
        self.update("discriminators", **{name: c.adversarial_weight * loss for name, loss in judged.items()})
        return judged

    def _update_generators(self, losses: dict[str, Tensor], real: Pair, fake: Pair) -> dict[str, Tensor]:
        """Teach the generators these losses, each with its `<name>_weight`, and those of translations."""
        c = self.config
        if c.features_weight:
            of_b = perceptual_loss(self.features, real[0], fake[1])
            losses["features"] = of_b + perceptual_loss(self.features, real[1], fake[0])
        with frozen(self.disc_a, self.disc_b):
            if c.adversarial_weight:
                of_a = multiscale_generator(c.adversarial, self.disc_a(fake[0]))
                losses["adversarial"] = of_a + multiscale_generator(c.adversarial, self.disc_b(fake[1]))
            terms = {name: getattr(c, f"{name}_weight") * loss for name, loss in losses.items()}
            self.update("generators", **terms)
        return losses
