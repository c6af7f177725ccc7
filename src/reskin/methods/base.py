"""What every method is: a module that translates, and a step that teaches it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from reskin.config import Settings
from reskin.errors import NotFiniteError, SettingsError
from reskin.processes import average_over_processes
from reskin.types import Batch, Direction, Step


class Preset(NamedTuple):
    """Settings that belong together under one name.

    Attributes:
        about: one sentence: what they are for.
        settings: setting name to value, of any group, in place of the defaults.
    """

    about: str
    settings: Mapping[str, Any]


class Translator(nn.Module):
    """Something that turns pictures of one side into pictures of the other.

    A subclass overrides `generate`, or, if its pictures come in several styles, `generate_styles`.

    Attributes:
        Config: the class of its settings.
        paper: who published it and when.
        good_for: in a few words, what to use it for.
        directions: the ways it can translate.
        size_multiple: the sides of its input must be multiples of this, in px.
        style_size: numbers in a style code; 0 where an input has one output.
    """

    Config: ClassVar[type[Settings]]
    paper: ClassVar[str] = ""
    good_for: ClassVar[str] = ""
    directions: tuple[Direction, ...] = ("a2b", "b2a")
    size_multiple: int = 1
    style_size: int = 0

    def translate(self, images: Tensor, direction: Direction, style: Tensor | None = None) -> Tensor:
        """The same pictures in the look of the other side.

        Args:
            images: (N, 3, H, W), float32, in [-1, 1]; H and W multiples of `size_multiple`.
            direction: one of `directions`.
            style: (style_size,), from `sample_styles` or `encode_style`; one for all pictures. Only for a
                model that has styles, which needs it.

        Returns:
            The same shape, type and range.

        Raises:
            SettingsError: the direction is not offered, or a style is missing, wrong or out of place.
        """
        self.check_direction(direction)
        if style is not None:
            return self.translate_styles(images, direction, style[None])[0]
        if self.style_size:
            raise SettingsError(
                "this model has many looks and none was chosen",
                "Choose some with --styles or --style (in Python: style=model.sample_styles(1, seed=0)[0]).",
            )
        return self.generate(images, direction)

    def translate_styles(self, images: Tensor, direction: Direction, styles: Tensor) -> Tensor:
        """The same pictures in each of several styles; what styles share is computed once.

        Args:
            images: as in `translate`.
            direction: one of `directions`.
            styles: (K, style_size).

        Returns:
            (K, N, 3, H, W).

        Raises:
            SettingsError: the direction is not offered, there are no styles, or they are of another model.
        """
        self.check_direction(direction)
        self._check_has_styles()
        if styles.dim() != 2 or styles.shape[1] != self.style_size or not len(styles):
            raise SettingsError(
                f"styles of shape {tuple(styles.shape)}, wanted (count, {self.style_size})",
                "Take them from this model's sample_styles or encode_style.",
            )
        return self.generate_styles(images, direction, styles)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        """What `translate` returns, for a model without styles and a direction that is offered."""
        raise NotImplementedError

    def generate_styles(self, images: Tensor, direction: Direction, styles: Tensor) -> Tensor:
        """What `translate_styles` returns, for styles and a direction that fit."""
        raise NotImplementedError

    def sample_styles(self, count: int, seed: int) -> Tensor:
        """Random styles, (count, style_size), the same for the same seed on every device.

        Raises:
            SettingsError: the model has no styles, or `count` is below 1.
        """
        self._check_has_styles()
        if count < 1:
            raise SettingsError(f"{count} styles asked for", "Ask for 1 or more.")
        source = torch.Generator().manual_seed(seed)
        return torch.randn(count, self.style_size, generator=source).to(next(self.parameters()).device)

    def encode_style(self, images: Tensor, direction: Direction = "a2b") -> Tensor:
        """The styles of example pictures of the side that `direction` leads to.

        Args:
            images: (N, 3, H, W), float32, in [-1, 1].
            direction: the translation in which the styles will be used.

        Returns:
            (N, style_size).

        Raises:
            SettingsError: the model has no styles.
        """
        self._check_has_styles()
        raise NotImplementedError

    def with_style(self, style: Tensor) -> Translator:
        """This model with one style, (style_size,), for everything; it translates as one without styles."""
        self._check_has_styles()
        return InStyle(self, style)

    def translate_clip(self, frames: Tensor, direction: Direction) -> Tensor:
        """The frames of one clip, (T, 3, H, W), in order; by default each on its own."""
        return torch.cat([self.translate(frame[None], direction) for frame in frames])

    def masks(self, images: Tensor, direction: Direction) -> Tensor | None:
        """Where the look changes, (N, 1, H, W) in [0, 1]; None for a model that has no such mask."""
        return None

    def check_direction(self, direction: Direction) -> None:
        """Refuse a direction that this model was not made for.

        Raises:
            SettingsError: `direction` is not one of `directions`.
        """
        if direction not in self.directions:
            raise SettingsError(
                f"this model does not translate {direction}",
                f"It translates {' and '.join(self.directions)}.",
            )

    def _check_has_styles(self) -> None:
        if not self.style_size:
            raise SettingsError(
                "this model has no styles: each picture has one translation",
                "Leave the style out, or train a method with styles such as munit.",
            )


class InStyle(Translator):
    """A model with styles, one of which is chosen for good."""

    def __init__(self, model: Translator, style: Tensor) -> None:
        super().__init__()
        self.model = model
        self.style: Tensor
        self.register_buffer("style", style)
        self.directions, self.size_multiple = model.directions, model.size_multiple

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.model.translate(images, direction, self.style)


class MethodConfig(Settings):
    """Settings that every method has: its optimizer's."""

    learning_rate: float = Field(default=2e-4, gt=0)
    """Step size of Adam before the schedule lowers it."""
    beta1: float = Field(default=0.5, ge=0, lt=1)
    """Adam's decay of the mean gradient."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Adam's decay of the mean squared gradient."""


class Method(Translator):
    """A translator that learns. All its state is in modules and optimizers, so it has no checkpoint code.

    Attributes:
        pairing: whether picture i of A and picture i of B must show the same thing.
        clip_length: frames in each sample; 1 for pictures.
        same_every_step: whether every step does the same; only then can it be recorded as a CUDA graph.
        defaults: settings of data and training that its paper has in place of the general defaults.
        presets: settings that belong together, by name.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    defaults: ClassVar[Mapping[str, Any]] = {}
    presets: ClassVar[Mapping[str, Preset]] = {}
    same_every_step: bool = True
    pairing: ClassVar[Literal["unpaired", "paired"]] = "unpaired"
    clip_length: ClassVar[int] = 1

    def __init__(self, config: MethodConfig) -> None:
        super().__init__()
        self.config = config
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.rates: dict[str, float] = {}
        self.checks_later = False
        self.broken: dict[str, Tensor] = {}

    @abstractmethod
    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Learn from one batch.

        Args:
            batch: on the device of the networks.
            step: which step of the run this is, for what changes in its course.

        Returns:
            The step's losses by name, unweighted, detached scalars on the device.

        Raises:
            NotFiniteError: a loss or gradient is not finite; the networks that it teaches were not changed.
        """

    def prepare_training(self) -> None:
        """Bring in what learning needs and translating does not, such as pretrained features.

        Called once, when the model is on its device.

        Raises:
            WeightsError: pretrained weights are not here and cannot be fetched.
        """

    def held_out_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Losses on pictures that are not learnt from, by name; none by default.

        They are written beside the training losses, and a rise is reported as over-fitting.
        """
        return {}

    def add_optimizer(
        self,
        name: str,
        *networks: nn.Module,
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        kind: Literal["adam", "sgd"] = "adam",
    ) -> None:
        """Teach `networks` with an optimizer of their own, called `name`.

        Args:
            name: as `update` will be given it.
            networks: what it teaches; a weight that several of them share is taught once.
            learning_rate: in place of the setting of this name.
            weight_decay: pull towards 0, added to the gradient.
            kind: Adam with the betas of the settings, or plain gradient descent.
        """
        parameters = list(dict.fromkeys(p for network in networks for p in network.parameters()))
        rate = self.config.learning_rate if learning_rate is None else learning_rate
        self.rates[name] = rate
        if kind == "sgd":
            self.optimizers[name] = torch.optim.SGD(
                parameters, lr=rate, weight_decay=weight_decay, fused=True
            )
            return
        betas = (self.config.beta1, self.config.beta2)
        self.optimizers[name] = torch.optim.Adam(
            parameters, lr=rate, betas=betas, weight_decay=weight_decay, fused=True
        )

    def set_learning_rate(self, multiplier: float) -> None:
        """Scale the learning rate of every optimizer to `multiplier` times its setting."""
        for name, optimizer in self.optimizers.items():
            rate = self.rates[name] * multiplier
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):  # a captured step reads its rate from the device
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def update(self, name: str, **terms: Tensor) -> None:
        """Change the networks of optimizer `name` to lower the sum of `terms`.

        The one place where gradients are cleared, computed, averaged over processes, checked and applied.

        Args:
            name: as given to `add_optimizer`.
            terms: weighted losses by name, scalars.

        Raises:
            NotFiniteError: naming the term, at once; where `checks_later` is set, at `raise_if_broken`.
        """
        optimizer = self.optimizers[name]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        optimizer.zero_grad(set_to_none=True)
        total = torch.stack(list(terms.values())).sum()
        with torch.autocast(total.device.type, enabled=False):
            total.backward()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        average_over_processes(gradients)
        self._check(
            name, terms | {f"gradient of {name}": torch.nn.utils.get_total_norm(gradients)}, optimizer
        )
        optimizer.step()
        torch.clear_autocast_cache()  # it may hold the weights as they were before

    def _check(self, name: str, values: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Stop the update when a value is not finite, without making a GPU wait for the answer."""
        if not self.checks_later:
            for term, value in values.items():
                if not torch.isfinite(value):
                    raise NotFiniteError(f"loss '{term}' is {value.item()}")
            return
        for term, value in values.items():
            bad = (~torch.isfinite(value.detach())).float()
            flag = self.broken.setdefault(term, torch.zeros_like(bad))
            flag.copy_(flag.maximum(bad))  # in place: a captured step must find what earlier replays found
        # A fused Adam leaves the weights as they are where this flag is set; GradScaler uses the same door.
        optimizer.found_inf = torch.stack(list(self.broken.values())).max()  # type: ignore[attr-defined]

    def raise_if_broken(self) -> None:
        """Raise what `update` found on the device since the last call; waits for the device.

        Raises:
            NotFiniteError: naming the first loss or gradient that was not finite.
        """
        for term, flag in self.broken.items():
            if flag.item():
                raise NotFiniteError(f"loss '{term}' is not finite")


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Let gradients pass through `networks` inside the block without teaching them."""
    learning = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
