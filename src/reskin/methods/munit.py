"""MUNIT: a picture has a content code and a style code; a translation keeps the one and samples the other.

Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1804.04732.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from reskin.losses.multiscale import multiscale_discriminator, multiscale_generator
from reskin.losses.perceptual import perceptual_loss
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, FeatureLoader, Method, MethodConfig, Preset, frozen
from reskin.methods.styled import Styled
from reskin.networks.init import initialise
from reskin.networks.invariant_features import InvariantFeatures, InvariantLayer
from reskin.networks.multiscale import MultiscaleDiscriminator
from reskin.networks.munit import ContentEncoder, StyledDecoder, StyleEncoder
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

PIXELS_AT_ONCE = 8 * 256 * 256
"""Most output pixels of one call of a decoder when a picture is wanted in many styles."""


class MUNITConfig(MethodConfig):
    """Settings of MUNIT; the defaults are the authors' for edges to shoes."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """Step size of Adam before the schedule lowers it."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay of the optimizers (L2, added to the gradient)."""
    image_weight: float = Field(default=10.0, ge=0)
    """Weight of the image reconstruction |dec(content(x), style(x)) - x|."""
    style_weight: float = Field(default=1.0, ge=0)
    """Weight of the style reconstruction |style(translation) - style|; at 0 styles collapse into one."""
    content_weight: float = Field(default=1.0, ge=0)
    """Weight of the content reconstruction |content(translation) - content(x)|."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the adversarial losses, all scales summed; 0 for none and no discriminator."""
    cycle_weight: float = Field(default=0.0, ge=0)
    """Weight of the cycle-consistency loss with x's own style code; 10 for summer to winter, 0 for none."""
    features_weight: float = Field(default=0.0, ge=0)
    """Weight of the domain-invariant perceptual loss; 1 for pictures of 512 px, 0 for none."""
    feature_layer: InvariantLayer = "relu4_3"
    """Features of features_weight: the paper's, or the code's relu5_3 without the pool before block 5."""
    feature_weights: Path | None = None
    """File of VGG-16 weights for features_weight; the one that reskin knows by default."""
    adversarial: Literal["lsgan", "bce"] = "lsgan"
    """Form of the adversarial loss: least squares (the paper) or cross-entropy."""
    style_size: int = Field(default=8, ge=1)
    """Dimension of the style code; a large one lets content leak into it."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of encoders, and before the last of decoders."""
    blocks: int = Field(default=4, ge=1)
    """Residual blocks in a content encoder and in a decoder."""
    mlp_width: int = Field(default=256, ge=1)
    """Hidden channels of the MLP that makes AdaIN's parameters from a style code."""
    disc_width: int = Field(default=64, ge=1)
    """Channels after the first layer of a discriminator."""
    disc_layers: int = Field(default=4, ge=1, le=6)
    """Downsamplings of a discriminator at each scale; 4 give a receptive field of 46 px."""
    scales: int = Field(default=3, ge=1, le=4)
    """Scales of the discriminator, each half the size of the one before."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.image_weight or self.cycle_weight):
            raise ValueError("image_weight, adversarial_weight and cycle_weight are all 0: nothing is learnt")
        return self


class MUNIT(Styled, Method):
    """For each domain a content encoder E^c, a style encoder E^s, a decoder G, a discriminator D."""

    Config = MUNITConfig
    config: MUNITConfig
    features: InvariantFeatures
    title = "MUNIT"
    paper = "Huang et al. 2018"
    good_for = "many translations of one picture, with styles sampled at random or taken from an example"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")
    advice = {
        "copy": ("lower cycle_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight", "higher content_weight"),
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
    presets = {
        "summer2winter": Preset("Summer and winter at 256 px, with a cycle.", {"cycle_weight": 10.0}),
        "synthia": Preset(
            "Rendered and filmed streets at 512 px, with a cycle and the domain-invariant perceptual loss.",
            {"load_size": 512, "crop_size": 512, "cycle_weight": 10.0, "features_weight": 1.0},
        ),
    }

    def __init__(self, config: MUNITConfig) -> None:
        super().__init__(config)
        c = config
        self.style_size = c.style_size
        self.enc_content_a, self.enc_content_b = (ContentEncoder(c.width, c.blocks) for _ in "ab")
        self.enc_style_a, self.enc_style_b = (StyleEncoder(c.width, c.style_size) for _ in "ab")
        self.dec_a, self.dec_b = (
            StyledDecoder(c.width, c.blocks, style_size=c.style_size, mlp_width=c.mlp_width) for _ in "ab"
        )
        self.disc_a, self.disc_b = (
            MultiscaleDiscriminator(c.disc_width, c.disc_layers, c.scales) for _ in "ab"
        )
        generators = [
            *(self.enc_content_a, self.enc_style_a, self.dec_a),
            *(self.enc_content_b, self.enc_style_b, self.dec_b),
        ]
        for network in generators:
            initialise(network, "kaiming")
        for network in (self.disc_a, self.disc_b):
            initialise(network, "normal", 0.02)
        self.add_optimizer("generators", *generators, weight_decay=c.weight_decay)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b, weight_decay=c.weight_decay)

    def prepare_training(self, load_features: FeatureLoader) -> None:
        c = self.config
        if c.features_weight:
            features = InvariantFeatures(
                lambda layers: load_features(layers, c.feature_weights), c.feature_layer
            )
            self.add_frozen("features", features)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b = batch.a, batch.b
        # The discriminators' step changes no encoder, so one encoding serves it and the generators' step.
        content_a, content_b = self.enc_content_a(a), self.enc_content_b(b)
        losses = self._teach_discriminators(a, b, content_a.detach(), content_b.detach())
        losses |= self._teach_generators(a, b, content_a, content_b)
        return {name: loss.detach() for name, loss in losses.items()}

    def _teach_discriminators(
        self, a: Tensor, b: Tensor, content_a: Tensor, content_b: Tensor
    ) -> dict[str, Tensor]:
        weight, kind = self.config.adversarial_weight, self.config.adversarial
        if not weight:
            return {}
        with torch.no_grad():
            fake_a = self.dec_a(content_b, self._drawn_styles(b))
            fake_b = self.dec_b(content_a, self._drawn_styles(a))
        judged = {
            "discriminator_a": multiscale_discriminator(kind, *together(self.disc_a, a, fake_a)),
            "discriminator_b": multiscale_discriminator(kind, *together(self.disc_b, b, fake_b)),
        }
        self.update("discriminators", **{name: weight * loss for name, loss in judged.items()})
        return judged

    def _teach_generators(
        self, a: Tensor, b: Tensor, content_a: Tensor, content_b: Tensor
    ) -> dict[str, Tensor]:
        c, losses = self.config, {}
        style_a, style_b = self.enc_style_a(a), self.enc_style_b(b)
        drawn_a, drawn_b = self._drawn_styles(b), self._drawn_styles(a)
        same_a, fake_a = together(self.dec_a, (content_a, style_a), (content_b, drawn_a))
        same_b, fake_b = together(self.dec_b, (content_b, style_b), (content_a, drawn_b))
        if c.image_weight:
            losses["image"] = l1(same_a, a) + l1(same_b, b)
        if c.style_weight:
            losses["style"] = l1(self.enc_style_a(fake_a), drawn_a) + l1(self.enc_style_b(fake_b), drawn_b)
        if c.content_weight or c.cycle_weight:
            again_b, again_a = self.enc_content_a(fake_a), self.enc_content_b(fake_b)
            if c.content_weight:
                losses["content"] = l1(again_a, content_a) + l1(again_b, content_b)
            if c.cycle_weight:
                losses["cycle"] = l1(self.dec_a(again_a, style_a), a) + l1(self.dec_b(again_b, style_b), b)
        if c.features_weight:
            losses["features"] = perceptual_loss(self.features, a, fake_b) + perceptual_loss(
                self.features, b, fake_a
            )
        with frozen(self.disc_a, self.disc_b):
            if c.adversarial_weight:
                of_a = multiscale_generator(c.adversarial, self.disc_a(fake_a))
                of_b = multiscale_generator(c.adversarial, self.disc_b(fake_b))
                losses["adversarial"] = of_a + of_b
            self.update(
                "generators", **{name: getattr(c, f"{name}_weight") * loss for name, loss in losses.items()}
            )
        return losses

    def _drawn_styles(self, contents: Tensor) -> Tensor:
        """A random style code for each of the pictures."""
        return torch.randn(len(contents), self.style_size, device=contents.device)

    def generate_styles(self, images: Tensor, direction: Direction, styles: Tensor) -> Tensor:
        encoder, decoder = (
            (self.enc_content_a, self.dec_b) if direction == "a2b" else (self.enc_content_b, self.dec_a)
        )
        content = encoder(images)
        if len(styles) == len(images) == 1:  # nothing to share out; a graph of operators holds this alone
            return decoder(content, styles)[None]
        style_of = torch.arange(len(styles), device=images.device).repeat_interleave(len(images))
        image_of = torch.arange(len(images), device=images.device).repeat(len(styles))
        at_once = max(1, PIXELS_AT_ONCE // images[0, 0].numel())
        drawn = [
            decoder(content[those], styles[these])
            for these, those in zip(style_of.split(at_once), image_of.split(at_once), strict=True)
        ]
        return torch.cat(drawn).unflatten(0, (len(styles), len(images)))

    def encode_style(self, images: Tensor, direction: Direction = "a2b") -> Tensor:
        self.check_direction(direction)
        return (self.enc_style_b if direction == "a2b" else self.enc_style_a)(images)
