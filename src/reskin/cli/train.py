"""`reskin train METHOD`: train a method on two folders, or go on with a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from reskin.cli.arguments import parse
from reskin.config import Settings
from reskin.data.batches import DataConfig
from reskin.errors import SettingsError
from reskin.methods import find_trained, trained_names
from reskin.runs.settings import TrainConfig, find_preset, overruled, read_settings_file, sort_settings
from reskin.training.progress import in_words

if TYPE_CHECKING:
    from reskin.training.start import Plan

EPILOGUE = """
Run the same command again to go on where it stopped; a run that was stopped and one that was not end in the
same weights. Lengths: --epochs, or --steps, or --minutes.

Examples:
  reskin train {name} --a data/film --b data/game --out runs/film-game
  reskin train {name} --a horse2zebra --b horse2zebra --out runs/h2z --epochs 20 --decay-epochs 10
  torchrun --nproc-per-node 2 -m reskin train {name} --a data/film --b data/game --out runs/film-game
"""


@dataclass(frozen=True)
class RunArguments:
    """Where a run is and how it is begun."""

    out: Path
    """The run folder: settings, curves, sample grids and checkpoints."""
    preset: str | None = None
    """Settings under a name, which flags and --config overrule; `reskin methods METHOD` lists them."""
    config: Path | None = None
    """JSON file of settings, such as another run's config.json; flags come before it."""
    allow_change: bool = False
    """Go on with a run although its settings differ from those it was begun with."""
    dry_run: bool = False
    """Print settings, time, memory and disk that the run would take, and stop."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    if words[:1] in (["-h"], ["--help"]):
        print("usage: reskin train METHOD --a FOLDER --b FOLDER --out RUN [OPTIONS]\n")
        print(
            f"Methods: {', '.join(trained_names())}. `reskin train METHOD --help` lists the settings of one."
        )
        return 0
    if not words or words[0].startswith("-"):
        raise SettingsError(
            "no method given", f"Type: reskin train METHOD ... with one of: {', '.join(trained_names())}."
        )
    name = words[0]
    start, settings = read_arguments(name, words[1:])

    from reskin.training.start import plan_run, train_run

    if start.dry_run:
        print(plan_text(plan_run(name, out=start.out, **settings)))
        return 0
    train_run(name, out=start.out, allow_change=start.allow_change, **settings)
    if os.environ.get("RANK", "0") == "0":
        print(f"done: {start.out}\nnext: reskin report {start.out}", file=sys.stderr)
    return 0


def read_arguments(name: str, words: list[str]) -> tuple[RunArguments, dict[str, Any]]:
    """Where the run is, and all its settings by name: defaults, `--preset`, `--config`, then flags.

    Raises:
        SettingsError: unknown method, flag or key, or a value out of range.
    """
    method = find_trained(name)
    config_class = method.Config
    kind = make_dataclass(
        "Arguments",
        [("run", RunArguments), ("method", config_class), ("data", DataConfig), ("train", TrainConfig)],
        frozen=True,
    )
    kind.__doc__ = f"Train {name}.\n{EPILOGUE.format(name=name)}"
    values = dict(method.defaults)
    if (preset := _flag(words, "--preset")) is not None:
        values = overruled(values, find_preset(name, preset).settings)
    if (file := _flag(words, "--config")) is not None:
        from_file = read_settings_file(Path(file))
        sort_settings(name, {"a": ".", "b": "."} | from_file, source=file)
        values = overruled(values, from_file)
    values = overruled(values, _typed_lengths(words))
    groups = [
        group.model_construct(**_present(group, values)) for group in (config_class, DataConfig, TrainConfig)
    ]
    default = kind(RunArguments(out=tyro.MISSING), *groups)
    arguments = parse(kind, _without_idle(words, groups), command=f"reskin train {name}", default=default)
    settings: dict[str, Any] = {}
    for group in (arguments.method, arguments.data, arguments.train):
        settings |= group.to_dict()
    return arguments.run, settings


def _flag(words: list[str], flag: str) -> str | None:
    """The word after `flag`, which must be known before the other flags can have their defaults."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.removeprefix(f"{flag}=")
    return None


def _typed_lengths(words: list[str]) -> dict[str, float]:
    """The lengths among the flags: one that is typed takes the place of a preset's in another unit."""
    typed = {}
    for name in ("steps", "minutes", "epochs", "decay_epochs"):
        with suppress(ValueError):  # the parser complains of it in a moment
            if (word := _flag(words, f"--{name.replace('_', '-')}")) is not None:
                typed[name] = float(word) if name == "minutes" else int(word)
    return typed


def _without_idle(words: list[str], groups: Sequence[Settings]) -> list[str]:
    """The words without those that say what holds anyway: of --flip and --no-flip the parser knows one."""
    values = [(name, value) for group in groups for name, value in group if isinstance(value, bool)]
    idle = {f"--{'' if value else 'no-'}{name.replace('_', '-')}" for name, value in values}
    return [word for word in words if word not in idle]


def _present(group: type[Settings], values: dict[str, Any]) -> dict[str, Any]:
    """Values for every field of `group`; required ones that are absent are marked for tyro."""
    filled = {}
    for name, field in group.model_fields.items():
        default = tyro.MISSING if field.is_required() else field.default
        filled[name] = (
            Path(values[name]) if field.annotation is Path and name in values else values.get(name, default)
        )
    return filled


def plan_text(plan: Plan) -> str:
    """What a dry run prints: the settings as JSON, then what the run would take."""
    lines = [json.dumps(plan.settings.to_dict(), indent=2), ""]
    lines.append(f"{plan.steps} steps on {plan.compute.describe()}; an epoch is {plan.epoch_steps} steps")
    if plan.estimate:
        seconds = plan.estimate.seconds_a_step
        kept = plan.settings.train.keep + 1
        lines.append(f"time    about {in_words(seconds * plan.steps)} ({seconds:.3g} s a step)")
        if plan.estimate.memory_bytes:
            lines.append(f"memory  about {plan.estimate.memory_bytes / 1e9:.1f} GB")
        lines.append(
            f"disk    about {plan.estimate.checkpoint_bytes * kept / 1e6:.0f} MB ({kept} checkpoints)"
        )
    return "\n".join(lines)
