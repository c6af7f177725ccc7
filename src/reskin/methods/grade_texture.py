"""Grade + texture: a refiner draws fine texture on top of a finished grade, which stays as it is.

The grade is a bilateral grid (Gharbi et al., SIGGRAPH 2017, https://arxiv.org/abs/1707.02880). The refiner
and its self-regularisation are those of SimGAN (Shrivastava et al., "Learning from Simulated and Unsupervised
Images through Adversarial Training", CVPR 2017, https://arxiv.org/abs/1612.07828), with a bounded change; its
distance between patches is a sliced Wasserstein loss (Heitz et al., CVPR 2021).
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.equivariance import add_noise, equivariance, random_warp
from reskin.losses.reconstruction import l1
from reskin.losses.sliced_wasserstein import (
    PATCH_PX,
    random_directions,
    random_patches,
    sliced_wasserstein,
)
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.bilateral_grid import Grade, GradeGenerator
from reskin.networks.init import initialise
from reskin.networks.patch_memory import PatchMemory
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.refiner import refiner
from reskin.networks.texture import fine_detail, with_texture
from reskin.precision import at_least_float32
from reskin.types import Batch, Direction, Step

SEEN_PX = 112
"""Edge of what is learnt from of each picture, px: it is graded as a whole, and texture repeats itself."""

PATCHES, _DIRECTIONS = 800, 24
"""Patches of each batch, and the lines on which they are compared."""


class GradeTextureConfig(MethodConfig):
    """Settings of grade + texture."""

    grade: Path | None = None
    """Run folder of a finished grade, whose generator from A to B is taken over as it is; without one,
    texture is drawn on the pictures in their own colours."""
    grade_step: int | None = Field(default=None, ge=1)
    """Which of its checkpoints; by default the last."""
    grade_width: int = Field(default=16, ge=1)
    """Width of that grade."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Step size of the refiner's Adam before the schedule lowers it."""
    beta2: float = Field(default=0.99, ge=0, lt=1)
    """Adam's decay of the mean squared gradient."""
    disc_learning_rate: float = Field(default=2e-4, gt=0)
    """Step size of the discriminator's Adam."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the refiner's least-squares adversarial loss; 0 leaves the discriminator out."""
    distribution_weight: float = Field(default=5.0, ge=0)
    """Weight of the sliced Wasserstein distance between the fine detail of 5 px patches and that of domain B;
    0 leaves it out."""
    self_regularisation_weight: float = Field(default=1.0, ge=0)
    """Weight of the mean absolute change that the refiner makes to graded pictures; 0 for none."""
    identity_weight: float = Field(default=1.0, ge=0)
    """Weight of the mean absolute change that it makes to pictures of B, which need none; 0 for none."""
    equivariance_weight: float = Field(default=5.0, ge=0)
    """Weight of the equivariance loss: texture moves with the picture, so that films hold still; 0 for
    none."""
    most: float = Field(default=0.15, gt=0, le=0.5)
    """Bound of the change of a value, where -1 is black and 1 white; less towards both, so that nothing
    clips."""
    memory: int = Field(default=12, ge=0)
    """Earlier batches that complete the distribution to which a batch belongs; 0 for none."""
    width: int = Field(default=16, ge=1)
    """Channels of the refiner."""
    blocks: int = Field(default=3, ge=0)
    """Residual blocks of the refiner; each adds 4 px to the receptive field, which has 3 px without any."""
    disc_width: int = Field(default=24, ge=1)
    """Channels after the first layer of the discriminator."""
    disc_layers: int = Field(default=2, ge=1, le=6)
    """Downsamplings of the discriminator: 2 give a receptive field of 34 px."""


class GradeTexture(Method):
    """A frozen grade, a refiner (R in SimGAN) and a discriminator."""

    Config = GradeTextureConfig
    config: GradeTextureConfig
    title = "Grade + texture"
    paper = "bilateral grid of Gharbi et al. 2017, refiner of Shrivastava et al. 2017"
    good_for = "films: fine texture of a bounded strength on a finished grade; shapes cannot change"
    adversary = Adversary(("disc_b",), ("discriminator",), objective="lsgan")
    same_every_step = False  # the memory of patches asks the host how full it is
    advice = {
        "copy": ("higher distribution_weight", "lower self_regularisation_weight", "lower identity_weight"),
        "discriminator_won": ("fewer disc_layers",),
        "overfitting": ("lower width",),
    }
    directions: tuple[Direction, ...] = ("a2b",)
    parts_from = {"grade": "gen_a2b"}
    defaults = {"preprocess": "none", "epochs": 40, "decay_epochs": 20}

    def __init__(self, config: GradeTextureConfig) -> None:
        super().__init__(config)
        self.gen_a2b = GradeGenerator(config.grade_width).requires_grad_(False)
        self.refiner = refiner(config.width, config.blocks)
        for parameter in self.refiner.head.parameters():
            torch.nn.init.zeros_(parameter)  # so that the first texture is none
        self.disc_b = patch_discriminator(config.disc_width, config.disc_layers)
        initialise(self.disc_b, "normal", 0.02)
        size = {"batches": config.memory, "patches": PATCHES, "values": 3 * PATCH_PX**2}
        self.fakes, self.reals = PatchMemory(**size), PatchMemory(**size)
        self.add_optimizer("refiner", self.refiner)
        self.add_optimizer("discriminator", self.disc_b, learning_rate=config.disc_learning_rate)

    @property
    def most(self) -> float:
        """Change of a medium grey by the strongest texture, where -1 is black and 1 white."""
        return self.config.most

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        most = self.most
        with torch.no_grad():
            graded, b = _random_crop(self.gen_a2b(batch.a)), _random_crop(batch.b)
        fake = with_texture(graded, self.texture(graded), most)
        drawn, real = fine_detail(fake), fine_detail(b)  # colour and light are the grade's

        with frozen(self.disc_b):
            terms = {
                "adversarial": lambda: adversarial_generator("lsgan", self.disc_b(drawn)),
                "distribution": lambda: self._distance(drawn, real),
                "self_regularisation": lambda: l1(fake, graded),
                "identity": lambda: l1(with_texture(b, self.texture(b), most), b),
                "equivariance": lambda: self._equivariance(graded, fake),
            }
            weights = {name: getattr(self.config, f"{name}_weight") for name in terms}
            losses = {name: terms[name]() for name, weight in weights.items() if weight}
            self.update("refiner", **{name: weights[name] * loss for name, loss in losses.items()})

        if "adversarial" in losses:
            judged = adversarial_discriminator("lsgan", self.disc_b(real), self.disc_b(drawn.detach()))
            self.update("discriminator", discriminator=judged)
            losses["discriminator"] = judged
        return {name: loss.detach() for name, loss in losses.items()}

    def _distance(self, fake: Tensor, real: Tensor) -> Tensor:
        """Distance of the newest details to those of B, each as a part of what the last batches hold."""
        directions = random_directions(_DIRECTIONS, device=fake.device)
        fakes, reals = self.fakes(random_patches(fake, PATCHES)), self.reals(random_patches(real, PATCHES))
        return sliced_wasserstein(fakes, reals, directions, judged=PATCHES)

    def _equivariance(self, graded: Tensor, fake: Tensor) -> Tensor:
        warp = random_warp(graded)
        moved = add_noise(warp(graded)).clamp(-1, 1)
        change = with_texture(moved, self.texture(moved), self.most) - moved
        return equivariance(fake - graded, change, warp)

    def grade(self, images: Tensor, direction: Direction) -> Grade:
        """What is done to the colours of pictures (N, 3, H, W) in [-1, 1]; the size does not matter."""
        self.check_direction(direction)
        return self.gen_a2b.grade(images)

    def texture(self, graded: Tensor) -> Tensor:
        """The texture of graded pictures, (N, 3, H, W) in [-1, 1], as `networks.texture.with_texture` takes
        it."""
        return fine_detail(at_least_float32(self.refiner(graded))) / 2

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        graded = self.gen_a2b(images)
        return with_texture(graded, self.texture(graded), self.most)


def _random_crop(images: Tensor) -> Tensor:
    """One random square of the pictures, at most `SEEN_PX`."""
    height, width = (min(SEEN_PX, edge) for edge in images.shape[-2:])
    top = int(torch.randint(0, images.shape[-2] - height + 1, ()))
    left = int(torch.randint(0, images.shape[-1] - width + 1, ()))
    return images[..., top : top + height, left : left + width]
