"""PyTorch's own compiler; https://docs.pytorch.org/docs/stable/torch.compiler.html."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.engine_names import EngineName
from reskin.inference.engines.backend import NotExportableError, first_line, undisturbed
from reskin.inference.engines.look import Look
from reskin.methods.searching import Searching


class TorchCompile:
    """`torch.compile`: half a minute or more before the first picture, so that only a long job gains."""

    name: EngineName = "compile"
    extra = "torch"

    def version(self) -> str | None:
        """Of torch, which is always installed."""
        return str(torch.__version__)

    def lacks(self, device: torch.device, precision: Literal["fp32", "bf16"]) -> tuple[str, str] | None:
        """Nothing: it computes wherever torch does."""

    def build(self, look: Look, picture: Tensor, compute: Compute) -> Callable[[Tensor], Tensor]:
        """The look as a program; see `Backend.build`."""
        if isinstance(look.model, Searching):
            raise NotExportableError(
                f"{look.name} searches for each translation with gradients, which is not compiled",
                "Use --engine torch.",
            )
        compiled: Any = torch.compile(look, dynamic=False)

        def run(pictures: Tensor) -> Tensor:
            with torch.inference_mode(False), torch.no_grad(), compute.autocast():
                return compiled(pictures.clone()).float()

        try:
            with undisturbed():
                run(picture)
        except Exception as error:  # a machine without a compiler, or a model that it cannot read
            raise NotExportableError(
                f"{look.name} cannot be compiled: {first_line(error)}", "Use --engine torch."
            ) from error
        return run
