"""What every method is: a translator and the step that trains it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reskin.averaging import average_over_processes
from reskin.config import Settings
from reskin.errors import NotFiniteError
from reskin.methods.description import Adversary, Preset
from reskin.methods.translator import Translator
from reskin.types import Batch, Step, Trouble

__all__ = ["Adversary", "FeatureLoader", "Method", "MethodConfig", "Preset", "frozen"]

FeatureLoader = Callable[[Sequence[str], Path | None], Any]
"""See `Method.prepare_training`."""


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
        adversary: its discriminators and their losses; None without any. Every method states it.
        pairing: whether image i of A and image i of B must show the same content.
        clip_length: frames in each sample with the default settings; 1 for single images.
        whole_when_rate_falls: whether images are seen whole, at the size of a crop, from the step in which
            the learning rate begins to fall.
        same_every_step: whether every step does the same; only then can it be recorded as a CUDA graph.
        defaults: settings of data and training that its paper has instead of the general defaults.
        advice: for a kind of trouble in training, what to do with its own settings: "lower cycle_weight".
            The word before the setting is lower, higher, fewer or another.
        parts_from: setting that names a run folder, to the part that is taken over from the part of the same
            name there when training begins; it has a second setting, with `_step` behind the name, for the
            checkpoint. The method keeps such a part as it is.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    adversary: ClassVar[Adversary | None]
    pairing: ClassVar[Literal["unpaired", "paired"]] = "unpaired"
    clip_length: ClassVar[int] = 1
    whole_when_rate_falls: ClassVar[bool] = False
    same_every_step: bool = True
    defaults: ClassVar[Mapping[str, Any]] = {}
    advice: ClassVar[Mapping[Trouble, tuple[str, ...]]] = {}
    parts_from: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: MethodConfig) -> None:
        super().__init__()
        self.config = config
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.rates: dict[str, float] = {}
        self.checks_later = False
        self.broken: dict[str, Tensor] = {}

    @abstractmethod
    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Learn from one batch, which is on the device of the networks.

        Returns:
            The step's losses by name, unweighted, detached scalars on the device.

        Raises:
            NotFiniteError: a loss or gradient is not finite; the networks that it trains were not changed.
        """

    @classmethod
    def frames_of(cls, config: MethodConfig) -> int:
        """Frames in each sample of a run with these settings."""
        return cls.clip_length

    def prepare_training(self, load_features: FeatureLoader) -> None:
        """Make ready what only training needs, such as pretrained features; called once, on the device.

        Args:
            load_features: gives layers of a VGG (a `networks.features.FeatureNetwork`) from their names and
                a file of weights; None for the file that the package knows.

        Raises:
            WeightsError: pretrained weights are not here and cannot be fetched.
        """

    def held_out_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Losses on held-out images, by name, to be compared with the training's; none by default."""
        return {}

    def add_optimizer(
        self,
        name: str,
        *networks: nn.Module,
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        kind: Literal["adam", "sgd"] = "adam",
    ) -> None:
        """Train `networks` with an optimizer of their own, which `update` knows as `name`.

        Args:
            name: of the optimizer.
            networks: what it trains; a weight that several of them share is trained once.
            learning_rate: instead of the setting of this name.
            weight_decay: pull towards 0, added to the gradient.
            kind: Adam with the betas of the settings, or plain gradient descent.
        """
        parameters = list(dict.fromkeys(p for network in networks for p in network.parameters()))
        rate = self.rates[name] = self.config.learning_rate if learning_rate is None else learning_rate
        shared: dict[str, Any] = {"lr": rate, "weight_decay": weight_decay, "fused": True}
        if kind == "sgd":
            self.optimizers[name] = torch.optim.SGD(parameters, **shared)
        else:
            betas = (self.config.beta1, self.config.beta2)
            self.optimizers[name] = torch.optim.Adam(parameters, betas=betas, **shared)

    def add_frozen(self, name: str, network: nn.Module) -> None:
        """Keep a pretrained network as attribute `name`; it learns nothing and is no part of the state."""
        network = network.requires_grad_(False).eval().to(next(self.parameters()).device)
        object.__setattr__(self, name, network)  # not as nn.Module would, so that no checkpoint holds it

    def update(self, name: str, **terms: Tensor) -> None:
        """Change the networks of optimizer `name` to lower the sum of `terms`, weighted losses by name.

        The only method in which gradients are cleared, computed, averaged over processes, checked and
        applied.

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
        self._check(terms | {f"gradient of {name}": torch.nn.utils.get_total_norm(gradients)}, optimizer)
        optimizer.step()
        torch.clear_autocast_cache()  # it may hold the weights as they were before

    def _check(self, values: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Stop the update when a value is not finite, without making a GPU wait for the answer."""
        for term, value in values.items():
            if not self.checks_later:
                if not torch.isfinite(value):
                    raise NotFiniteError(f"loss '{term}' is {value.item()}")
                continue
            bad = (~torch.isfinite(value.detach())).float()
            flag = self.broken.setdefault(term, torch.zeros_like(bad))
            flag.copy_(flag.maximum(bad))  # in place: a captured step must find what earlier replays found
        if self.checks_later:
            # A fused Adam leaves the weights as they are where this is set; GradScaler does the same.
            optimizer.found_inf = torch.stack(list(self.broken.values())).max()  # type: ignore[attr-defined]

    def raise_if_broken(self) -> None:
        """Raise (NotFiniteError) what `update` found on the device since the last call; waits for it."""
        for term, flag in self.broken.items():
            if flag.item():
                raise NotFiniteError(f"loss '{term}' is not finite")


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Let gradients pass through `networks` inside the block without training them."""
    learning = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
