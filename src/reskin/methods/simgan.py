"""SimGAN: a refiner with a self-regularisation loss |gen_a2b(a) - a|.

Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017,
https://arxiv.org/abs/1612.07828; and the baseline of this name in Zhu et al., ICCV 2017,
https://arxiv.org/abs/1703.10593, section 5.1.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.history_buffer import HistoryBuffer
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.refiner import local_discriminator, refiner
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.precision import at_least_float32
from reskin.types import Batch, Direction, Step


def local_loss(logits: Tensor, *, is_real: bool) -> Tensor:
    """The local adversarial loss: cross-entropy of each patch being real, or refined, summed as in the paper.

    Args:
        logits: (N, 2, h, w), raw, for "refined" and "real".
        is_real: the class that the patches should be given.

    Returns:
        A scalar, float32: the sum over the patches of a picture, as the paper has it; the mean over pictures.

    >>> local_loss(torch.zeros(2, 2, 3, 1), is_real=True)  # 3 ln 2
    tensor(2.0794)
    """
    target = logits.new_full((len(logits), *logits.shape[2:]), int(is_real), dtype=torch.int64)
    return F.cross_entropy(at_least_float32(logits), target, reduction="sum") / len(logits)


class SimGANConfig(MethodConfig):
    """Settings of SimGAN; the defaults are those of the comparison in the CycleGAN paper."""

    variant: Literal["baseline", "paper"] = "baseline"
    """baseline: CycleGAN's networks and least squares, one way; paper: the refiner, its local discriminator,
    its history of refined pictures, its pre-training and plain gradient descent. Choose paper with the preset
    refiner, which brings the rate, the weight and the number of blocks that belong to it."""
    self_regularisation_weight: float = Field(default=10.0, ge=0)
    """Weight of the self-regularisation |gen_a2b(a) - a|: its mean (baseline), or its sum over a
    picture's values (paper), where others have used 0.0001 to 0.5 (lambda; the paper does not say)."""
    pool_size: int = Field(default=50, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none."""
    width: int = Field(default=64, ge=2)
    """Channels after the first layer of the generator; the discriminator grows with it."""
    blocks: int = Field(default=6, ge=1)
    """Residual blocks in the generator."""
    upsample: Upsample = "transposed"
    """Upsampling in the baseline: a transposed convolution, or a nearest or bilinear resize-convolution."""
    norm: Norm = "instance"
    """Normalisation in the baseline's networks; the refiner has none."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of the baseline's discriminator: 3 give a receptive field of 70 px, 1 of 16 px."""
    refiner_steps: int = Field(default=1000, ge=0)
    """Steps at the start in which the paper's refiner learns self-regularisation alone."""
    discriminator_steps: int = Field(default=200, ge=0)
    """Steps after those in which the paper's discriminator learns alone."""
    refiner_updates: int = Field(default=2, ge=1)
    """Updates of the paper's refiner in a step (K_g), all from the step's pictures; the paper draws new ones
    for each."""
    discriminator_updates: int = Field(default=1, ge=1)
    """Updates of the paper's discriminator in a step (K_d), from the step's pictures too."""

    @model_validator(mode="after")
    def _teaches_something(self) -> Self:
        if self.variant == "paper" and self.refiner_steps and not self.self_regularisation_weight:
            raise ValueError("self_regularisation_weight is 0: nothing for the first refiner_steps to learn")
        return self


class SimGAN(Method):
    """One generator (the refiner R) and one discriminator (D), from A to B.

    Only the self-regularisation loss ties the output to the input, value by value. A large weight therefore
    leaves the picture as it was, a small one lets it drift: the method suits domains that differ in texture.
    In the comparison's code D learns before G, and G from D's last pass, on the pooled fake; here G first.
    """

    Config = SimGANConfig
    config: SimGANConfig
    title = "SimGAN"
    paper = "Shrivastava et al. 2017"
    good_for = "rendered pictures that are to look real: small changes of texture, colours nearly kept"
    adversary = Adversary(("disc_b",), ("discriminator",))
    advice = {
        "copy": ("lower self_regularisation_weight",),
        "discriminator_won": ("fewer disc_layers", "higher pool_size"),
        "overfitting": ("lower width",),
    }
    directions = ("a2b",)
    defaults = {"load_size": 143, "crop_size": 128}
    presets = {
        "refiner": Preset(
            "The paper's own networks and schedule at a constant learning rate; its batch was 512.",
            {
                "variant": "paper",
                "blocks": 4,
                "learning_rate": 1e-3,
                "self_regularisation_weight": 0.01,
                "batch": 32,
                "schedule": "constant",
            },
        ),
    }

    def __init__(self, config: SimGANConfig) -> None:
        super().__init__(config)
        c = config
        self.gen_a2b: nn.Module
        self.disc_b: nn.Module
        self.pool_b: ImagePool
        if c.variant == "paper":
            self.same_every_step = False  # the baseline's steps do not differ
            self.gen_a2b, self.disc_b = refiner(c.width, c.blocks), local_discriminator(c.width // 2)
            self.pool_b = HistoryBuffer(c.pool_size)
            self.add_optimizer("generator", self.gen_a2b, kind="sgd")
            self.add_optimizer("discriminator", self.disc_b, kind="sgd")
            return
        self.size_multiple = 4
        self.gen_a2b = ResnetGenerator(c.width, c.blocks, norm=c.norm, upsample=c.upsample)
        self.disc_b = patch_discriminator(c.width, c.disc_layers, norm=c.norm)
        for network in (self.gen_a2b, self.disc_b):
            initialise(network)
        self.pool_b = ImagePool(c.pool_size)
        self.add_optimizer("generator", self.gen_a2b)
        self.add_optimizer("discriminator", self.disc_b)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        is_paper = self.config.variant == "paper"
        losses = self._paper_step(batch, step.number) if is_paper else self._baseline_step(batch)
        return {name: loss.detach() for name, loss in losses.items()}

    def _baseline_step(self, batch: Batch) -> dict[str, Tensor]:
        a, b, weight = batch.a, batch.b, self.config.self_regularisation_weight
        fake_b = self.gen_a2b(a)
        with frozen(self.disc_b):
            losses = {"adversarial": adversarial_generator("lsgan", self.disc_b(fake_b))}
            terms = dict(losses)
            if weight:
                losses["self_regularisation"] = l1(fake_b, a)
                terms["self_regularisation"] = weight * losses["self_regularisation"]
            self.update("generator", **terms)
        losses["discriminator"] = adversarial_discriminator(
            "lsgan", *together(self.disc_b, b, self.pool_b(fake_b))
        )
        self.update("discriminator", discriminator=losses["discriminator"])
        return losses

    def _paper_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Algorithm 1, after the refiner and then the discriminator have learnt alone for a while."""
        c = self.config
        losses: dict[str, Tensor] = {}
        teaches_refiner = step <= c.refiner_steps
        teaches_disc = not teaches_refiner and step <= c.refiner_steps + c.discriminator_steps
        if teaches_disc:
            with torch.no_grad():
                refined = self.gen_a2b(batch.a)
        else:
            for _ in range(1 if teaches_refiner else c.refiner_updates):
                refined, losses = self._refine(batch.a, is_alone=teaches_refiner)
        if teaches_refiner:
            return losses
        for _ in range(c.discriminator_updates):
            of_real, of_refined = together(self.disc_b, batch.b, self.pool_b(refined.detach()))
            losses["discriminator"] = local_loss(of_real, is_real=True) + local_loss(
                of_refined, is_real=False
            )
            self.update("discriminator", discriminator=losses["discriminator"])
        return losses

    def _refine(self, a: Tensor, *, is_alone: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """One update of the paper's refiner: the refined pictures before it, and the losses."""
        weight = self.config.self_regularisation_weight
        refined = self.gen_a2b(a)
        losses: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        with frozen(self.disc_b):
            if not is_alone:
                losses["adversarial"] = local_loss(self.disc_b(refined), is_real=True)
                terms["adversarial"] = losses["adversarial"]
            if weight:
                # The sum over a picture, as in the paper; the mean over pictures, for any batch.
                losses["self_regularisation"] = l1(refined, a) * a[0].numel()
                terms["self_regularisation"] = weight * losses["self_regularisation"]
            self.update("generator", **terms)
        return refined, losses

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.gen_a2b(images)
