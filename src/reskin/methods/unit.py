"""UNIT: one latent space for both domains, so that one domain decodes what the other encodes.

Liu et al., "Unsupervised Image-to-Image Translation Networks", NeurIPS 2017,
https://arxiv.org/abs/1703.00848.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reskin.losses.reconstruction import l1
from reskin.methods.autoencoding import AutoencodingConfig, AutoencodingMethod, Pair
from reskin.methods.base import Preset
from reskin.networks.multiscale import MultiscaleDiscriminator
from reskin.networks.munit import ContentEncoder
from reskin.networks.shared_latent import (
    Decoder,
    DownsamplingDiscriminator,
    LatentBlock,
    PrivateDecoder,
    PrivateEncoder,
)
from reskin.networks.together import together
from reskin.precision import at_least_float32
from reskin.types import Batch, Direction, Step


class UNITConfig(AutoencodingConfig):
    """Settings of UNIT; the defaults are the paper's, in the authors' own code."""

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
    adversarial: Literal["lsgan", "bce"] = "bce"
    """Form of the adversarial loss: least squares or cross-entropy (the paper)."""
    sharing: Literal["blocks", "none"] = "blocks"
    """Weight sharing: the two middle blocks (the paper), or none, with the networks of MUNIT."""
    init: Literal["normal", "kaiming"] = "normal"
    """Initialisation of encoders and decoders: N(0, 0.02) (the paper), or kaiming."""
    blocks: int = Field(default=4, ge=1)
    """Residual blocks in an encoder and in a decoder; one of them is shared."""
    disc_layers: int | None = Field(default=None, ge=1, le=7)
    """Downsamplings of a discriminator; by default 6, or 4 at each scale where nothing is shared."""
    scales: int = Field(default=3, ge=1, le=4)
    """Scales of a discriminator where nothing is shared; otherwise it has one."""


class UNIT(AutoencodingMethod):
    """Encoders E_1, E_2 with a shared end, decoders G_1, G_2 with a shared start, discriminators D_1, D_2.

    The defaults are the authors' networks for cats and tigers. For streets and seasons their code has others
    (no norm outside the residual blocks, dropout in them, discriminators of three scales), which are not
    offered; the preset munit_repo is nearest to them. Its KL term is of codes with their noise: 0.4 higher,
    with the same expected gradient.

    It learns slowly: after 300 steps on small drawn worlds its tones follow the truth only loosely
    (correlation 0.3 to 0.4, 0.5 after 900 steps); munit_repo, where nothing is shared, has 0.6 to 0.9 after
    300 (docs/results/unit_tones.md).
    """

    Config = UNITConfig
    config: UNITConfig
    title = "UNIT"
    paper = "Liu et al. 2017"
    good_for = "one translation of a picture where both domains show the same kind of scene"
    defaults = {**AutoencodingMethod.defaults, "schedule": "constant", "steps": 500_000}
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
        encoders = (self.enc_a, self.enc_b, self.enc_shared)
        self._begin(*encoders, self.dec_shared, self.dec_a, self.dec_b, init=config.init)

    def _encoder(self) -> nn.Module:
        c = self.config
        is_shared = c.sharing == "blocks"
        return PrivateEncoder(c.width, c.blocks - 1) if is_shared else ContentEncoder(c.width, c.blocks)

    def _decoder(self) -> nn.Module:
        c = self.config
        is_shared = c.sharing == "blocks"
        return PrivateDecoder(c.width, c.blocks - 1) if is_shared else Decoder(c.width, c.blocks)

    def _shared(self) -> nn.Module:
        """One of the two blocks in the middle: a single object that both domains pass."""
        return LatentBlock(4 * self.config.width) if self.config.sharing == "blocks" else nn.Identity()

    def _discriminator(self) -> nn.Module:
        c = self.config
        if c.sharing == "blocks":
            return DownsamplingDiscriminator(c.disc_width, c.disc_layers or 6)
        return MultiscaleDiscriminator(c.disc_width, c.disc_layers or 4, c.scales)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b = batch.a, batch.b
        # The discriminators' step changes no encoder, so one encoding serves it and the generators' step.
        codes = self._encode(a, b)
        losses = self._teach_discriminators(a, b, codes) | self._teach_generators(a, b, codes)
        return {name: loss.detach() for name, loss in losses.items()}

    def _encode(self, a: Tensor, b: Tensor) -> Pair:
        """The mean latent codes (mu) of pictures of both domains."""
        return together(self.enc_shared, self.enc_a(a), self.enc_b(b))

    def _decodable(self, codes: Pair) -> Pair:
        """What the decoders of both domains take: samples of N(code, 1) behind the shared block."""
        return together(self.dec_shared, *(self._sampled(code) for code in codes))

    def _teach_discriminators(self, a: Tensor, b: Tensor, codes: Pair) -> dict[str, Tensor]:
        if not self.config.adversarial_weight:
            return {}
        with torch.no_grad():
            of_a, of_b = self._decodable(codes)
            fakes = self.dec_a(of_b), self.dec_b(of_a)
        return self._update_discriminators((a, b), fakes)

    def _teach_generators(self, a: Tensor, b: Tensor, codes: Pair) -> dict[str, Tensor]:
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
        return self._update_generators(losses, (a, b), (fake_a, fake_b))

    def _sampled(self, code: Tensor) -> Tensor:
        """A sample of N(code, 1) while learning; the code itself otherwise."""
        return code + torch.randn_like(code) if self.training else code

    @staticmethod
    def _kl(codes: Pair) -> Tensor:
        """KL divergence of N(code, 1) from N(0, 1), up to constants, of both domains: mean(mu^2) each."""
        return torch.stack([at_least_float32(code).square().mean() for code in codes]).sum()

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        encoder, decoder = (self.enc_a, self.dec_b) if direction == "a2b" else (self.enc_b, self.dec_a)
        return decoder(self.dec_shared(self.enc_shared(encoder(images))))
