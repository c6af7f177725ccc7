"""Parts of a method that are taken over from finished runs when its training begins."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from reskin.errors import SettingsError
from reskin.methods.base import Method
from reskin.runs.load import load
from reskin.runs.settings import RunSettings

Parts = dict[str, dict[str, Tensor]]
"""Name of a part to its weights."""


def read_parts(settings: RunSettings) -> Parts:
    """The parts that the settings ask for, each from the run that it names; see `Method.parts_from`.

    Raises:
        RunError: a folder is no run, or has no such checkpoint.
        CheckpointError: its checkpoint is damaged.
        SettingsError: the run has no such part.
    """
    found: Parts = {}
    for setting, part in settings.method_class.parts_from.items():
        folder: Path | None = getattr(settings.method, setting)
        if folder is None:
            continue
        model = load(folder, device="cpu", step=getattr(settings.method, f"{setting}_step"))
        kind = settings.method_class(settings.method)
        if type(getattr(model, part, None)) is not type(getattr(kind, part)):
            name = type(model).__module__.rsplit(".", 1)[-1]
            fix = f"Give the --out of reskin train {setting}."
            raise SettingsError(f"{folder} is a run of {name}, and --{setting} wants one of {setting}", fix)
        found[part] = getattr(model, part).state_dict()
        _check_shapes(found[part], dict(getattr(kind, part).named_parameters()), folder, setting)
    return found


def _check_shapes(there: dict[str, Tensor], here: dict[str, Tensor], folder: Path, setting: str) -> None:
    """Refuse (SettingsError) a part of another size."""
    wrong = [name for name in here if name not in there or there[name].shape != here[name].shape]
    if wrong:
        raise SettingsError(
            f"the {setting} in {folder} has another width",
            f"Give --{setting.replace('_', '-')}-width as its config.json has it (width).",
        )


def take_over(method: Method, parts: Parts) -> None:
    """Put the parts that `read_parts` gave into a method."""
    for part, weights in parts.items():
        getattr(method, part).load_state_dict(weights)
