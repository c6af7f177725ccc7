"""Files of named tensors, as others publish weights: read without running what they might hold."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reskin.errors import WeightsError
from reskin.paths import in_utf8


def read_tensors(path: Path, *, of: str, fix: str) -> dict[str, Tensor]:
    """The tensors of a .pth or .safetensors file by name, in single precision.

    Args:
        path: of the file.
        of: the network that it should be of, for the error.
        fix: what to give instead, for the error.

    Raises:
        WeightsError: it is missing, damaged, or holds anything but named tensors.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what is refused below in any case
            is_safe = path.suffix.lower() == ".safetensors"
            with in_utf8(path) as name:
                state = (
                    load_file(name) if is_safe else torch.load(name, map_location="cpu", weights_only=True)
                )
    except Exception as error:  # a damaged file can raise anything, from EOFError to UnicodeDecodeError
        raise _none(path, of, f"it cannot be read: {type(error).__name__}", fix) from None
    if not isinstance(state, dict) or not all(isinstance(each, Tensor) for each in state.values()):
        raise _none(path, of, "it is no table of tensors", fix)
    return {str(name): tensor.float() for name, tensor in state.items()}


def load_tensors(network: nn.Module, state: dict[str, Tensor], path: Path, *, of: str, fix: str) -> None:
    """Put tensors of a file into a network.

    Raises:
        WeightsError: names or shapes are not those of the network.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise _none(path, of, str(error).splitlines()[-1].strip(), fix) from None


def _none(path: Path, of: str, why: str, fix: str) -> WeightsError:
    return WeightsError(f"{path} holds no weights of {of} ({why})", fix)
