"""Fast style transfer: one network that paints any picture, of any size, in one style, in a single pass.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016,
https://arxiv.org/abs/1603.08155.

Domain A is what is painted: photographs of anything. Domain B is the style: one picture (`--b painting.jpg`)
or a folder of pictures that share a look. What the network should reach is the mean Gram matrix of the crops
of domain B in the batch. The style loss is the square of a distance, so over many steps its gradient is the
one towards the mean of all crops of all pictures: several pictures give what they have in common.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reskin.averaging import average_over_processes
from reskin.errors import WeightsError
from reskin.losses.style import content_loss, gram, style_loss, total_variation
from reskin.methods.base import FeatureLoader, Method, MethodConfig, Preset
from reskin.networks.blocks import Upsample
from reskin.networks.fast_style import Layout, Output, fast_style_network
from reskin.networks.features import Convention
from reskin.types import Batch, Direction, Step

HALF = 127.5
"""Between levels of 0 to 255 and pictures in [-1, 1]: levels = (picture + 1) * 127.5."""


class FastStyleConfig(MethodConfig):
    """Settings of fast style transfer; the defaults are those of PyTorch's well-known example."""

    content_weight: float = Field(default=1e5, ge=0)
    """Weight of the mean squared difference to the photograph's features; 0 for none."""
    content_layer: str = "relu2_2"
    """Layer of the VGG whose features should stay those of the photograph."""
    style_weight: float = Field(default=1e10, ge=0)
    """Weight of the mean squared difference to the style's Gram matrices, summed over layers; 0 for none."""
    style_layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    """Layers of the VGG whose Gram matrices should become those of the style."""
    tv_weight: float = Field(default=0.0, ge=0)
    """Weight of the mean squared difference of neighbouring levels (0 to 255), which smooths; 0 for none."""
    feature_weights: Path | None = None
    """File with the weights of the VGG that judges; by default torchvision's VGG-16."""
    feature_convention: Convention = "torchvision"
    """Kind of VGG weights that the loss weights were tuned for; a file of another kind is refused."""
    width: int = Field(default=32, ge=1)
    """Channels after the first layer."""
    blocks: int = Field(default=5, ge=1)
    """Residual blocks."""
    layout: Layout = "pytorch"
    """Form of the network: mirrored edges, or zeros beyond the edges and a norm after the last layer too."""
    upsample: Upsample = "nearest"
    """How pictures grow: enlarging and then a convolution, which makes no grid, or transposed."""
    output: Output = "linear"
    """How levels come out of the network: as they are, or as 150 * tanh + 127.5."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of Adam before the schedule changes it."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Adam's decay of the mean gradient."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.content_weight or self.style_weight):
            raise ValueError("content_weight and style_weight are both 0: nothing would be learnt")
        if self.style_weight and not self.style_layers:
            raise ValueError("style_layers names no layer, but style_weight is not 0")
        return self


class FastStyle(Method):
    """One network that learns and a VGG that does not (the image transform and the loss network)."""

    Config = FastStyleConfig
    config: FastStyleConfig
    vggs: nn.ModuleDict
    title = "Fast style transfer"
    paper = "Johnson et al. 2016"
    good_for = "painting photographs and whole videos in the style of one picture, fast"
    adversary = None
    defaults = {
        "batch": 4,
        "epochs": 2,
        "schedule": "constant",
        "preprocess": "scale_width_and_crop",
        "load_size": 256,
        "crop_size": 256,
        "flip": False,
    }
    presets = {
        "original": Preset(
            "The authors' own values, for a VGG-16 with Caffe's weights (give --feature-weights).",
            {
                "content_layer": "relu3_3",
                "content_weight": 1.0,
                "style_weight": 5.0,
                "tv_weight": 0.2,  # 1e-6 of the sum over the 3 * 256 * 256 values of a picture
                "feature_convention": "caffe",
                "output": "tanh",
                "steps": 40_000,
            },
        ),
    }
    directions: tuple[Direction, ...] = ("a2b",)
    size_multiple = 4

    def __init__(self, config: FastStyleConfig) -> None:
        super().__init__(config)
        self.gen_a2b = fast_style_network(
            config.width,
            config.blocks,
            layout=config.layout,
            upsample=config.upsample,
            output=config.output,
        )
        self.add_optimizer("generator", self.gen_a2b)

    def prepare_training(self, load_features: FeatureLoader) -> None:
        c = self.config
        content = [c.content_layer] if c.content_weight else []
        style = list(dict.fromkeys(c.style_layers)) if c.style_weight else []
        # Each goes no deeper than it must: the photograph is seen up to the layer of the content only.
        wanted = {"content": content, "style": style, "painted": list(dict.fromkeys(content + style))}
        vggs = nn.ModuleDict(
            {name: load_features(layers, c.feature_weights) for name, layers in wanted.items() if layers}
        )
        self.add_frozen("vggs", vggs)
        found = vggs["painted"].convention
        if found != c.feature_convention:
            file = c.feature_weights or "the VGG-16 of this package"
            raise WeightsError(
                f"{file} is a VGG of the {found} convention, the loss weights are for {c.feature_convention}",
                f"Give other --feature-weights, or tune the weights and add --feature-convention {found}.",
            )

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        c = self.config
        painted = self._paint(batch.a)
        seen = self.vggs["painted"](painted)

        losses = {}
        if c.content_weight:
            with torch.no_grad():
                photograph = self.vggs["content"](batch.a)[c.content_layer]
            losses["content"] = content_loss(seen[c.content_layer], photograph)
        if c.style_weight:
            wanted = self._style_of(batch.b)
            apart = [style_loss(seen[layer], look, "values") for layer, look in wanted.items()]
            losses["style"] = torch.stack(apart).sum()
        if c.tv_weight:
            losses["tv"] = total_variation(HALF * painted)
        weights = {name: getattr(c, f"{name}_weight") for name in losses}
        self.update("generator", **{name: weights[name] * loss for name, loss in losses.items()})
        return {name: loss.detach() for name, loss in losses.items()}

    def _style_of(self, images: Tensor) -> dict[str, Tensor]:
        """The mean Gram matrix, (1, C, C), of pictures of domain B in each layer, over all processes."""
        with torch.no_grad():
            seen = self.vggs["style"](images)
            looks = {
                layer: gram(features, "values").mean(0, keepdim=True) for layer, features in seen.items()
            }
        average_over_processes(list(looks.values()))
        return looks

    def _paint(self, images: Tensor) -> Tensor:
        """Pictures in [-1, 1] painted; levels beyond black and white are not limited yet."""
        levels: Tensor = self.gen_a2b((images + 1) * HALF)
        return levels / HALF - 1

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self._paint(images).clamp(-1, 1)
