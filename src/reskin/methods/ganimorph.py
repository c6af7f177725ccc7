"""GANimorph: dilated discriminators and an MS-SSIM cycle, which let shapes change.

Gokaslan et al., "Improving Shape Deformation in Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1808.04325.

The published code also draws a batch of its own for D; here one serves all.
"""

from __future__ import annotations

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.averaging import average_over_processes
from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.matching import feature_distance
from reskin.losses.normaliser import LossNormaliser
from reskin.losses.reconstruction import l1
from reskin.losses.structural import GANIMORPH, ms_ssim
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.networks.dilated import DilatedDiscriminator
from reskin.networks.ganimorph import GanimorphGenerator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

TERMS = ("adversarial", "matching", "structure", "cycle")
"""The generators' losses, in the order in which the normaliser keeps them."""

TEXT = {
    "adversarial_weight": 0.49,
    "matching_weight": 0.21,
    "structure_weight": 0.21,
    "cycle_weight": 0.09,
    "normaliser_decay": 0.99,
    "normaliser_every": 200,
    "normaliser_first": 0,
}
"""What the paper's text says where its published code, whose numbers are the defaults, has others."""


class GANimorphConfig(MethodConfig):
    """Settings of GANimorph; the defaults are those of its published code."""

    adversarial_weight: float = Field(default=0.469, ge=0)
    """Weight of the adversarial loss (0.67 x 0.7)."""
    matching_weight: float = Field(default=0.201, ge=0)
    """Weight of feature matching, of batch means in the discriminators (0.67 x 0.3); 0 for none."""
    structure_weight: float = Field(default=0.231, ge=0)
    """Weight of the cycle-consistency loss 1 - MS-SSIM (0.33 x 0.7); 0 for none."""
    cycle_weight: float = Field(default=0.099, ge=0)
    """Weight of the L1 cycle-consistency loss, values in [0, 1] (0.33 x 0.3); 0 for none."""
    normaliser_every: int = Field(default=90, ge=0)
    """Steps after which losses are divided by newer running means of theirs; 0 leaves losses as they are."""
    normaliser_first: int = Field(default=36, ge=0)
    """Step of one more such renewal early on; 0 for none."""
    normaliser_decay: float = Field(default=0.9999, ge=0, lt=1)
    """Decay per step of these running means, which begin at 1."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of the generators."""
    blocks: int = Field(default=3, ge=1)
    """Residual blocks in each of five groups; 1 gives the generator of 23 convolutions."""
    disc_width: int = Field(default=64, ge=1)
    """Half the channels after the first layer of the discriminators."""
    ssim_scales: int = Field(default=5, ge=1, le=5)
    """Scales of MS-SSIM, each half the size of the one before: 5 for 128 px, 3 for 32 px."""
    ssim_window: int = Field(default=8, ge=2)
    """Window of MS-SSIM, px; must fit into the smallest of these sizes."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not any(getattr(self, f"{term}_weight") for term in TERMS):
            raise ValueError("all weights are 0: nothing would be learnt")
        return self


class GANimorph(Method):
    """Two generators; two discriminators learn first in every second step. Networks see values in [0, 1]."""

    Config = GANimorphConfig
    config: GANimorphConfig
    title = "GANimorph"
    paper = "Gokaslan et al. 2018"
    good_for = "two domains whose shapes differ, such as faces of people and of drawn figures"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), objective="bce")
    advice = {
        "copy": ("lower cycle_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("lower disc_width",),
    }
    same_every_step = False
    defaults = {
        "batch": 16,
        "epochs": 300,
        "decay_epochs": 150,
        "preprocess": "scale_width_and_crop",  # the paper keeps the shape of pictures too
        "load_size": 143,
        "crop_size": 128,
        "rotate": 30.0,
        "rescale": 0.1,
    }
    presets = {
        "as_published": Preset("As long as the paper: 300 epochs of 1000 steps.", {"steps": 300_000}),
        "as_in_the_text": Preset("Weights and normalisation of the paper's text, not of its code.", TEXT),
        "23_convolutions": Preset("One block in a group: 22 million weights.", {"blocks": 1}),
    }

    def __init__(self, config: GANimorphConfig) -> None:
        super().__init__(config)
        c = config
        self.gen_a2b, self.gen_b2a = (GanimorphGenerator(c.width, c.blocks) for _ in range(2))
        self.disc_a, self.disc_b = (DilatedDiscriminator(c.disc_width) for _ in range(2))
        # Torch draws the weights of its layers evenly from +-1 / sqrt(fan_in), which is this paper's start
        # for all but the dilated layers.
        for disc in (self.disc_a, self.disc_b):
            for layer in disc.far.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.xavier_uniform_(layer.weight)
        self.normaliser = LossNormaliser(
            len(TERMS), decay=c.normaliser_decay, every=c.normaliser_every, first=c.normaliser_first
        )
        self.size_multiple = GanimorphGenerator.size_multiple
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b)

    @property
    def _judges(self) -> bool:
        """Whether there is anything to ask the discriminators."""
        return bool(self.config.adversarial_weight or self.config.matching_weight)

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b = _unit(batch.a), _unit(batch.b)
        fake_b, fake_a = self.gen_a2b(a), self.gen_b2a(b)
        judged = {}
        if self._judges and step.number % 2 == 0:
            judged = {
                "discriminator_a": self._real_vs_fake(self.disc_a, a, fake_a.detach()),
                "discriminator_b": self._real_vs_fake(self.disc_b, b, fake_b.detach()),
            }
            self.update("discriminators", **judged)
        with frozen(self.disc_a, self.disc_b):
            losses = self._judged(a, b, fake_a, fake_b) | self._cycles(a, b, fake_a, fake_b)
            self.update("generators", **self._weighted(losses, step.number))
        return {name: loss.detach() for name, loss in (losses | judged).items()}

    def _judged(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """The adversarial and the feature-matching loss of the generators."""
        c = self.config
        losses: dict[str, list[Tensor]] = {"adversarial": [], "matching": []}
        pairs = ((self.disc_a, a, fake_a), (self.disc_b, b, fake_b)) if self._judges else ()
        for disc, real, fake in pairs:
            logits, of_fakes = disc(fake)
            if c.adversarial_weight:
                losses["adversarial"].append(adversarial_generator("bce", logits))
            if c.matching_weight:
                with torch.no_grad():  # apart from the fakes: nothing flows back through real pictures
                    _, of_reals = disc(real)
                losses["matching"].append(feature_distance(of_reals, of_fakes, over_batch))
        return {name: torch.stack(parts).sum() for name, parts in losses.items() if parts}

    def _cycles(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """The cycle-consistency losses."""
        c = self.config
        losses: dict[str, Tensor] = {}
        if not (c.structure_weight or c.cycle_weight):
            return losses
        cycled_a, cycled_b = self.gen_b2a(fake_b), self.gen_a2b(fake_a)
        if c.structure_weight:
            losses["structure"] = self._dissimilarity(cycled_a, a) + self._dissimilarity(cycled_b, b)
        if c.cycle_weight:
            losses["cycle"] = l1(cycled_a, a) + l1(cycled_b, b)
        return losses

    def _dissimilarity(self, image: Tensor, reference: Tensor) -> Tensor:
        """1 - MS-SSIM of pictures in [0, 1], in this paper's form."""
        c = self.config
        similarity = ms_ssim(
            _outside(image),
            _outside(reference),
            scales=c.ssim_scales,
            window=c.ssim_window,
            form=GANIMORPH._replace(pool=over_batch),
        )
        return 1 - similarity.mean()

    def _weighted(self, losses: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The losses, normalised, times their weights."""
        absent = next(iter(losses.values())).new_zeros(())
        values = torch.stack([losses.get(name, absent) for name in TERMS])
        normalised = self.normaliser(values, over_batch(values[None])[0], step)
        weights = [getattr(self.config, f"{name}_weight") for name in TERMS]
        parts = zip(TERMS, weights, normalised.unbind(), strict=True)
        return {name: weight * value for name, weight, value in parts if name in losses}

    def _real_vs_fake(self, disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator loss."""
        (real_logits, _), (fake_logits, _) = together(disc, real, fake)
        return adversarial_discriminator("bce", real_logits, fake_logits)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        generator = self.gen_a2b if direction == "a2b" else self.gen_b2a
        return _outside(generator(_unit(images)))


def over_batch(values: Tensor) -> Tensor:
    """The mean over the first axis, which stays, and over processes; the gradient is each one's own."""
    mine = values.mean(dim=0, keepdim=True)
    everywhere = mine.detach().clone()
    average_over_processes([everywhere])
    return mine + (everywhere - mine.detach())


def _unit(images: Tensor) -> Tensor:
    """[-1, 1], as everywhere outside, to [0, 1]."""
    return (images + 1) / 2


def _outside(images: Tensor) -> Tensor:
    """[0, 1] to [-1, 1]."""
    return images * 2 - 1
