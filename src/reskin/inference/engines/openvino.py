"""OpenVINO, Intel's engine for processors; https://docs.openvino.ai."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from reskin.device import Compute, computes_bf16
from reskin.engine_names import EngineName
from reskin.inference.engines.backend import NotExportableError, first_line, installed, undisturbed
from reskin.inference.engines.graph import exported, one_by_one
from reskin.inference.engines.kept import converted
from reskin.inference.engines.look import Look

SIZES_KEPT = 4
"""Sizes of pictures that a program is kept compiled for: each holds the weights in a layout of its own."""

_HINT = {"fp32": "f32", "bf16": "bf16"}


class OpenVino:
    """OpenVINO on the processor."""

    name: EngineName = "openvino"
    extra = "reskin[cpu]"

    def version(self) -> str | None:
        """Of its package; None where it is not installed."""
        return installed("openvino")

    def lacks(self, device: torch.device, precision: Literal["fp32", "bf16"]) -> tuple[str, str] | None:
        """Why it does not compute there in this precision, and what to type instead."""
        if device.type != "cpu":
            return f"--engine openvino on {device}: it computes on the processor", "Add --device cpu."
        if precision == "bf16" and not computes_bf16(device):
            return "OpenVINO in bf16 on a processor without such arithmetic", "Give --precision fp32."
        return None

    def build(self, look: Look, picture: Tensor, compute: Compute) -> Callable[[Tensor], Tensor]:
        """The look as a program; see `Backend.build`."""
        import openvino

        def make() -> dict[str, bytes]:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.xml"
                openvino.save_model(convert(look), path, compress_to_fp16=False)
                return {one.name: one.read_bytes() for one in (path, path.with_suffix(".bin"))}

        parts = converted(look.key, self.name, self.version() or "", make)
        model = openvino.Core().read_model(model=parts["model.xml"], weights=parts["model.bin"])
        return Compiled(model, compute).run


def convert(look: Look, *, size: tuple[int, int] | None = None) -> Any:
    """The look as a model of OpenVINO (`openvino.Model`), for pictures of any size or of one.

    Raises:
        NotExportableError: it has operators that OpenVINO lacks.
    """
    import openvino

    graph = exported(look, size=size)
    try:
        with undisturbed(), torch.inference_mode(False), torch.no_grad():
            return openvino.convert_model(graph)
    except Exception as error:  # converters raise what they like; the reason is what matters
        raise NotExportableError(
            f"{look.name} cannot be converted for OpenVINO: {first_line(error)}", "Use --engine torch."
        ) from error


class Compiled:
    """A model of OpenVINO, compiled anew for each size: with the size known it runs faster."""

    def __init__(self, model: Any, compute: Compute) -> None:
        import openvino

        self._model, self._precision = model, compute.precision
        self._core = openvino.Core()
        self._by_size: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def run(self, pictures: Tensor) -> Tensor:
        """See `Backend.build`."""
        return one_by_one(self._one, pictures)

    def _one(self, picture: Tensor) -> Tensor:
        request = self._request(tuple(picture.shape))
        values = np.ascontiguousarray(picture.detach().numpy())
        # The engine writes the next picture over its output.
        return torch.from_numpy(np.array(request.infer([values], share_inputs=True)[0]))

    def _request(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._by_size:
            sized = self._model.clone()
            sized.reshape(list(shape))
            # OpenVINO takes bf16 by itself where the processor has it.
            config = {
                "INFERENCE_PRECISION_HINT": _HINT[self._precision],
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "PERFORMANCE_HINT": "LATENCY",
            }
            self._by_size[shape] = self._core.compile_model(sized, "CPU", config).create_infer_request()
            if len(self._by_size) > SIZES_KEPT:
                self._by_size.popitem(last=False)
        self._by_size.move_to_end(shape)
        return self._by_size[shape]
