"""What every engine offers, and what is said where it cannot be used."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args

from reskin.device import Compute
from reskin.engine_names import EngineName
from reskin.errors import ReskinError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from reskin.inference.engines.look import Look


class NotExportableError(ReskinError):
    """A model cannot be brought into the form that an engine takes."""


@dataclass(frozen=True)
class Used:
    """What computes: it decides, with model and picture, the result.

    Attributes:
        engine: "torch" or the name of another engine.
        version: of its package; "" for torch, whose version changes no result that is promised.
        precision: in which convolutions run.
    """

    engine: EngineName
    version: str
    precision: Literal["fp32", "bf16"]

    def in_words(self) -> str:
        """Such as "openvino 2026.4.1, bf16"."""
        return f"{self.engine}{f' {self.version}' if self.version else ''}, {self.precision}"

    def facts(self) -> dict[str, str]:
        """The same as a record keeps it."""
        return {"engine": self.engine, "version": self.version, "precision": self.precision}

    @classmethod
    def from_facts(cls, facts: object) -> Used | None:
        """What `facts` gave; None for anything else."""
        if not isinstance(facts, dict):
            return None
        engine, version, precision = (facts.get(name) for name in ("engine", "version", "precision"))
        if engine not in get_args(EngineName) or precision not in ("fp32", "bf16"):
            return None
        return cls(cast(EngineName, engine), version, precision) if isinstance(version, str) else None


class Backend(Protocol):
    """One engine."""

    name: EngineName
    extra: str
    """What to install, as pip takes it."""

    def version(self) -> str | None:
        """Of its package; None where it is not installed."""

    def lacks(self, device: torch.device, precision: Literal["fp32", "bf16"]) -> tuple[str, str] | None:
        """Why it does not compute there in this precision, and what to type instead; None where it does."""

    def build(self, look: Look, picture: Tensor, compute: Compute) -> Callable[[Tensor], Tensor]:
        """The look as a program of this engine.

        It takes pictures (N, 3, H, W), float32, and gives (N, 3, H, W) or, with K styles, (K, N, 3, H, W).

        Args:
            look: the model, the direction and the styles; not learning.
            picture: (1, 3, H, W), the first one that is to be translated.
            compute: device, precision and memory.

        Raises:
            NotExportableError: the model cannot be brought into this engine's form.
        """


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, exporters and converters may warn and set levels; nothing is shown, and all is undone after it.

    OpenVINO leaves the root logger at ERROR where it cannot convert a model, which would hide our warnings.
    """
    root = logging.getLogger()
    level = root.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)


def installed(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def first_line(error: Any) -> str:
    """What an error says, in one line of at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
