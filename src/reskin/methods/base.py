"""What every method is: a module that translates, and a step that teaches it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn

from reskin.config import Settings
from reskin.errors import NotFiniteError, SettingsError
from reskin.types import Batch, Direction


class Translator(nn.Module):
    """Something that turns pictures of one side into pictures of the other.

    Attributes:
        directions: the ways it can translate.
        size_multiple: the sides of its input must be multiples of this, in px.
    """

    directions: tuple[Direction, ...] = ("a2b", "b2a")
    size_multiple: int = 1

    @abstractmethod
    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        """The same pictures in the look of the other side.

        Args:
            images: (N, 3, H, W), float32, in [-1, 1]; H and W multiples of `size_multiple`.
            direction: one of `directions`.

        Returns:
            The same shape, type and range.
        """

    def translate_clip(self, frames: Tensor, direction: Direction) -> Tensor:
        """The frames of one clip, (T, 3, H, W), in order; by default each on its own."""
        return torch.cat([self.translate(frame[None], direction) for frame in frames])

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
        Config: the class of its settings.
        pairing: whether picture i of A and picture i of B must show the same thing.
        clip_length: frames in each sample; 1 for pictures.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    pairing: ClassVar[Literal["unpaired", "paired"]] = "unpaired"
    clip_length: ClassVar[int] = 1

    def __init__(self, config: MethodConfig) -> None:
        super().__init__()
        self.config = config
        self.optimizers: dict[str, torch.optim.Adam] = {}
        self.checks_later = False
        self.broken: dict[str, Tensor] = {}

    @abstractmethod
    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch.

        Returns:
            The step's losses by name, unweighted, detached scalars on the device.

        Raises:
            NotFiniteError: a loss or gradient is not finite; the networks that it teaches were not changed.
        """

    def add_optimizer(self, name: str, *networks: nn.Module) -> None:
        """Teach `networks` with an Adam of their own, called `name`."""
        parameters = [parameter for network in networks for parameter in network.parameters()]
        betas = (self.config.beta1, self.config.beta2)
        self.optimizers[name] = torch.optim.Adam(
            parameters, lr=self.config.learning_rate, betas=betas, fused=True
        )

    def set_learning_rate(self, multiplier: float) -> None:
        """Scale the learning rate of every optimizer to `multiplier` times its setting."""
        rate = self.config.learning_rate * multiplier
        for optimizer in self.optimizers.values():
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

    def _check(self, name: str, values: dict[str, Tensor], optimizer: torch.optim.Adam) -> None:
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


def average_over_processes(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over all training processes; nothing to do for a single one."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return
    tensors = list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))
