"""CycleGAN: two generators tied by a cycle-consistency loss.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.adversarial import Adversarial, adversarial_discriminator, adversarial_generator
from reskin.losses.equivariance import add_noise, equivariance, random_warp
from reskin.losses.gradient_penalty import gradient_penalty
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.networks.blocks import Norm, Upsample
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import Init, initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

GOT = {"batch": 8, "epochs": 200, "decay_epochs": 100, "save_every": 5, "learning_rate": 2e-4}
"""Castles of a series and buildings: 100 + 100 epochs at batch 8, a checkpoint every 5."""

TABLES = {"identity_weight": 0.0, "blocks": 6, "load_size": 143, "crop_size": 128}
"""What the five runs of tables 4 and 5 share: Cityscapes at 128 px, no identity loss."""

STEADY = {"equivariance_weight": 5.0}
"""For films, where textures must move with what they are on."""


class CycleGANConfig(MethodConfig):
    """Settings of CycleGAN; the defaults are the paper's."""

    retired: ClassVar[dict[str, Any]] = {
        **{"generator": "resnet", "downsamplings": ..., "halvings": ..., "discriminator": "patch"},
        **{"self_attention": "none", "spectral_norm": False, "disc_learning_rate": None},
    }

    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the cycle-consistency loss |gen_b2a(gen_a2b(a)) - a|, in both directions (eq. 3)."""
    forward_cycle: float = Field(default=1.0, ge=0)
    """Share of cycle_weight for the forward cycle A, B, A; 0 leaves it out (table 4)."""
    backward_cycle: float = Field(default=1.0, ge=0)
    """Share of cycle_weight for the backward cycle B, A, B; 0 leaves it out (table 4)."""
    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss |gen_a2b(b) - b|, as a share of cycle_weight (section 5.2); 0 for none."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generators' adversarial loss; 0 leaves the cycle alone, with no discriminator."""
    adversarial: Adversarial = "lsgan"
    """Form of the adversarial loss: least squares (the paper), cross-entropy, hinge or WGAN-GP."""
    pool_size: int = Field(default=50, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of every network."""
    blocks: int = Field(default=9, ge=1)
    """Residual blocks in a generator: 9 for 256 px, 6 for 128 px."""
    upsample: Upsample = "transposed"
    """Upsampling in a generator: a transposed convolution, or a nearest or bilinear resize-convolution."""
    norm: Norm = "instance"
    """Normalisation in all networks."""
    has_dropout: bool = False
    """Dropout of one half inside the generators."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of a discriminator: 3 give a receptive field of 70 px, 1 of 16 px."""
    init: Init = "normal"
    """Initialisation of the weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Standard deviation or scale of the initial weights."""
    equivariance_weight: float = Field(default=0.0, ge=0)
    """Weight of the equivariance loss: the translation of a slightly warped and noisy picture is the warped
    translation, in both directions, so that films hold still; 0 for none (the paper), 5 in preset steady."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.has_cycle):
            raise ValueError("adversarial_weight and the cycle's weights are all 0: nothing would be learnt")
        return self

    @property
    def has_cycle(self) -> bool:
        """Whether there is a cycle-consistency loss."""
        return bool(self.cycle_weight and (self.forward_cycle or self.backward_cycle))


class CycleGAN(Method):
    """Two generators and two discriminators (G, F, D_Y, D_X in the paper)."""

    Config = CycleGANConfig
    config: CycleGANConfig
    size_multiple = 4
    title = "CycleGAN"
    paper = "Zhu et al. 2017"
    good_for = "any two domains whose shapes agree; the reference that others are compared with"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), setting="adversarial")
    advice = {
        "inverted": ("higher identity_weight", "lower init_gain"),
        "copy": ("lower cycle_weight", "lower identity_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher cycle_weight",),
        "discriminator_won": ("fewer disc_layers", "higher pool_size", "another adversarial"),
    }
    presets = {
        "got_castle2building": Preset(
            "Castles of a series and real buildings: 273 and 924 pictures (or 2148 and 1948), batch 8.", GOT
        ),
        "got2fixers": Preset(
            "A series and a renovation show: every 100th frame, 6168 and 7372 of 640x360, not squeezed.",
            GOT | {"preprocess": "scale_width_and_crop"},
        ),
        "cycle_alone": Preset("Tables 4 and 5: no adversarial loss.", TABLES | {"adversarial_weight": 0.0}),
        "gan_alone": Preset("Tables 4 and 5: no cycle.", TABLES | {"cycle_weight": 0.0}),
        "gan_forward": Preset("Tables 4 and 5: only the cycle A, B, A.", TABLES | {"backward_cycle": 0.0}),
        "gan_backward": Preset("Tables 4 and 5: only the cycle B, A, B.", TABLES | {"forward_cycle": 0.0}),
        "full": Preset("Tables 4 and 5: adversarial loss and both cycles.", TABLES),
        "steady": Preset("For films: pictures that move a little are translated alike.", STEADY),
    }
    former_presets = {
        "got_castle2building_web": "Use got_castle2building: its settings are the same.",
        "youtube_pair_cyclegan": "Leave --preset out: its settings are the defaults.",
        "s2w_cyclegan": "Leave --preset out: its settings are the defaults.",
        "attention_and_spectral_norm": "Train cyclegan_attention: its defaults are these.",
        "sagan_parts": "Train cyclegan_attention: its defaults are these.",
    }

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__(config)
        self.gen_a2b, self.gen_b2a = self._generator(), self._generator()
        self.disc_a, self.disc_b = self._discriminator(), self._discriminator()
        self.pool_a, self.pool_b = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b)

    def _generator(self) -> nn.Module:
        c = self.config
        network = ResnetGenerator(
            c.width, c.blocks, norm=c.norm, has_dropout=c.has_dropout, upsample=c.upsample
        )
        initialise(network, c.init, c.init_gain)
        return network

    def _discriminator(self) -> nn.Module:
        c = self.config
        network = patch_discriminator(c.width, c.disc_layers, norm=c.norm)
        initialise(network, c.init, c.init_gain)
        return network

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        cycle_a, cycle_b = c.cycle_weight * c.forward_cycle, c.cycle_weight * c.backward_cycle
        fake_b, same_b, unsteady_b = self._fakes(self.gen_a2b, a, b)
        fake_a, same_a, unsteady_a = self._fakes(self.gen_b2a, b, a)

        losses, terms = {}, {}
        with frozen(self.disc_a, self.disc_b):
            if c.adversarial_weight:
                adversarial_a2b = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                adversarial_b2a = adversarial_generator(c.adversarial, self.disc_a(fake_a))
                losses["adversarial"] = adversarial_a2b + adversarial_b2a
                terms["adversarial"] = c.adversarial_weight * losses["adversarial"]
            if c.has_cycle:
                of_a = l1(self.gen_b2a(fake_b), a) if cycle_a else a.new_zeros(())
                of_b = l1(self.gen_a2b(fake_a), b) if cycle_b else b.new_zeros(())
                losses["cycle"] = of_a + of_b
                terms["cycle"] = cycle_a * of_a + cycle_b * of_b
            if same_a is not None and same_b is not None:
                kept_a, kept_b = l1(same_a, a), l1(same_b, b)
                losses["identity"] = kept_a + kept_b
                terms["identity"] = c.identity_weight * (cycle_a * kept_a + cycle_b * kept_b)
            if unsteady_a is not None and unsteady_b is not None:
                losses["equivariance"] = unsteady_a + unsteady_b
                terms["equivariance"] = c.equivariance_weight * losses["equivariance"]
            self.update("generators", **terms)

        if c.adversarial_weight:
            judged = {
                "discriminator_a": self._real_vs_fake(self.disc_a, a, self.pool_a(fake_a)),
                "discriminator_b": self._real_vs_fake(self.disc_b, b, self.pool_b(fake_b)),
            }
            self.update("discriminators", **judged)
            losses |= judged
        return {name: loss.detach() for name, loss in losses.items()}

    def _fakes(
        self, gen: nn.Module, image: Tensor, other: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The translation of `image`, the identity image of `other`, and the equivariance loss of `image`.

        The last two are None where these losses are off.
        """
        has_identity = self.config.identity_weight and self.config.has_cycle
        warp = random_warp(image) if self.config.equivariance_weight else None
        inputs = [image, *([other] if has_identity else []), *([add_noise(warp(image))] if warp else [])]
        made = together(gen, *inputs)
        same = made[1] if has_identity else None
        return made[0], same, equivariance(made[0], made[-1], warp) if warp else None

    def _real_vs_fake(self, disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator loss on real and pooled fake pictures."""
        real_logits, fake_logits = together(disc, real, fake)
        loss = adversarial_discriminator(self.config.adversarial, real_logits, fake_logits)
        if self.config.adversarial == "wgan-gp":
            loss = loss + gradient_penalty(disc, real, fake)
        return loss

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)
