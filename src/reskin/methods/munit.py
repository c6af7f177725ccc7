"""MUNIT: a picture has a content code and a style code; a translation keeps the one and samples the other.

Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1804.04732.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from reskin.losses.reconstruction import l1
from reskin.methods.autoencoding import AutoencodingConfig, AutoencodingMethod
from reskin.methods.base import Preset
from reskin.methods.styled import Styled
from reskin.networks.multiscale import MultiscaleDiscriminator
from reskin.networks.munit import ContentEncoder
from reskin.networks.style_code import StyledDecoder, StyleEncoder
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

PIXELS_AT_ONCE = 8 * 256 * 256
"""Most output pixels of one call of a decoder when a picture is wanted in many styles."""


class MUNITConfig(AutoencodingConfig):
    """Settings of MUNIT; the defaults are the authors' for edges to shoes."""

    image_weight: float = Field(default=10.0, ge=0)
    """Weight of the image reconstruction |dec(content(x), style(x)) - x|."""
    style_weight: float = Field(default=1.0, ge=0)
    """Weight of the style reconstruction |style(translation) - style|; at 0 styles collapse into one."""
    content_weight: float = Field(default=1.0, ge=0)
    """Weight of the content reconstruction |content(translation) - content(x)|."""
    cycle_weight: float = Field(default=0.0, ge=0)
    """Weight of the cycle-consistency loss with x's own style code; 10 for summer to winter, 0 for none."""
    style_size: int = Field(default=8, ge=1)
    """Dimension of the style code; a large one lets content leak into it."""
    mlp_width: int = Field(default=256, ge=1)
    """Hidden channels of the MLP that makes AdaIN's parameters from a style code."""
    disc_layers: int = Field(default=4, ge=1, le=6)
    """Downsamplings of a discriminator at each scale; 4 give a receptive field of 46 px."""
    scales: int = Field(default=3, ge=1, le=4)
    """Scales of the discriminator, each half the size of the one before."""


class MUNIT(Styled, AutoencodingMethod):
    """For each domain a content encoder E^c, a style encoder E^s, a decoder G, a discriminator D."""

    Config = MUNITConfig
    config: MUNITConfig
    title = "MUNIT"
    paper = "Huang et al. 2018"
    good_for = "many translations of one picture, with styles sampled at random or taken from an example"
    advice = {**AutoencodingMethod.advice, "mode_collapse": ("higher cycle_weight", "higher content_weight")}
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
        self._begin(
            *(self.enc_content_a, self.enc_style_a, self.dec_a),
            *(self.enc_content_b, self.enc_style_b, self.dec_b),
            init="kaiming",
        )

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
        if not self.config.adversarial_weight:
            return {}
        with torch.no_grad():
            fake_a = self.dec_a(content_b, self._drawn_styles(b))
            fake_b = self.dec_b(content_a, self._drawn_styles(a))
        return self._update_discriminators((a, b), (fake_a, fake_b))

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
        return self._update_generators(losses, (a, b), (fake_a, fake_b))

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
