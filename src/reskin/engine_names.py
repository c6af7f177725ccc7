"""What computes a translation, by the names on the command line."""

from __future__ import annotations

from typing import Literal

EngineName = Literal["auto", "torch", "compile", "openvino", "onnxruntime"]
"""PyTorch, PyTorch's compiler, OpenVINO or ONNX Runtime; auto chooses."""
