"""One checkpoint is one safetensors file: every tensor of the state, and a few facts in its header."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reskin.errors import CheckpointError
from reskin.methods.base import Method
from reskin.runs.ema import Ema
from reskin.storage import commit

FORMAT = "1"


def state_of(method: Method, ema: Ema) -> dict[str, Tensor]:
    """Everything that the next step depends on: networks, pools, optimizers and running means, by name."""
    state = {f"method.{key}": value for key, value in method.state_dict().items()}
    state |= {f"ema.{key}": value for key, value in ema.state().items()}
    for name, optimizer in method.optimizers.items():
        for index, entry in optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{name}.{index}.{key}": value for key, value in entry.items()}
    return state


def restore(method: Method, ema: Ema, state: dict[str, Tensor]) -> None:
    """Put back what `state_of` returned.

    Raises:
        CheckpointError: the state is of other networks.
    """
    load_networks(method, {k: v for k, v in state.items() if k.startswith("method.")}, "method.")
    ema.load({key.removeprefix("ema."): v for key, v in state.items() if key.startswith("ema.")})
    for name, optimizer in method.optimizers.items():
        groups = optimizer.state_dict()["param_groups"]
        entries: dict[int, dict[str, Tensor]] = {}
        prefix = f"optimizer.{name}."
        for key, value in state.items():
            if key.startswith(prefix):
                number, field = key.removeprefix(prefix).split(".")
                entries.setdefault(int(number), {})[field] = value
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for index, entry in entries.items():  # the fused kernel wants the weights' own memory format
            for field, value in entry.items():
                if value.shape == parameters[index].shape:
                    entry[field] = torch.empty_like(parameters[index], device="cpu").copy_(value)
        optimizer.load_state_dict({"state": entries, "param_groups": groups})


def load_networks(method: Method, state: dict[str, Tensor], prefix: str, *, partly: bool = False) -> None:
    """Load the tensors whose names begin with `prefix` into the method's modules.

    Args:
        partly: whether networks may be missing from `state` (an imported generator has no discriminators).

    Raises:
        CheckpointError: names or shapes do not fit.
    """
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    try:
        missing, unexpected = method.load_state_dict(own, strict=False)
    except RuntimeError as error:
        raise CheckpointError(
            f"the checkpoint is of other networks ({str(error).splitlines()[-1].strip()})",
            "Its config.json and its weights must come from the same run.",
        ) from None
    if unexpected or (missing and not partly):
        raise CheckpointError(
            f"the checkpoint is of other networks (first difference: {(unexpected or missing)[0]})",
            "Its config.json and its weights must come from the same run.",
        )


def save(path: Path, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        path: final name.
        state: tensors by name.
        facts: JSON-ready values for the header, such as the step.

    Raises:
        StorageError: the disk refuses the write; earlier checkpoints are intact.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    text = json.dumps(facts)
    header = {"format": FORMAT, "facts": text, "sha256": _digest(tensors, text)}
    with commit(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=header)
        except SafetensorError as error:  # it hides the system's error number in its text
            found = re.search(r"os error (\d+)", str(error))
            number = int(found[1]) if found else 0
            raise OSError(number, os.strerror(number) if number else str(error)) from error


def load(path: Path, *, only: tuple[str, ...] = ("",)) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a checkpoint.

    Args:
        path: as written by `save`.
        only: beginnings of the names to read; the checksum is compared where everything is read.

    Raises:
        CheckpointError: the file is damaged, of another kind or of a newer format.
    """
    fix = "Give another checkpoint, or remove this file to go on from the one before."
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys() if key.startswith(only)}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error})", fix) from None
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of this version of reskin", fix)
    facts = header.get("facts", "{}")
    if only == ("",) and header.get("sha256") != _digest(tensors, facts):
        raise CheckpointError(f"{path} is damaged (its checksum differs)", fix)
    return tensors, json.loads(facts)


def _digest(tensors: dict[str, Tensor], facts: str) -> str:
    """SHA-256 over the facts and every tensor's name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256(facts.encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
