"""vid2vid: paired translation of videos, frame after frame, each made from those before it.

Wang et al., "Video-to-Video Synthesis", NeurIPS 2018, https://arxiv.org/abs/1808.06601.

The composite generator with a learnt flow and mask, image discriminators, video discriminators at two
strides, and the losses of features and flows. Left out are the pyramid of sizes, the foreground's branch and
the VGG loss. It learns from pairs of clips; where there are none, `--pairs-from RUN` makes domain B with an
image model, and this method then learns to do the same without its flicker. The reference flow is DIS
instead of FlowNet2. A clip begins from nothing (the code's `no_first_img`), as a film does after each cut.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.losses.feature_matching import Maps, feature_matching
from reskin.losses.multiscale import multiscale_discriminator, multiscale_generator
from reskin.methods.base import Adversary, Method, MethodConfig, Preset, frozen
from reskin.methods.translator import Stream
from reskin.networks.feature_discriminator import FeatureDiscriminator
from reskin.networks.flow import confidence, dis_flow, warp
from reskin.networks.init import initialise
from reskin.networks.sequence import PairedSequence, newest_inputs, newest_outputs, sequence_length, triple_of
from reskin.networks.together import together
from reskin.networks.video_generator import Composed, VideoGenerator
from reskin.types import Batch, Direction, Step

STRIDES = (1, 3)
"""Frames between those that a video discriminator sees."""

Judged = tuple[nn.Module, Tensor, Sequence[Tensor]]
"""A discriminator, what is real to it, and what is made."""


class Vid2VidConfig(MethodConfig):
    """Settings of vid2vid; the defaults are a reduced form of the paper's."""

    frames: int = Field(default=14, ge=3, le=10_000)
    """Longest sequence that is learnt, and frames of a sample; clips must be as long."""
    first_frames: int = Field(default=7, ge=3)
    """Length of the sequences in the first quarter of the training; it doubles with each quarter, up to
    frames. A video discriminator of stride 3 sees only those of 7 or more."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the least-squares loss by the image discriminator, on the frame and on the new picture."""
    video_adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the least-squares loss by the video discriminators; 0 for none of them."""
    feature_matching_weight: float = Field(default=10.0, ge=0)
    """Weight of the distance between the discriminators' features of real and made frames."""
    flow_weight: float = Field(default=10.0, ge=0)
    """Weight of the distance between the learnt flow and the reference flow."""
    flow_warp_weight: float = Field(default=10.0, ge=0)
    """Weight of the distance between a real frame and the one before, warped along the learnt flow."""
    output_warp_weight: float = Field(default=10.0, ge=0)
    """Weight of the distance between a frame and the one made before, warped along the reference flow."""
    mask_weight: float = Field(default=1.0, ge=0)
    """Weight of the mask where the reference flow holds: what was there before need not be made anew."""
    width: int = Field(default=32, ge=1)
    """Channels after the first layer of the generator; 128 in the paper."""
    blocks: int = Field(default=6, ge=1)
    """Residual blocks of the generator: half before its branches part, half in each; 9 in the paper."""
    generator_downsamplings: int = Field(default=2, ge=1, le=5)
    """Downsamplings of the generator; 3 in the paper."""
    disc_width: int = Field(default=64, ge=1)
    """Channels after the first layer of the discriminators."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of the discriminators: 3 give a receptive field of 70 px, 1 of 16 px."""
    scales: int = Field(default=2, ge=1, le=4)
    """Sizes at which each discriminator judges: the whole, its half, and so on."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.first_frames > self.frames:
            raise ValueError(f"first_frames {self.first_frames} is more than frames {self.frames}")
        if not (self.adversarial_weight or self.feature_matching_weight):
            raise ValueError("adversarial_weight and feature_matching_weight are both 0: no frame is judged")
        return self


class Vid2Vid(Method):
    """A generator, an image discriminator and video discriminators (G, D_I and D_V in the paper).

    It translates from A to B. For the other way exchange the two folders.
    """

    Config = Vid2VidConfig
    config: Vid2VidConfig
    title = "vid2vid"
    paper = "Wang et al. 2018"
    good_for = "videos that come in pairs, or the flicker of an image model: each frame is made from the last"
    adversary = Adversary(
        ("disc_image", "disc_video"),
        ("discriminator", "video_discriminator"),
        ("adversarial", "video_adversarial"),
        objective="lsgan",
    )
    pairing = "paired"
    clip_length = 14
    directions = ("a2b",)
    same_every_step = False  # sequences grow, and the reference flow is estimated on the CPU
    defaults = {"epochs": 20, "decay_epochs": 10}
    advice = {
        "copy": ("higher feature_matching_weight", "lower mask_weight"),
        "discriminator_won": ("fewer disc_layers", "lower disc_width"),
        "overfitting": ("lower width",),
    }
    presets = {
        "quick": Preset(
            "A CPU and an evening: small networks at 128 px, sequences of 7 frames.",
            {"width": 16, "disc_width": 16, "frames": 7, "load_size": 143, "crop_size": 128},
        ),
    }

    def __init__(self, config: Vid2VidConfig) -> None:
        super().__init__(config)
        c = config
        self.gen_a2b = VideoGenerator(c.width, c.generator_downsamplings, c.blocks)
        self.disc_image = FeatureDiscriminator(6, c.disc_width, c.disc_layers, c.scales)
        self.disc_video = nn.ModuleDict(
            {str(k): FeatureDiscriminator(13, c.disc_width, c.disc_layers, c.scales) for k in STRIDES}
        )
        for network in self.children():
            initialise(network)
        self.size_multiple = 2**c.generator_downsamplings
        self.reference_flow = dis_flow
        self.add_optimizer("generator", self.gen_a2b)
        self.add_optimizer("discriminator", self.disc_image)
        for stride in STRIDES:
            self.add_optimizer(f"video_discriminator_{stride}", self.disc_video[str(stride)])

    @classmethod
    def frames_of(cls, config: MethodConfig) -> int:
        assert isinstance(config, Vid2VidConfig)
        return config.frames

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        length = sequence_length(step, self.config.first_frames, batch.a.shape[1])
        a, b = batch.a.unbind(1)[:length], batch.b.unbind(1)[:length]
        sequence, found = PairedSequence(a, b, self.reference_flow), defaultdict[str, list[Tensor]](list)
        for _ in range(length):  # the networks learn from each frame before the next one is made
            for name, loss in self._learn_frame(sequence).items():
                found[name].append(loss.detach())
        return {name: torch.stack(losses).mean() for name, losses in found.items()}

    def _learn_frame(self, sequence: PairedSequence) -> dict[str, Tensor]:
        """Make the next frame, learn from it, and put it behind the others; its losses."""
        number = len(sequence.made)
        inputs = newest_inputs(sequence.inputs[: number + 1])
        before = newest_outputs(sequence.made, sequence.targets[number])
        now = self.gen_a2b(inputs, before, continues=number > 0)
        judged = self._judged(sequence, now)
        terms = self._deceiving(judged) | (self._moving(sequence, now) if number else {})
        weights = {name: getattr(self.config, f"{name}_weight") for name in terms}
        losses = {name: loss for name, loss in terms.items() if weights[name]}
        self.update("generator", **{name: weights[name] * loss for name, loss in losses.items()})

        for name, (disc, real, fakes) in judged.items():
            of_real, *of_fakes = together(disc, real, *(fake.detach() for fake in fakes))
            loss = torch.stack([_real_vs_fake(of_real, maps) for maps in of_fakes]).sum()
            self.update(name, **{name: loss})
            kind = "discriminator" if name == "discriminator" else "video_discriminator"
            losses[kind] = losses.get(kind, 0) + loss
        sequence.made.append(now.image.detach())
        return losses

    def _judged(self, sequence: PairedSequence, now: Composed) -> dict[str, Judged]:
        """What each discriminator that is in use sees of the newest frame, by its optimizer."""
        c, number = self.config, len(sequence.made)
        judged: dict[str, Judged] = {}
        if c.adversarial_weight or c.feature_matching_weight:
            pairs = [torch.cat([sequence.inputs[number], one], 1) for one in (now.image, now.raw)]
            real = torch.cat([sequence.inputs[number], sequence.targets[number]], 1)
            judged["discriminator"] = (self.disc_image, real, pairs)
        for stride in STRIDES if c.video_adversarial_weight else ():
            if triple_of(number, stride):
                real, fake = sequence.triple(stride), sequence.triple(stride, now.image)
                judged[f"video_discriminator_{stride}"] = (self.disc_video[str(stride)], real, [fake])
        return judged

    def _deceiving(self, judged: dict[str, Judged]) -> dict[str, Tensor]:
        """The generator's losses by the discriminators, each summed over them, their fakes and scales."""
        terms = defaultdict[str, list[Tensor]](list)
        for name, (disc, real, fakes) in judged.items():
            with frozen(disc):
                of_real, *of_fakes = together(disc, real, *fakes)
            kind = "adversarial" if name == "discriminator" else "video_adversarial"
            terms[kind] += [multiscale_generator("lsgan", [maps[-1] for maps in each]) for each in of_fakes]
            terms["feature_matching"] += [feature_matching(of_real, each) for each in of_fakes]
        return {name: torch.stack(losses).sum() for name, losses in terms.items()}

    def _moving(self, sequence: PairedSequence, now: Composed) -> dict[str, Tensor]:
        """The losses of flow and mask, each a mean over all pixels, of those where the reference holds."""
        number = len(sequence.made)
        real, earlier = sequence.targets[number], sequence.targets[number - 1]
        reference = sequence.flow(number, number - 1)
        holds = confidence(real, earlier, reference)
        return {
            "flow": (holds * (now.flow - reference)).abs().mean(),
            "flow_warp": (holds * (warp(earlier, now.flow) - real)).abs().mean(),
            "output_warp": (holds * (now.image - warp(sequence.made[-1], reference))).abs().mean(),
            "mask": (holds * now.mask).mean(),
        }

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        inputs, before = newest_inputs([images]), newest_outputs([], images)
        return self.gen_a2b(inputs, before, continues=False).image

    def stream(self, direction: Direction) -> Causal:
        return Causal(self, direction)


class Causal(Stream):
    """Each frame is made from three frames of the film and the two made before; it begins from nothing."""

    model: Vid2Vid

    def __init__(self, model: Vid2Vid, direction: Direction) -> None:
        super().__init__(model, direction)
        self.seen, self.made = deque[Tensor](maxlen=2), deque[Tensor](maxlen=2)

    def step(self, frame: Tensor) -> Tensor:
        if self.seen and self.seen[-1].shape != frame.shape:
            self.reset()
        inputs, before = newest_inputs([*self.seen, frame]), newest_outputs([*self.made], frame)
        image = self.model.gen_a2b(inputs, before, continues=bool(self.made)).image
        self.seen.append(frame)
        self.made.append(image)
        return image

    def reset(self) -> None:
        self.seen.clear()
        self.made.clear()

    def state(self) -> dict[str, Tensor]:
        kept = {"seen": self.seen, "made": self.made}
        return {name: torch.stack(list(frames)) for name, frames in kept.items() if frames}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.seen, self.made = (deque(state.get(name, torch.zeros(0)), maxlen=2) for name in ("seen", "made"))


def _real_vs_fake(real: Maps, fake: Maps) -> Tensor:
    """The discriminator's loss, with the factor 1/2, summed over its scales."""
    logits = [[maps[-1] for maps in scales] for scales in (real, fake)]
    return multiscale_discriminator("lsgan", *logits) / 2
