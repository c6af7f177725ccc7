"""pix2pix: paired translation, the upper bound that unpaired methods are measured against.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
https://arxiv.org/abs/1611.07004.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.networks.blocks import Norm
from reskin.networks.init import initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.networks.unet import UnetGenerator
from reskin.types import Batch, Direction, Step


class Pix2PixConfig(MethodConfig):
    """Settings of pix2pix; the defaults are the paper's but for `has_test_noise`."""

    renamed = {"halvings": "downsamplings"}

    l1_weight: float = Field(default=100.0, ge=0)
    """Weight of the L1 loss |gen_a2b(a) - b|, b being the partner of a (lambda in eq. 4)."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generator's adversarial loss; 0 leaves L1 alone, with no discriminator."""
    adversarial: Literal["bce", "lsgan", "hinge"] = "bce"
    """Form of the adversarial loss: cross-entropy (the paper), least squares or hinge."""
    generator: Literal["unet", "resnet"] = "unet"
    """The U-Net (the paper), or CycleGAN's ResNet."""
    downsamplings: int = Field(default=8, ge=5, le=10)
    """Downsamplings of a U-Net: 8 for 256 px, 7 for 128 px."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks of a ResNet: 9 for 256 px, 6 for 128 px."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of both networks."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of the discriminator: 3 give a receptive field of 70 px, 1 of 16 px."""
    norm: Norm = "batch"
    """Normalisation in both networks; each picture has its own statistics where the batch is 1."""
    has_dropout: bool = True
    """Dropout of one half in the inner levels of a U-Net (acts from 6 downsamplings on) or in all blocks."""
    has_test_noise: bool = False
    """Translate as the paper does, with dropout and each picture's own batch statistics: the same picture
    then comes out a little different every time. Without it a translation can be repeated bit by bit."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.l1_weight):
            raise ValueError("adversarial_weight and l1_weight are both 0: nothing would be learnt")
        return self


class Pix2Pix(Method):
    """One generator and a discriminator that sees input and output concatenated (G and D in the paper).

    It translates from A to B. For the other way exchange the two folders.

    The paper leaves dropout on when it translates, as the only source of randomness, and normalises each
    picture by its own statistics. Here a translation is the same each time, so dropout is off and the running
    statistics of training are used; `has_test_noise` is the paper's way, its random numbers from torch's
    default random numbers.
    """

    Config = Pix2PixConfig
    config: Pix2PixConfig
    title = "pix2pix"
    paper = "Isola et al. 2017"
    good_for = "pictures that come in pairs; the upper bound for methods that learn without pairs"
    adversary = Adversary(("disc_b",), ("discriminator",), setting="adversarial")
    advice = {
        "copy": ("higher adversarial_weight",),
        "discriminator_won": ("fewer disc_layers", "another adversarial"),
        "overfitting": ("lower width",),
    }
    pairing = "paired"
    directions = ("a2b",)
    presets = {
        "edges": Preset(
            "Edges to shoes or handbags: some 50,000 pairs or more, 15 epochs, batch 4.",
            {"epochs": 15, "decay_epochs": 0, "batch": 4},
        ),
        "l1_alone": Preset("The paper's table 1: no adversarial loss; blurred.", {"adversarial_weight": 0.0}),
        "gan_alone": Preset("The paper's table 1: no L1; details are made up.", {"l1_weight": 0.0}),
    }

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__(config)
        c = config
        shared: dict[str, Any] = {"norm": c.norm, "has_dropout": c.has_dropout}
        is_unet = c.generator == "unet"
        self.gen_a2b: nn.Module = (
            UnetGenerator(c.width, c.downsamplings, **shared)
            if is_unet
            else ResnetGenerator(c.width, c.blocks, **shared)
        )
        self.disc_b = patch_discriminator(c.width, c.disc_layers, in_channels=6, norm=c.norm)
        for network in (self.gen_a2b, self.disc_b):
            initialise(network)
        self.size_multiple = 2**c.downsamplings if is_unet else ResnetGenerator.size_multiple
        self.add_optimizer("generator", self.gen_a2b)
        self.add_optimizer("discriminator", self.disc_b)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        fake_b = self.gen_a2b(a)
        losses, terms = {}, {}
        if c.adversarial_weight:
            real_logits, fake_logits = together(
                self.disc_b, torch.cat([a, b], 1), torch.cat([a, fake_b.detach()], 1)
            )
            judged = adversarial_discriminator(c.adversarial, real_logits, fake_logits)
            self.update("discriminator", discriminator=judged)
            losses["discriminator"] = judged

        with frozen(self.disc_b):
            if c.adversarial_weight:
                fooled = self.disc_b(torch.cat([a, fake_b], 1))
                losses["adversarial"] = adversarial_generator(c.adversarial, fooled)
                terms["adversarial"] = c.adversarial_weight * losses["adversarial"]
            if c.l1_weight:
                losses["l1"] = l1(fake_b, b)
                terms["l1"] = c.l1_weight * losses["l1"]
            self.update("generator", **terms)
        return {name: loss.detach() for name, loss in losses.items()}

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        if not self.config.has_test_noise:
            return self.gen_a2b(images)
        with as_in_training(self.gen_a2b):  # one by one: no picture may change another
            return torch.cat([self.gen_a2b(image[None]) for image in images])


@contextmanager
def as_in_training(network: nn.Module) -> Iterator[None]:
    """Inside the block, dropout acts and batch norm uses the batch at hand; running statistics stay."""
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Dropout, nn.BatchNorm2d))]
    before = [layer.training for layer in layers]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.train()
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for layer, was_training in zip(layers, before, strict=True):
            layer.train(was_training)
