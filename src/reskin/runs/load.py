"""Opening a run folder: what it is, its last checkpoint, and the model in it, ready to translate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reskin.device import choose_compute
from reskin.errors import RunError
from reskin.methods import find_trained
from reskin.methods.base import Method
from reskin.runs import checkpoint
from reskin.runs.folder import list_checkpoints
from reskin.storage import read_json


def load(folder: Path | str, *, device: str = "auto", step: int | None = None) -> Method:
    """The trained model in a run folder, ready to translate.

    Where the run kept a running mean of its weights, that is what translates.

    Args:
        folder: a run folder, or a model folder that `reskin import` made.
        device: "auto" takes the best there is.
        step: which checkpoint; the last by default.

    Raises:
        RunError: the folder is no run, or has no checkpoint yet.
        CheckpointError: the checkpoint is damaged.
    """
    folder = Path(folder)
    config = read_run(folder)
    found = list_checkpoints(folder)
    if step is not None:
        found = [path for path in found if int(path.stem) == step]
    if not found:
        wanted = "no checkpoint yet" if step is None else f"no checkpoint of step {step}"
        there = ", ".join(str(int(path.stem)) for path in list_checkpoints(folder))
        raise RunError(f"{folder} has {wanted}", f"There are: {there}." if there else "Train it first.")
    state, _ = checkpoint.load(found[-1], only=("method.", "ema."))
    state |= {f"method.{key.removeprefix('ema.')}": v for key, v in state.items() if key.startswith("ema.")}
    method_class = find_trained(config["method"])
    method = method_class(method_class.Config.parse(config["settings"]["method"], source=str(folder)))
    method.directions = tuple(config["directions"])
    checkpoint.load_networks(method, state, "method.", partly="source" in config)
    choose_compute(device).place(method)
    method.eval()
    return method


def read_run(folder: Path) -> dict[str, Any]:
    """The config.json of a run or model folder.

    Raises:
        RunError: the folder is not there or is no run.
    """
    if not folder.is_dir():
        raise RunError(
            f"no run folder {folder}", "Check the name; `reskin train METHOD --out NAME` makes one."
        )
    if not (folder / "config.json").is_file():
        raise RunError(f"{folder} is no run folder (it has no config.json)", "Give the --out of a training.")
    config = read_json(folder / "config.json")
    if not {"method", "directions", "settings"} <= config.keys():
        raise RunError(
            f"{folder / 'config.json'} is not of a run (it names no method)", "Give the --out of a training."
        )
    return config


def final_step(folder: Path) -> int:
    """Step of the last checkpoint in a run folder, 0 for none."""
    found = list_checkpoints(folder)
    return int(found[-1].stem) if found else 0
