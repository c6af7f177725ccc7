"""ONNX Runtime, Microsoft's engine; https://onnxruntime.ai. And the ONNX file that it and others read."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from reskin.device import Compute
from reskin.engine_names import EngineName
from reskin.inference.engines.backend import NotExportableError, first_line, installed, undisturbed
from reskin.inference.engines.graph import exported, one_by_one
from reskin.inference.engines.kept import converted
from reskin.inference.engines.look import Look

INPUT, OUTPUT = "images", "translated"
"""Names of input and output in an ONNX file."""

_CUDA = "CUDAExecutionProvider"


class OnnxRuntime:
    """ONNX Runtime, on the processor or, with its CUDA build, on a GPU."""

    name: EngineName = "onnxruntime"
    extra = "reskin[onnx]"

    def version(self) -> str | None:
        """Of its package; None where it or the exporter is not installed."""
        found = installed("onnxruntime") or installed("onnxruntime-gpu")
        return found if installed("onnx") and installed("onnxscript") else None

    def lacks(self, device: torch.device, precision: Literal["fp32", "bf16"]) -> tuple[str, str] | None:
        """Why it does not compute there in this precision, and what to type instead."""
        if precision != "fp32":
            return f"--engine onnxruntime in {precision}: it computes in fp32", "Give --precision fp32."
        if device.type == "cuda" and _CUDA not in _providers():
            return f"--engine onnxruntime on {device}: this is its build for processors", (
                "Install it: pip install onnxruntime-gpu; or add --device cpu."
            )
        if device.type not in ("cpu", "cuda"):
            return f"--engine onnxruntime on {device}", "Add --device cpu."
        return None

    def build(self, look: Look, picture: Tensor, compute: Compute) -> Callable[[Tensor], Tensor]:
        """The look as a program; see `Backend.build`."""
        versions = f"{self.version()} {installed('onnx')} {installed('onnxscript')}"
        parts = converted(
            look.key, self.name, versions, lambda: {"model.onnx": to_onnx(look).SerializeToString()}
        )
        session = session_of(parts["model.onnx"], compute)

        def one(picture: Tensor) -> Tensor:
            made = session.run(None, {INPUT: np.ascontiguousarray(picture.detach().cpu().numpy())})[0]
            return torch.from_numpy(made).to(compute.device)

        return lambda pictures: one_by_one(one, pictures)


def session_of(content: bytes, compute: Compute) -> Any:
    """An ONNX model ready to run (`onnxruntime.InferenceSession`)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait actively hold cores that the decoder, the stabiliser and the encoder need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if compute.device.type == "cuda":
        providers.insert(0, (_CUDA, {"device_id": compute.device.index or 0}))
    return onnxruntime.InferenceSession(content, options, providers=providers)


def to_onnx(look: Look, *, size: tuple[int, int] | None = None) -> Any:
    """The look as an ONNX model (`onnx.ModelProto`), for pictures of any size or of one.

    Raises:
        NotExportableError: it has operators that ONNX lacks.
    """
    graph = exported(look, size=size)
    try:
        with _quiet(), torch.inference_mode(False), torch.no_grad():
            program = torch.onnx.export(
                graph, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
            )
    except Exception as error:  # exporters raise what they like; the reason is what matters
        raise NotExportableError(
            f"{look.name} cannot be written as ONNX: {first_line(error)}", "Use --engine torch."
        ) from error
    assert program is not None, "with dynamo a program is returned"
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress and logs what it could not optimise."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), undisturbed():
            yield
    finally:
        log.setLevel(level)


def _providers() -> list[str]:
    import onnxruntime

    return list(onnxruntime.get_available_providers())
