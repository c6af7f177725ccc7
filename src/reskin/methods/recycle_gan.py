"""Recycle-GAN: unpaired translation of videos, with predictors that know how each domain moves.

Bansal et al., "Recycle-GAN: Unsupervised Video Retargeting", ECCV 2018, https://arxiv.org/abs/1808.05174.

It learns from clips of three frames: folders as `reskin prepare clips` makes them, or the authors' layout of
three square frames side by side in each picture. The defaults are those of the authors' scripts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.reconstruction import l1, squared
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.methods.translator import Stream
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import initialise
from reskin.networks.padding import crop_to, pad_to_multiple
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.predictor import Predictor, PredictorKind, frame_predictor
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

Frames = tuple[Tensor, ...]

QUICK = {"predictor": "residual", "predictor_width": 24, "predictor_downsamplings": 6, "width": 24}
"""Networks that a CPU can teach."""


class RecycleGANConfig(MethodConfig):
    """Settings of Recycle-GAN."""

    recurrent_weight: float = Field(default=10.0, ge=0)
    """Weight of the recurrent loss: each predictor against the third frame of its own domain (eq. 4)."""
    recycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the recycle loss: two frames translated, a third predicted, translated back (eq. 5)."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generators' least-squares loss on two translations and a prediction of each domain."""
    prediction_adversarial_weight: float = Field(default=0.0, ge=0)
    """Weight of the least-squares loss on predictions from real frames; 1 in the code's option."""
    cycle_weight: float = Field(default=0.0, ge=0)
    """Weight of CycleGAN's cycle-consistency loss on the first two frames; 10 in the authors' reCycle."""
    identity_weight: float = Field(default=0.0, ge=0)
    """Weight of the identity loss on the first two frames; 5 in the authors' reCycle."""
    distance: Literal["l1", "squared"] = "l1"
    """How frames are compared: mean absolute difference (the authors' code) or mean squared (the paper)."""
    predictor: PredictorKind = "unet"
    """Predictors: unet, on both frames (the paper); residual, a U-Net that adds to the newest frame, which
    learns sooner; framewise, the code's other form, with features of each frame first."""
    predictor_width: int = Field(default=64, ge=1)
    """Channels after the first layer of a predictor's U-Net."""
    predictor_downsamplings: int = Field(default=8, ge=5, le=10)
    """Downsamplings of a predictor's U-Net: 8 for 256 px, 7 for 128 px; crop_size is a multiple of as many
    powers of 2."""
    predictor_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the prediction in a video's translation: 0, the generator alone; 0.5, the mean of both."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of generators and discriminators."""
    blocks: int = Field(default=6, ge=1)
    """Residual blocks in a generator: 6 as in the authors' scripts, 9 by the default of their code."""
    upsample: Literal["transposed", "nearest", "bilinear"] = "transposed"
    """Upsampling in a generator: a transposed convolution (the authors), or a nearest or bilinear
    resize-convolution, without which a short training leaves a fine grid over the pictures."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of a discriminator: 3 give a receptive field of 70 px, 1 of 16 px."""
    pool_size: int = Field(default=0, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none (the scripts)."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.recycle_weight):
            raise ValueError("adversarial_weight and recycle_weight are both 0: nothing would be learnt")
        return self


class RecycleGAN(Method):
    """Two generators (G), two predictors (P) and two discriminators (D).

    The predictor of a domain makes the third frame of a clip from the first two. A video is translated frame
    by frame with the generator alone, or mixed with what the predictor of the other domain makes of the two
    translations before (`predictor_share`, and `reskin translate --predictor-share`).
    """

    Config = RecycleGANConfig
    config: RecycleGANConfig
    title = "Recycle-GAN"
    paper = "Bansal et al. 2018"
    good_for = "two videos without pairs: how things move is learnt too; 130 M weights at full size"
    adversary = Adversary(("disc_a", "disc_b"), ("discriminator_a", "discriminator_b"), objective="lsgan")
    clip_length = 3
    size_multiple = 4
    advice = {
        "copy": ("lower cycle_weight", "lower identity_weight", "higher adversarial_weight"),
        "mode_collapse": ("higher recycle_weight", "higher cycle_weight"),
        "discriminator_won": ("fewer disc_layers", "higher pool_size"),
        "overfitting": ("lower width", "lower predictor_width"),
    }
    presets = {
        "recycle_with_cycle": Preset(
            "The authors' second model, reCycle: CycleGAN's cycle and identity losses on two frames too.",
            {"cycle_weight": 10.0, "identity_weight": 5.0, "predictor_downsamplings": 7},
        ),
        "framewise_predictors": Preset(
            "The authors' other predictors: features of each frame, then a U-Net of 6 downsamplings.",
            {"predictor": "framewise", "predictor_downsamplings": 6},
        ),
        "youtube_pair_recycle": Preset(
            "Two people on video, 16,485 frames: 20 + 20 epochs, which do for a large dataset.",
            {"epochs": 40, "decay_epochs": 20},
        ),
        "quick": Preset(
            "A CPU and an evening: residual predictors and small networks at 128 px.",
            QUICK | {"load_size": 143, "crop_size": 128, "upsample": "nearest"},
        ),
    }

    def __init__(self, config: RecycleGANConfig) -> None:
        super().__init__(config)
        c = config
        self.gen_a2b, self.gen_b2a = (ResnetGenerator(c.width, c.blocks, upsample=c.upsample) for _ in "ab")
        shape = c.predictor, c.predictor_width, c.predictor_downsamplings
        self.pred_a, self.pred_b = (frame_predictor(*shape) for _ in "ab")
        self.disc_a, self.disc_b = (patch_discriminator(c.width, c.disc_layers) for _ in "ab")
        self.pool_a, self.pool_b = ImagePool(c.pool_size), ImagePool(c.pool_size)
        for network in self.children():
            initialise(network)
        self.add_optimizer("generators", self.gen_a2b, self.gen_b2a, self.pred_a, self.pred_b)
        self.add_optimizer("discriminators", self.disc_a, self.disc_b)

    def use_predictor(self, share: float) -> None:
        """Translate videos with this share of the prediction, 0 to 1, from the next stream on."""
        if not 0 <= share <= 1:
            raise SettingsError(f"predictor_share is {share:g}", "Give a share from 0 to 1.")
        self.config = self.config.model_copy(update={"predictor_share": share})

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b = batch.a.unbind(1), batch.b.unbind(1)  # three frames, (N, 3, H, W) each
        first_b, same_b = self._translated(self.gen_a2b, a, b)
        first_a, same_a = self._translated(self.gen_b2a, b, a)
        third_a, next_a = together(self.pred_a, first_a, a[:2])
        third_b, next_b = together(self.pred_b, first_b, b[:2])
        fakes_a, fakes_b = (*first_a, third_a), (*first_b, third_b)

        with frozen(self.disc_a, self.disc_b):
            back_a, back_b = self._back(self.gen_b2a, fakes_b), self._back(self.gen_a2b, fakes_a)
            terms = {
                "adversarial": lambda: _fools(self.disc_b, *fakes_b) + _fools(self.disc_a, *fakes_a),
                "prediction_adversarial": lambda: _fools(self.disc_a, next_a) + _fools(self.disc_b, next_b),
                "recurrent": lambda: self._distance((next_a, next_b), (a[2], b[2])),
                "recycle": lambda: self._distance((back_a[2], back_b[2]), (a[2], b[2])),
                "cycle": lambda: self._distance((*back_a[:2], *back_b[:2]), (*a[:2], *b[:2])),
                "identity": lambda: self._distance((*same_a, *same_b), (*a[:2], *b[:2])),
            }
            weights = {name: getattr(self.config, f"{name}_weight") for name in terms}
            losses = {name: term() for name, term in terms.items() if weights[name]}
            self.update("generators", **{name: weights[name] * loss for name, loss in losses.items()})

        if "adversarial" in losses or "prediction_adversarial" in losses:
            real_vs_fake = {
                "discriminator_a": _real_vs_fake(self.disc_a, a, map(self.pool_a, (*fakes_a, next_a))),
                "discriminator_b": _real_vs_fake(self.disc_b, b, map(self.pool_b, (*fakes_b, next_b))),
            }
            self.update("discriminators", **real_vs_fake)
            losses |= real_vs_fake
        return {name: loss.detach() for name, loss in losses.items()}

    def _translated(self, gen: nn.Module, frames: Frames, others: Frames) -> tuple[Frames, Frames]:
        """Translations of the first two frames, and the identity images of the other domain's, if wanted."""
        made = together(gen, *frames[:2], *(others[:2] if self.config.identity_weight else ()))
        return made[:2], made[2:]

    def _back(self, gen: nn.Module, fakes: Frames) -> Frames:
        """Reconstructions of two translations and a prediction, as far as a loss needs them."""
        c = self.config
        if not c.cycle_weight:
            return (*fakes[:2], gen(fakes[2]) if c.recycle_weight else fakes[2])
        return together(gen, *fakes)

    def _distance(self, images: Frames, references: Frames) -> Tensor:
        """The sum of the distances of several pairs of frames."""
        compare = l1 if self.config.distance == "l1" else squared
        return torch.stack([compare(*pair) for pair in zip(images, references, strict=True)]).sum()

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return (self.gen_a2b if direction == "a2b" else self.gen_b2a)(images)

    def stream(self, direction: Direction) -> Stream:
        return Mixed(self, direction) if self.config.predictor_share else super().stream(direction)


class Mixed(Stream):
    """Translations of single frames, mixed with the prediction from the two translations before."""

    model: RecycleGAN

    def __init__(self, model: RecycleGAN, direction: Direction) -> None:
        super().__init__(model, direction)
        self.predictor: Predictor = model.pred_b if direction == "a2b" else model.pred_a
        self.share, self.multiple = model.config.predictor_share, 2**model.config.predictor_downsamplings
        self.before: deque[Tensor] = deque(maxlen=2)

    def step(self, frame: Tensor) -> Tensor:
        made = self.model.translate(frame, self.direction)
        if any(one.shape != made.shape for one in self.before):
            self.reset()
        mixed = made
        if len(self.before) == 2:
            predicted = self.predictor(*(pad_to_multiple(one, self.multiple) for one in self.before))
            mixed = made.lerp(crop_to(predicted, *made.shape[-2:]), self.share)
        self.before.append(made)
        return mixed

    def reset(self) -> None:
        self.before.clear()

    def state(self) -> dict[str, Tensor]:
        return {str(number): made for number, made in enumerate(self.before)}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.before = deque((state[name] for name in sorted(state)), maxlen=2)


def _fools(disc: nn.Module, *fakes: Tensor) -> Tensor:
    """The generators' loss on each of some fakes, summed."""
    return torch.stack([adversarial_generator("lsgan", logits) for logits in together(disc, *fakes)]).sum()


def _real_vs_fake(disc: nn.Module, real: Frames, fakes: Iterable[Tensor]) -> Tensor:
    """The discriminator's loss on three frames, each beside its fake, and the third beside its prediction."""
    judged = together(disc, *real, *fakes)
    pairs = zip((*judged[:3], judged[2]), judged[3:], strict=True)
    return torch.stack([adversarial_discriminator("lsgan", *pair) for pair in pairs]).sum()
