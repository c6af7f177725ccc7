"""One checkpoint is one safetensors file: every tensor of the state, and a few facts in its header."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reskin.errors import CheckpointError, RunError
from reskin.methods.base import Method
from reskin.paths import in_utf8, open_plain, reason_of
from reskin.runs.ema import Ema
from reskin.storage import commit

FORMAT = 2
"""Of the checkpoints that are written. Format 1, with one digest over everything, is still read."""

_FIX = "Give another checkpoint, or remove this file to go on from the one before."


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
        prefix = f"optimizer.{name}."
        own = {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
        _restore_optimizer(optimizer, own)


def _restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Put back what an optimizer knows of its weights: values named by number of the weight and field."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        number, field = key.split(".")
        weight = parameters[int(number)]
        entry = entries.setdefault(int(number), {})
        entry[field] = value
        if value.shape == weight.shape:  # the fused kernel wants the weights' own memory format
            entry[field] = torch.empty_like(weight, device="cpu").copy_(value)
    groups = optimizer.state_dict()["param_groups"]
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
    """Write a checkpoint whole or not at all; equal states give equal bytes.

    Args:
        path: final name.
        state: tensors by name.
        facts: JSON-ready values for the header, such as the step.

    Raises:
        StorageError: the disk refuses the write; earlier checkpoints are intact.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    header = {
        "format": FORMAT,
        "facts": facts,
        "sha256": _digests(tensors, json.dumps(facts, sort_keys=True)),
    }
    with commit(path) as temporary:
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)  # as every other file of a run
        try:
            # One entry: safetensors writes several in an order that differs from run to run.
            save_file(tensors, temporary, metadata={"reskin": json.dumps(header, sort_keys=True)})
        except SafetensorError as error:  # it hides the system's error number in its text
            found = re.search(r"os error (\d+)", str(error))
            number = int(found[1]) if found else 0
            raise OSError(number, os.strerror(number) if number else str(error)) from error
        os.chmod(temporary, mode)  # safetensors makes files that only their owner may read


def load(path: Path, *, only: tuple[str, ...] = ("",)) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a checkpoint; every tensor is compared with the digest in the file.

    Args:
        path: as written by `save`.
        only: beginnings of the names to read, such as "method.".

    Raises:
        CheckpointError: the file is damaged, of another kind or of a newer format.
        RunError: this user may not read it.
    """
    header, names = _header(path)
    if header.digests is None:  # format 1: one digest over everything, so everything is read
        tensors = _tensors(path, names)
        if header.digest != _digest(tensors, header.text):
            raise CheckpointError(f"{path} is damaged (its checksum differs)", _FIX)
        return {key: value for key, value in tensors.items() if key.startswith(only)}, header.facts
    wanted = {_group(key) for key in names if key.startswith(only)}
    if only == ("",):
        wanted |= header.digests.keys()
    tensors = _tensors(path, [key for key in names if _group(key) in wanted])
    found = _digests(tensors, header.text)
    if any(found.get(group) != header.digests.get(group) for group in wanted):
        raise CheckpointError(f"{path} is damaged (its checksum differs)", _FIX)
    return {key: value for key, value in tensors.items() if key.startswith(only)}, header.facts


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a checkpoint, from its header: no tensor is read.

    Raises:
        CheckpointError, RunError: as `load`.
    """
    with _opened(path) as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


@dataclass(frozen=True)
class _Header:
    """What a checkpoint says of itself.

    Attributes:
        facts: as given to `save`.
        text: the facts as they went into the digests.
        digests: group of tensors to its digest; None in format 1.
        digest: the one of format 1.
    """

    facts: dict[str, Any]
    text: str
    digests: dict[str, str] | None
    digest: str | None = None


def _header(path: Path) -> tuple[_Header, list[str]]:
    """The header of a checkpoint and the names of its tensors."""
    with _opened(path) as file:
        metadata, names = file.metadata() or {}, list(file.keys())
        if metadata.get("format") == "1":
            text = metadata.get("facts", "{}")
            return _Header(json.loads(text), text, None, metadata.get("sha256")), names
        entry = json.loads(metadata.get("reskin", "{}"))
        if not isinstance(entry, dict) or entry.get("format") != FORMAT:
            raise CheckpointError(f"{path} is no checkpoint of this version of reskin", _FIX)
        facts, digests = entry.get("facts"), entry.get("sha256")
        if not isinstance(facts, dict) or not isinstance(digests, dict):
            raise CheckpointError(f"{path} is damaged (its header is not whole)", _FIX)
        return _Header(facts, json.dumps(facts, sort_keys=True), digests), names


def _tensors(path: Path, names: list[str]) -> dict[str, Tensor]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in names}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The tensors of a file; whatever reading it can end in becomes one line."""
    try:
        # safetensors says "No such file" of one that may not be read, and waits for a pipe
        os.close(open_plain(path, follow=True))
        with in_utf8(path) as name, safe_open(name, framework="pt") as file:
            yield file
    except PermissionError as error:
        raise RunError(  # no CheckpointError: the file may be sound, so nothing is passed over
            f"{path} may not be read ({error.strerror})", f"Ask its owner to let you: chmod a+r {path}."
        ) from None
    except FileNotFoundError:
        raise CheckpointError(f"no checkpoint {path}", "Check the name.") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({reason_of(error)})", _FIX) from None


def _group(name: str) -> str:
    """The part of a state that a tensor belongs to: "method", "ema" or "optimizer"."""
    return name.split(".", 1)[0]


def _digests(tensors: dict[str, Tensor], facts: str) -> dict[str, str]:
    """A digest for each part of a state, so that one part can be read and compared without the others."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        groups.setdefault(_group(name), {})[name] = value
    return {group: _digest(each, facts) for group, each in sorted(groups.items())}


def _digest(tensors: dict[str, Tensor], facts: str) -> str:
    """SHA-256 over the facts and every tensor's name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256(facts.encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
