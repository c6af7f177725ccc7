"""Reads networks of fast style transfer that others trained: one file, one style.

Two layouts are known: that of PyTorch's well-known example (`conv1.conv2d.weight` ... `deconv3.conv2d.bias`)
and networks trained with TensorFlow whose variables were put into one table (`down.0.conv.weight`,
`down.0.scale`, `down.0.shift` ... `out.shift`). Width and number of blocks are read off the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reskin.errors import CheckpointError
from reskin.networks.fast_style import FastStyleNetwork, fast_style_network
from reskin.runs.imports.generators import (
    STATISTICS,
    ImportedGenerator,
    check_weights,
    checksum,
    read_tensors,
    shape_of,
    without_wrappers,
)

_UNKNOWN = "It is a variant we do not know, or damaged."


def is_style_network(path: Path) -> bool:
    """Whether a file holds a network of fast style transfer; False for what cannot be read at all."""
    try:
        return _layout(without_wrappers(read_tensors(path), path)) is not None
    except (CheckpointError, OSError):
        return False


def read_style_network(path: Path) -> ImportedGenerator:
    """Read a network of fast style transfer, in half or single precision.

    Args:
        path: .pth or .safetensors; distinguished by content.

    Returns:
        Its settings are those of `networks.fast_style.fast_style_network`, its state the state_dict of that
        network in float32.

    Raises:
        CheckpointError: the file is missing or damaged, is no such network, takes or gives other than three
            channels, or has weights that are not finite.
    """
    path = Path(path)
    sha256 = checksum(path)
    state = without_wrappers(read_tensors(path), path)
    check_weights(state, path)
    layout = _layout(state)
    if layout is None:
        raise CheckpointError(
            f"{path} holds no network of fast style transfer",
            "Give a file as PyTorch's example saves it, or a table of TensorFlow's variables.",
        )
    settings: dict[str, Any] = {"layout": layout}
    stem = "conv1.conv2d.weight" if layout == "pytorch" else "down.0.conv.weight"
    settings["width"] = shape_of(state, stem, path)[0]
    settings["blocks"] = len(
        {key.split(".")[0 if layout == "pytorch" else 1] for key in state if "res" in key}
    )
    if layout == "tensorflow":
        settings |= {"upsample": "transposed", "output": "tanh"}
    if not settings["width"] or not settings["blocks"]:
        raise CheckpointError(f"{path} describes a network without channels or blocks", _UNKNOWN)
    with torch.device("meta"):
        network = fast_style_network(**settings)
    return ImportedGenerator(settings, _renamed(state, network, _names(settings), path), sha256)


def _layout(state: dict[str, Tensor]) -> str | None:
    """Which of the two layouts a table of weights has; None for neither."""
    if "conv1.conv2d.weight" in state and "deconv3.conv2d.weight" in state:
        return "pytorch"
    if "down.0.conv.weight" in state and "out.conv.weight" in state and "out.shift" in state:
        return "tensorflow"
    return None


def _names(settings: dict[str, Any]) -> dict[str, str]:
    """For each layer of ours the name of that layer in the file; a norm's follows from its convolution's."""
    if settings["layout"] == "pytorch":
        names = {"stem.0": "conv1.conv2d", "stem.1": "in1", "head.0": "deconv3.conv2d"}
        for i in (0, 1):
            names |= {f"down.{3 * i}": f"conv{2 + i}.conv2d", f"down.{3 * i + 1}": f"in{2 + i}"}
            names |= {f"up.{3 * i}": f"deconv{1 + i}.conv2d", f"up.{3 * i + 1}": f"in{4 + i}"}
        for block in range(settings["blocks"]):
            for i in (1, 2):
                names[f"blocks.{block}.conv{i}"] = f"res{block + 1}.conv{i}.conv2d"
                names[f"blocks.{block}.norm{i}"] = f"res{block + 1}.in{i}"
        return names
    names = {"stem.0": "down.0.conv", "stem.1": "down.0", "head.0": "out.conv", "head.1": "out"}
    for i in (0, 1):
        names |= {f"down.{3 * i}": f"down.{1 + i}.conv", f"down.{3 * i + 1}": f"down.{1 + i}"}
        names |= {f"up.{3 * i}": f"up.{i}.conv", f"up.{3 * i + 1}": f"up.{i}"}
    for block in range(settings["blocks"]):
        for i, half in ((1, "a"), (2, "b")):
            names[f"blocks.{block}.conv{i}"] = f"res.{block}.{half}.conv"
            names[f"blocks.{block}.norm{i}"] = f"res.{block}.{half}"
    return names


def _renamed(
    state: dict[str, Tensor], network: FastStyleNetwork, names: dict[str, str], path: Path
) -> dict[str, Tensor]:
    """The weights under our names; every one of the file must be used."""
    # Old files hold statistics of an instance norm, which it never used.
    left = {key: value for key, value in state.items() if not key.endswith(STATISTICS)}
    ours: dict[str, Tensor] = {}
    for key, wanted in network.state_dict().items():
        layer, _, kind = key.rpartition(".")
        theirs = f"{names[layer]}.{kind}"
        if "conv" not in theirs and theirs not in left:  # a norm of TensorFlow
            theirs = f"{names[layer]}.{'scale' if kind == 'weight' else 'shift'}"
        value = left.pop(theirs, None)
        if value is None:
            raise CheckpointError(f"'{theirs}' is missing in {path}", _UNKNOWN)
        if value.shape != wanted.shape:
            got = f"'{theirs}' in {path} is {tuple(value.shape)}, not {tuple(wanted.shape)}"
            raise CheckpointError(got, _UNKNOWN)
        ours[key] = value.float().contiguous().clone()
    if left:
        raise CheckpointError(f"{next(iter(left))!r:.80} in {path} belongs to no layer we know", _UNKNOWN)
    return ours
