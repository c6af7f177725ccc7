"""Grade: CycleGAN's objective over generators that can only grade, so a film keeps its shapes at any size.

The generator is a bilateral grid (Gharbi et al., "Deep Bilateral Learning for Real-Time Image Enhancement",
SIGGRAPH 2017, https://arxiv.org/abs/1707.02880), the objective that of Zhu et al. (ICCV 2017) with a sliced
Wasserstein loss between patches (Heitz et al., CVPR 2021), which brings tones and colours to the other domain
within minutes.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1
from reskin.losses.sliced_wasserstein import (
    PATCH_PX,
    random_directions,
    random_patches,
    sliced_wasserstein,
)
from reskin.methods.base import Adversary, Method, MethodConfig, frozen
from reskin.networks.bilateral_grid import KNEE, Grade, GradeGenerator, apply_grade, bend, roughness
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import initialise
from reskin.networks.patch_memory import PatchMemory
from reskin.networks.patchgan import patch_discriminator
from reskin.types import Batch, Direction, Step

DISC_PX = 64
"""Edge of what a discriminator is shown, px."""

PATCHES, _DIRECTIONS = 800, 24
"""Patches of each batch, and the lines on which they are compared."""

_START_BATCHES, _START_PATCHES = 20, 300
"""Earlier batches that the start knows, and the patches of each."""

_FITS, _FIT_PATCHES = 5, 2500
"""Updates of the start in each of its steps, and the patches that each of them compares."""


class GradeConfig(MethodConfig):
    """Settings of the grade."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of the generators' Adam before the schedule lowers it."""
    beta2: float = Field(default=0.99, ge=0, lt=1)
    """Adam's decay of the mean squared gradient."""
    disc_learning_rate: float = Field(default=2e-4, gt=0)
    """Step size of the discriminators' Adam."""
    distribution_weight: float = Field(default=5.0, ge=0)
    """Weight of the sliced Wasserstein distance of 5 px patches to the other domain; 0 leaves it out."""
    memory: int = Field(default=6, ge=0)
    """Earlier batches that complete the distribution to which a batch belongs; 0 for none."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generators' least-squares adversarial loss; 0 leaves the discriminators out."""
    cycle_weight: float = Field(default=2.0, ge=0)
    """Weight of the cycle-consistency loss."""
    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss, as a share of cycle_weight; 0 for none."""
    smooth_weight: float = Field(default=150.0, ge=0)
    """Weight of the squared difference between neighbouring cells of the grid; low values leave patches of
    colour and light where the domains differ in layout, and more so the longer it learns."""
    bend_weight: float = Field(default=2.5, ge=0)
    """Weight of how much the slope of the tone curves changes; low values draw contours in skies and skin."""
    clipping_weight: float = Field(default=4.0, ge=0)
    """Weight of how much farther values reach into the ends of the range than those of the domain."""
    start_steps: int = Field(default=60, ge=0)
    """First steps, in which one grade for all pictures is fitted to the distribution as well; 0 for none."""
    start_learning_rate: float = Field(default=5e-2, gt=0)
    """Step size of its Adam, which falls to 0 within these steps."""
    width: int = Field(default=16, ge=1)
    """Channels after the first layer of a generator."""
    disc_width: int = Field(default=24, ge=1)
    """Channels after the first layer of a discriminator."""
    disc_layers: int = Field(default=2, ge=1, le=6)
    """Layers of the patch discriminators: 2 have a receptive field of 34 px."""
    pool_size: int = Field(default=50, ge=0)
    """Earlier translations that a discriminator may be shown instead of the newest; 0 for none."""


class GradeMethod(Method):
    """Two grading generators and two discriminators."""

    Config = GradeConfig
    config: GradeConfig
    title = "Grade"
    paper = "bilateral grid of Gharbi et al. 2017"
    good_for = "films at full size in minutes: colour, tone and light change, shapes and texture cannot"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), objective="lsgan")
    same_every_step = False  # the memory of patches asks the host how full it is
    advice = {
        "copy": ("higher distribution_weight", "lower cycle_weight", "lower identity_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("fewer disc_layers", "higher pool_size"),
        "overfitting": ("lower width",),
    }
    defaults = {"batch": 4, "load_size": 128, "crop_size": 128, "epochs": 40, "decay_epochs": 20}

    def __init__(self, config: GradeConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.gen_b2a = GradeGenerator(config.width), GradeGenerator(config.width)
        self.disc_a = patch_discriminator(config.disc_width, config.disc_layers)
        self.disc_b = patch_discriminator(config.disc_width, config.disc_layers)
        for disc in (self.disc_a, self.disc_b):
            initialise(disc, "normal", 0.02)
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.memories = nn.ModuleDict(
            {
                f"{kind}_{domain}": PatchMemory(
                    batches=config.memory, patches=PATCHES, values=3 * PATCH_PX**2
                )
                for kind in ("fake", "real")
                for domain in ("a", "b")
            }
        )
        self.starts = nn.ModuleDict(
            {
                domain: PatchMemory(batches=_START_BATCHES, patches=_START_PATCHES, values=3 * PATCH_PX**2)
                for domain in ("a", "b")
            }
        )
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        common = nn.ParameterList([*self.gen_a2b.common(), *self.gen_b2a.common()])
        self.add_optimizer("start", common, learning_rate=config.start_learning_rate)
        self.add_optimizer(
            "discriminators", self.disc_a, self.disc_b, learning_rate=config.disc_learning_rate
        )

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b = batch.a, batch.b
        if step.number <= self.config.start_steps and self.config.distribution_weight:
            self._fit_start(a, b, step)
        grade_a, grade_b = self.gen_a2b.grade(a), self.gen_b2a.grade(b)
        fake_b, fake_a = apply_grade(a, grade_a), apply_grade(b, grade_b)
        seen_a, seen_b, judged_a, judged_b = (_random_crop(images) for images in (a, b, fake_a, fake_b))

        with frozen(self.disc_a, self.disc_b):
            terms = {
                "adversarial": lambda: (
                    self._fools(self.disc_b, judged_b) + self._fools(self.disc_a, judged_a)
                ),
                "distribution": lambda: self._distance(fake_b, b, "b") + self._distance(fake_a, a, "a"),
                "cycle": lambda: l1(self.gen_b2a(fake_b), a) + l1(self.gen_a2b(fake_a), b),
                "identity": lambda: l1(self.gen_a2b(b), b) + l1(self.gen_b2a(a), a),
                "smooth": lambda: roughness(grade_a) + roughness(grade_b),
                "bend": lambda: bend(grade_a) + bend(grade_b),
                "clipping": lambda: _excess(fake_b, b) + _excess(fake_a, a),
            }
            weights = self._weights()
            losses = {name: terms[name]() for name in weights}
            self.update("generators", **{name: weights[name] * loss for name, loss in losses.items()})

        if "adversarial" in losses:
            real_vs_fake = {
                "discriminator_a": _real_vs_fake(self.disc_a, seen_a, self.pool_a(judged_a.detach())),
                "discriminator_b": _real_vs_fake(self.disc_b, seen_b, self.pool_b(judged_b.detach())),
            }
            self.update("discriminators", **real_vs_fake)
            losses |= real_vs_fake
        return {name: loss.detach() for name, loss in losses.items()}

    def _fit_start(self, a: Tensor, b: Tensor, step: Step) -> None:
        """Bring what each generator does to all pictures alike nearer to the other domain's distribution."""
        c = self.config
        for group in self.optimizers["start"].param_groups:
            group["lr"] = c.start_learning_rate * (1 - (step.number - 1) / c.start_steps)
        known_a = self.starts["a"](random_patches(a, _START_PATCHES))
        known_b = self.starts["b"](random_patches(b, _START_PATCHES))
        for _ in range(_FITS):
            directions = random_directions(_DIRECTIONS, device=a.device)
            some_a, some_b = (_some(known) for known in (known_a, known_b))
            grade_a, grade_b = self.gen_a2b.common_grade(), self.gen_b2a.common_grade()
            made_b, made_a = _graded(some_a, grade_a), _graded(some_b, grade_b)
            distance = sliced_wasserstein(made_b, some_b, directions)
            distance = distance + sliced_wasserstein(made_a, some_a, directions)
            self.update(
                "start",
                distribution=c.distribution_weight * distance,
                bend=c.bend_weight * (bend(grade_a) + bend(grade_b)),
                clipping=c.clipping_weight * (_excess(made_b, some_b) + _excess(made_a, some_a)),
            )

    def _distance(self, fake: Tensor, real: Tensor, domain: Literal["a", "b"]) -> Tensor:
        """Distance of the newest translations to a domain, each as a part of what the last batches hold."""
        directions = random_directions(_DIRECTIONS, device=fake.device)
        fakes = self.memories[f"fake_{domain}"](random_patches(fake, PATCHES))
        reals = self.memories[f"real_{domain}"](random_patches(real, PATCHES))
        return sliced_wasserstein(fakes, reals, directions, judged=PATCHES)

    def _weights(self) -> dict[str, float]:
        """Loss to weight, of those that are not 0."""
        c = self.config
        weights = {
            "adversarial": c.adversarial_weight,
            "distribution": c.distribution_weight,
            "cycle": c.cycle_weight,
            "identity": c.cycle_weight * c.identity_weight,
            "smooth": c.smooth_weight,
            "bend": c.bend_weight,
            "clipping": c.clipping_weight,
        }
        return {name: weight for name, weight in weights.items() if weight}

    @staticmethod
    def _fools(disc: nn.Module, fake: Tensor) -> Tensor:
        return adversarial_generator("lsgan", disc(fake))

    def grade(self, images: Tensor, direction: Direction) -> Grade:
        """What would be done to the colours of pictures (N, 3, H, W) in [-1, 1]; the size does not matter."""
        self.check_direction(direction)
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a).grade(images)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)


def _some(patches: Tensor) -> Tensor:
    """`_FIT_PATCHES` of these, at random."""
    return patches[torch.randint(0, len(patches), (_FIT_PATCHES,), device=patches.device)]


def _graded(patches: Tensor, grade: Grade) -> Tensor:
    """Patches (P, 75), graded all alike."""
    pixels = patches.unflatten(1, (PATCH_PX**2, 3)).permute(2, 0, 1)[None]  # (1, 3, P, 25)
    return apply_grade(pixels, grade)[0].permute(1, 2, 0).flatten(1)


def _random_crop(images: Tensor) -> Tensor:
    """One random square of the pictures, at most `DISC_PX`: a discriminator learns as much from it, in less
    time."""
    height, width = (min(DISC_PX, edge) for edge in images.shape[-2:])
    top = int(torch.randint(0, images.shape[-2] - height + 1, ()))
    left = int(torch.randint(0, images.shape[-1] - width + 1, ()))
    return images[..., top : top + height, left : left + width]


def _excess(fake: Tensor, real: Tensor) -> Tensor:
    """How much farther translations reach into the ends of the range than the domain's images, on average."""
    ends = (1 + KNEE) / 2
    reach_fake, reach_real = ((images.abs() - ends).clamp_min(0).mean() for images in (fake, real))
    return (reach_fake - reach_real).clamp_min(0)


def _real_vs_fake(disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return adversarial_discriminator("lsgan", disc(real), disc(fake))
