"""Neural style: the pixels of a picture are changed until its features have the texture of another's.

Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016,
https://arxiv.org/abs/1508.06576. Colours are kept as in "Preserving Color in Neural Artistic Style Transfer",
https://arxiv.org/abs/1606.05897.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from reskin.config import BASIC, Settings
from reskin.errors import SettingsError, ShapeError, WeightsError
from reskin.losses.descent import Tell, descend
from reskin.losses.style import content_loss, gram, style_loss, total_variation
from reskin.methods.description import Preset
from reskin.methods.searching import Searching
from reskin.networks.resizing import SMALLEST_PX, resized, shrunk
from reskin.networks.vgg import ADDRESSES, Pooling, Vgg, is_layer, layers_in, read_vgg
from reskin.types import Direction

STYLE_WEIGHTS = {"caffe": 1e3, "normalised": 1e5, "torchvision": 1e6}
"""Style weight for each convention: of the authors' repository, found by eye with the layers up to relu3_1,
and of PyTorch's tutorial."""


class GatysConfig(Settings):
    """Settings of neural style; the defaults are those of the authors' repository."""

    content_layers: tuple[str, ...] = Field(default=("relu4_2",), min_length=1)
    """Layers that keep what is where."""
    style_layers: tuple[str, ...] = Field(
        default=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), min_length=1
    )
    """Layers whose Gram matrices are the style; deeper ones see larger strokes."""
    content_weight: float = Field(default=1.0, ge=0)
    """Weight of the content loss."""
    style_weight: Annotated[float | None, BASIC] = Field(default=None, ge=0)
    """Weight of the style loss; a layer of n channels has this / n². By default what suits
    the weights file: 1e3 (Caffe), 1e5 (normalised) or 1e6 (torchvision, whose features are small)."""
    tv_weight: float = Field(default=0.0, ge=0)
    """Weight of the total variation, which smooths; 0 for none."""
    pooling: Pooling = "max"
    """How the network halves pictures: max as it was trained, average as in the paper."""
    init: Literal["content", "noise"] = "content"
    """What the pixels are at the start; noise takes several times the steps and some tv_weight."""
    seed: int = 0
    """Which noise, where the start is noise."""
    size: int = Field(default=512, ge=0)
    """Longest edge to work at, px; the result has the picture's own size again. 0 works at that size."""
    steps: int = Field(default=500, ge=1)
    """Times that the loss and its gradient are computed."""
    hires_size: int = Field(default=0, ge=0)
    """Longest edge of a second pass that starts from the first one's result, px; 0 for none."""
    hires_steps: int = Field(default=200, ge=1)
    """As steps, of the second pass."""
    style_scale: float = Field(default=1.0, gt=0)
    """Longest edge of the style pictures, as a share of the size worked at: less for finer strokes."""
    style_shares: tuple[float, ...] = ()
    """How much of each style picture, in their order; empty for equal parts."""
    keep_colour: Annotated[bool, BASIC] = False
    """Change only the brightness and keep the picture's colours."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if self.style_weight == self.content_weight == 0:
            raise ValueError("content_weight and style_weight are both 0: any picture would do")
        return self


class Progress(NamedTuple):
    """How far one picture is.

    Attributes:
        step: how often the loss has been computed.
        steps: how often it will be, in both passes.
        loss: of `image`.
        image: (1, 3, h, w) in [-1, 1], at the size that is worked at.
    """

    step: int
    steps: int
    loss: float
    image: Tensor


def read_features(path: Path | str, config: GatysConfig) -> Vgg:
    """The network that `config` asks for, from a file of VGG weights of any of the three conventions.

    Raises:
        WeightsError: no such file, it is no VGG, or has not all layers; the flags that suit it are named.
    """
    there = layers_in(path)
    wanted = list(dict.fromkeys([*config.content_layers, *config.style_layers]))
    if lacking := [layer for layer in wanted if is_layer(layer) and f"relu{layer[4:]}" not in there]:
        firsts = " ".join(layer for layer in there if layer.endswith("_1"))
        raise WeightsError(
            f"{path} ends at {there[-1]} and has no {', '.join(lacking)}",
            f"Add --content-layers {there[-1]} --style-layers {firsts}, or get {ADDRESSES['vgg19']}",
        )
    return read_vgg(path, wanted, pooling=config.pooling)


class Gatys(Searching):
    """Nothing is learnt: each picture is optimised by L-BFGS, with one or several style pictures.

    Type `reskin stylize photo.jpg --style painting.jpg --out painted.png`, with any of the settings as flags.

    Args:
        config: the settings.
        features: has the layers that `config` names, see `read_features`.
        styles: pictures, each (1, 3, H, W) in [-1, 1], of any sizes from 32 px.
        report: called after each step.

    Raises:
        SettingsError: no style picture, shares that do not fit them, or a layer that `features` has not.
        ShapeError: a style picture of another shape, or smaller than 32 px.
    """

    Config = GatysConfig
    config: GatysConfig
    title = "Neural style transfer"
    paper = "Gatys et al. 2016"
    good_for = "the strokes and colours of one picture on another, with no training; minutes for each picture"
    directions: tuple[Direction, ...] = ("a2b",)
    presets = {
        "s2w_gatys": Preset(
            "Summer and winter pictures of Yosemite at their 256 px, beside MUNIT and UNIT.", {"size": 256}
        )
    }

    def __init__(
        self,
        config: GatysConfig,
        features: Vgg,
        styles: Sequence[Tensor],
        *,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.features, self.report = config, features, report
        missing = {*config.content_layers, *config.style_layers} - set(features.layers)
        if missing:
            raise SettingsError(f"the features have no {', '.join(sorted(missing))}", "Use read_features.")
        if not styles:
            raise SettingsError("no style picture was given", "Give at least one picture.")
        shares = config.style_shares or (1.0,) * len(styles)
        if len(shares) != len(styles) or min(shares) < 0 or sum(shares) <= 0:
            what = f"{len(shares)} style shares for {len(styles)} style pictures: {shares}"
            raise SettingsError(what, "Give one share, 0 or more, for each picture, and not all 0.")
        self.shares = [share / sum(shares) for share in shares]
        for number, style in enumerate(styles):
            if style.dim() != 4 or style.shape[:2] != (1, 3) or min(style.shape[2:]) < SMALLEST_PX:
                what = f"style picture {number + 1} is {tuple(style.shape)}, wanted (1, 3, H, W)"
                raise ShapeError(what, f"Give pictures of at least {SMALLEST_PX} px in height and width.")
            self.register_buffer(f"style_{number}", style.clone())
        default = STYLE_WEIGHTS[features.convention]
        self.style_weight = default if config.style_weight is None else config.style_weight

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.stylise(images)

    def stylise(self, images: Tensor) -> Tensor:
        """The pictures in the style, each optimised by itself.

        Args:
            images: (N, 3, H, W), float32, in [-1, 1]; H and W at least 32.

        Returns:
            The same shape, type and range.

        Raises:
            NotFiniteError: the loss is not finite from the start.
        """
        # Gradients are wanted although this translates, and pixels in float32 whatever is around.
        off = torch.autocast(images.device.type, enabled=False)
        with torch.inference_mode(False), torch.enable_grad(), off:
            return torch.cat([self._one(image.clone()) for image in images.split(1)])

    def _one(self, content: Tensor) -> Tensor:
        c = self.config
        styles = [self.get_buffer(f"style_{number}") for number in range(len(self.shares))]
        grey = luminance(content)
        if c.keep_colour:
            styles = [_matched(luminance(style), grey).expand_as(style) for style in styles]
        subject = grey.expand_as(content) if c.keep_colour else content
        passes = [(c.size, c.steps)] + ([(c.hires_size, c.hires_steps)] if c.hires_size else [])
        total, done = sum(steps for _, steps in passes), 0
        made = shrunk(subject, c.size)
        if c.init == "noise":
            source = torch.Generator().manual_seed(c.seed)
            made = (torch.rand(made.shape, generator=source) * 2 - 1).to(content.device)
        for size, steps in passes:
            small = shrunk(subject, size)
            tell = self._teller(resized(content, small.shape), done, total) if self.report else None
            made = descend(self._loss(small, styles), resized(made, small.shape), steps, tell)
            done += steps
        return self._coloured(resized(made.clamp(-1, 1), content.shape), content)

    def _coloured(self, made: Tensor, content: Tensor) -> Tensor:
        """`made` with the colours of `content` if they are to be kept; both of one size."""
        if self.config.keep_colour:  # what is added to all three channels alike changes no colour
            made = content + luminance(made) - luminance(content)
        return made.clamp(-1, 1)

    def _teller(self, content: Tensor, done: int, total: int) -> Tell:
        """What calls `report` in a pass that begins after `done` steps."""

        def tell(step: int, loss: float, pixels: Tensor) -> None:
            assert self.report is not None
            image = self._coloured(pixels.clamp(-1, 1), content)
            self.report(Progress(done + step, total, loss, image))

        return tell

    def _loss(self, content: Tensor, styles: list[Tensor]) -> Callable[[Tensor], Tensor]:
        """What is to be made small, as a function of the pixels."""
        c = self.config
        with torch.no_grad():
            found = self.features(content)
            wanted = {layer: found[layer] for layer in c.content_layers if c.content_weight}
            grams: dict[str, Tensor] = {}
            longest = max(1, round(max(content.shape[2:]) * c.style_scale))
            for share, style in zip(self.shares, styles, strict=True):
                found = self.features(shrunk(style, longest))
                for layer in c.style_layers if self.style_weight else ():
                    grams[layer] = grams.get(layer, 0) + share * gram(found[layer])

        def loss(pixels: Tensor) -> Tensor:
            found = self.features(pixels)
            terms = [c.content_weight * content_loss(found[layer], wanted[layer]) for layer in wanted]
            for layer, matrix in grams.items():
                weight = self.style_weight / matrix.shape[1] ** 2
                terms.append(weight * style_loss(found[layer], matrix))
            if c.tv_weight:
                terms.append(c.tv_weight * total_variation(pixels))
            return torch.stack(terms).sum()

        return loss


def luminance(images: Tensor) -> Tensor:
    """Brightness of each pixel, (N, 1, H, W), of pictures (N, 3, H, W) (the Y of YIQ); the same range."""
    return (images * images.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1, keepdim=True)


def _matched(style: Tensor, content: Tensor) -> Tensor:
    """The brightness of a style picture with the mean and spread of the content's."""
    spread = content.std() / style.std().clamp(min=1e-3)
    return ((style - style.mean()) * spread + content.mean()).clamp(-1, 1)
