"""UNIT: one latent space for both domains, so that one domain decodes what the other encodes.

Liu et al., "Unsupervised Image-to-Image Translation Networks", NeurIPS 2017,
https://arxiv.org/abs/1703.00848.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.multiscale import multiscale_discriminator, multiscale_generator
from reskin.losses.perceptual import perceptual_loss
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, FeatureLoader, Method, MethodConfig, Preset, frozen
from reskin.networks.init import initialise
from reskin.networks.invariant_features import InvariantFeatures, InvariantLayer
from reskin.networks.multiscale import MultiscaleDiscriminator
from reskin.networks.munit import ContentEncoder, Decoder
from reskin.networks.shared_latent import (
    DownsamplingDiscriminator,
    LatentBlock,
    PrivateDecoder,
    PrivateEncoder,
)
from reskin.networks.together import together
from reskin.precision import at_least_float32
from reskin.types import Batch, Direction, Step

Codes = tuple[Tensor, Tensor]
"""Something of domain A and of domain B, each (N, C, h, w)."""


class UNITConfig(MethodConfig):
    """Settings of UNIT; the defaults are the paper's, in the authors' own code."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """Step size of Adam before the schedule lowers it."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay of the optimizers (L2, added to the gradient)."""
    adversarial_weight: float = Field(default=10.0, ge=0)
    """Weight of the adversarial losses of translations (lambda 0); 0 for none and no discriminator."""
    image_weight: float = Field(default=100.0, ge=0)
    """Weight of the reconstruction |dec_a(enc_a(a)) - a| (lambda 2)."""
    kl_weight: float = Field(default=0.1, ge=0)
    """Weight of the KL divergence of the latent codes of pictures (lambda 1); much of it blurs."""
    cycle_weight: float = Field(default=100.0, ge=0)
    """Weight of the cycle-consistency loss (lambda 4)."""
    cycle_kl_weight: float = Field(default=0.1, ge=0)
    """Weight of the KL divergence of the latent codes of translations (lambda 3)."""
    features_weight: float = Field(default=0.0, ge=0)
    """Weight of the domain-invariant perceptual loss; 0 for none."""
    feature_layer: InvariantLayer = "relu4_3"
    """Features of features_weight: the paper's, or the code's relu5_3 without the pool before block 5."""
    feature_weights: Path | None = None
    """File of VGG-16 weights for features_weight; the one that reskin knows by default."""
    adversarial: Literal["lsgan", "bce"] = "bce"
    """Form of the adversarial loss: least squares or cross-entropy (the paper)."""
    sharing: Literal["blocks", "none"] = "blocks"
    """Weight sharing: the two middle blocks (the paper), or none, with the networks of MUNIT."""
    init: Literal["normal", "kaiming"] = "normal"
    """Initialisation of encoders and decoders: N(0, 0.02) (the paper), or kaiming."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of encoders, and before the last of decoders."""
    blocks: int = Field(default=4, ge=1)
    """Residual blocks in an encoder and in a decoder; one of them is shared."""
    disc_width: int = Field(default=64, ge=1)
    """Channels after the first layer of a discriminator."""
    disc_layers: int | None = Field(default=None, ge=1, le=7)
    """Downsamplings of a discriminator; by default 6, or 4 at each scale where nothing is shared."""
    scales: int = Field(default=3, ge=1, le=4)
    """Scales of a discriminator where nothing is shared; otherwise it has one."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.image_weight or self.cycle_weight):
            raise ValueError("image_weight, adversarial_weight and cycle_weight are all 0: nothing is learnt")
        return self


class UNIT(Method):
    """Encoders E_1, E_2 with a shared end, decoders G_1, G_2 with a shared start, discriminators D_1, D_2.

    The defaults are the authors' networks for cats and tigers. For streets and seasons their code has others
    (no norm outside the residual blocks, dropout in them, discriminators of three scales), which are not
    offered; the preset munit_repo is nearest to them. Its KL term is of codes with their noise: 0.4 higher,
    with the same expected gradient.

    After few steps light and dark areas may be swapped: only the cycle-consistency loss binds tones of the
    domains, and without it they were turned over on small drawn worlds. Why else is an open question.
    """

    Config = UNITConfig
    config: UNITConfig
    features: InvariantFeatures
    title = "UNIT"
    paper = "Liu et al. 2017"
    good_for = "one translation of a picture where both domains show the same kind of scene"
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
        "schedule": "constant",
        "steps": 500_000,
    }
    presets = {
        "munit_repo": Preset(
            "The UNIT that MUNIT's authors published: nothing is shared, three scales, least squares.",
            {
                "sharing": "none",
                "init": "kaiming",
                "adversarial": "lsgan",
                "adversarial_weight": 1.0,
                "image_weight": 10.0,
                "kl_weight": 0.01,
                "cycle_weight": 10.0,
                "cycle_kl_weight": 0.01,
                "schedule": "step",
                "steps": 1_000_000,
            },
        ),
    }

    def __init__(self, config: UNITConfig) -> None:
        super().__init__(config)
        self.enc_a, self.enc_b = self._encoder(), self._encoder()
        self.dec_a, self.dec_b = self._decoder(), self._decoder()
        self.enc_shared, self.dec_shared = self._shared(), self._shared()
        self.disc_a, self.disc_b = self._discriminator(), self._discriminator()
        generators = [self.enc_a, self.enc_b, self.enc_shared, self.dec_shared, self.dec_a, self.dec_b]
        for network in generators:
            initialise(network, config.init, 0.02)
        for network in (self.disc_a, self.disc_b):
            initialise(network, "normal", 0.02)
        self.add_optimizer("generators", *generators, weight_decay=config.weight_decay)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b, weight_decay=config.weight_decay)

    def _encoder(self) -> nn.Module:
        c = self.config
        if c.sharing == "blocks":
            return PrivateEncoder(c.width, c.blocks - 1)
        return ContentEncoder(c.width, c.blocks)

    def _decoder(self) -> nn.Module:
        c = self.config
        if c.sharing == "blocks":
            return PrivateDecoder(c.width, c.blocks - 1)
        return Decoder(c.width, c.blocks)

    def _shared(self) -> nn.Module:
        """One of the two blocks in the middle: a single object that both domains pass."""
        return LatentBlock(4 * self.config.width) if self.config.sharing == "blocks" else nn.Identity()

    def _discriminator(self) -> nn.Module:
        c = self.config
        if c.sharing == "blocks":
            return DownsamplingDiscriminator(c.disc_width, c.disc_layers or 6)
        return MultiscaleDiscriminator(c.disc_width, c.disc_layers or 4, c.scales)

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
        codes = self._encode(a, b)
        losses = self._teach_discriminators(a, b, codes) | self._teach_generators(a, b, codes)
        return {name: loss.detach() for name, loss in losses.items()}

    def _encode(self, a: Tensor, b: Tensor) -> Codes:
        """The mean latent codes (mu) of pictures of both domains."""
        return together(self.enc_shared, self.enc_a(a), self.enc_b(b))

    def _decodable(self, codes: Codes) -> Codes:
        """What the decoders of both domains take: samples of N(code, 1) behind the shared block."""
        return together(self.dec_shared, *(self._sampled(code) for code in codes))

    def _teach_discriminators(self, a: Tensor, b: Tensor, codes: Codes) -> dict[str, Tensor]:
        weight, kind = self.config.adversarial_weight, self.config.adversarial
        if not weight:
            return {}
        with torch.no_grad():
            of_a, of_b = self._decodable(codes)
            fake_a, fake_b = self.dec_a(of_b), self.dec_b(of_a)
        judged = {
            "discriminator_a": multiscale_discriminator(kind, *together(self.disc_a, a, fake_a)),
            "discriminator_b": multiscale_discriminator(kind, *together(self.disc_b, b, fake_b)),
        }
        self.update("discriminators", **{name: weight * loss for name, loss in judged.items()})
        return judged

    def _teach_generators(self, a: Tensor, b: Tensor, codes: Codes) -> dict[str, Tensor]:
        c, losses = self.config, {}
        of_a, of_b = self._decodable(codes)
        same_a, fake_a = together(self.dec_a, of_a, of_b)
        same_b, fake_b = together(self.dec_b, of_b, of_a)
        if c.image_weight:
            losses["image"] = l1(same_a, a) + l1(same_b, b)
        if c.kl_weight:
            losses["kl"] = self._kl(codes)
        if c.cycle_weight or c.cycle_kl_weight:
            codes_again = self._encode(fake_a, fake_b)
            if c.cycle_kl_weight:
                losses["cycle_kl"] = self._kl(codes_again)
            if c.cycle_weight:
                again_b, again_a = self._decodable(codes_again)
                losses["cycle"] = l1(self.dec_a(again_a), a) + l1(self.dec_b(again_b), b)
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

    def _sampled(self, code: Tensor) -> Tensor:
        """A sample of N(code, 1) while learning; the code itself otherwise."""
        return code + torch.randn_like(code) if self.training else code

    @staticmethod
    def _kl(codes: Codes) -> Tensor:
        """KL divergence of N(code, 1) from N(0, 1), up to constants, of both domains: mean(mu^2) each."""
        return torch.stack([at_least_float32(code).square().mean() for code in codes]).sum()

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        encoder, decoder = (self.enc_a, self.dec_b) if direction == "a2b" else (self.enc_b, self.dec_a)
        return decoder(self.dec_shared(self.enc_shared(encoder(images))))
