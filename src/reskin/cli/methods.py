"""`reskin methods`: list the methods, or explain one."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any

from reskin.cli.options import parse
from reskin.cli.streams import show, show_text, table_text
from reskin.config import Settings
from reskin.data.batches import DataConfig
from reskin.methods import find, names
from reskin.methods.base import Method
from reskin.methods.translator import Translator
from reskin.parsing import Spelled
from reskin.runs.settings import TrainConfig


class Arguments(Settings):
    """List the methods, or show the page of one: its paper, its presets and every setting.

    Examples:
      reskin methods
      reskin methods cyclegan
      reskin methods --json
    """

    method: Annotated[str | None, Spelled(position="METHOD")] = None
    """Name of the method to explain."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print everything as JSON, with the schema of all settings."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin methods")
    if arguments.as_json:
        chosen = names() if arguments.method is None else [arguments.method]
        show_text(json.dumps({name: facts(name) for name in chosen}, indent=2))
    elif arguments.method is None:
        show_text(_table())
        show("", "reskin methods NAME explains one; reskin train NAME --help lists its settings.")
    else:
        show_text(_page(arguments.method))
    return 0


def facts(name: str) -> dict[str, Any]:
    """All there is to know of a method, JSON-ready; settings that are basic are marked so in the schemas."""
    method = find(name)
    text = inspect.getdoc(sys.modules[method.__module__]) or ""
    known: dict[str, Any] = {
        "summary": text.splitlines()[0],
        "about": text,
        "paper": method.paper,
        "good_for": method.good_for,
        "data": data(method),
        "directions": list(method.directions),
        "presets": {
            preset: {"about": of.about, "settings": dict(of.settings)}
            for preset, of in method.presets.items()
        },
        "schema": {"method": method.Config.model_json_schema()},
    }
    if issubclass(method, Method):
        known |= {
            "pairing": method.pairing,
            "weights": size(method),
            "defaults": dict(method.defaults),
        }
        known["schema"] |= {"data": DataConfig.model_json_schema(), "train": TrainConfig.model_json_schema()}
    return known


def _table() -> str:
    rows = []
    for name in names():
        method = find(name)
        count = f"{size(method):,}" if issubclass(method, Method) else "-"
        rows.append((name, method.paper, data(method), directions(method), count, method.good_for))
    headings = ("method", "paper", "data", "directions", "weights", "good for")
    return table_text(headings, rows, right=("weights",))


def _page(name: str) -> str:
    method = find(name)
    lines = [inspect.getdoc(sys.modules[method.__module__]) or "", "", about(method), ""]
    lines += [f"Good for {method.good_for}."]
    about_data = [f"data: {data(method)}", f"directions: {directions(method)}"]
    if issubclass(method, Method):
        lines.append("; ".join([*about_data, f"{size(method):,} weights"]))
        if method.defaults:
            lines.append(f"Trained with {in_flags(method.defaults)} unless something else is given.")
    if method.presets:
        lines += ["", "Presets (--preset NAME):"]
    for preset, facts_of in method.presets.items():
        lines += [f"  {preset}", f"      {facts_of.about}"]
        if facts_of.settings:
            lines.append(f"      {in_flags(facts_of.settings)}")
    lines += ["", "Settings:"]
    for field, info in method.Config.model_fields.items():
        meaning = " ".join((info.description or "").split())
        lines += [f"  --{field.replace('_', '-')} (default {typed(info.default)})", f"      {meaning}"]
    return "\n".join(lines)


def about(method: type[Translator]) -> str:
    """What a method's class says of itself, without its arguments and errors."""
    return re.split(r"\n\n(?:Args|Raises|Attributes):", inspect.getdoc(method) or "")[0]


def typed(value: object) -> str:
    """A value as it is typed after a flag.

    >>> typed(("relu1_1", "relu2_1")), typed(None)
    ('relu1_1 relu2_1', 'none')
    """
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def data(method: type[Translator]) -> str:
    """What a method learns from."""
    if not issubclass(method, Method):
        return "no training"
    return method.pairing if method.clip_length == 1 else f"{method.pairing} clips"


def directions(method: type[Translator]) -> str:
    """The ways a method translates, in words.

    >>> directions(find("cyclegan"))
    'both'
    """
    return "both" if len(method.directions) == 2 else " ".join(method.directions).replace("2", " to ")


def in_flags(settings: Mapping[str, Any]) -> str:
    """Settings as they are typed.

    >>> in_flags({"batch": 8, "flip": False})
    '--batch 8 --no-flip'
    """
    words = []
    for key, value in settings.items():
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words.append(f"--{flag} {typed(value)}")
    return " ".join(words)


def size(method: type[Method]) -> int:
    """Weights in all networks of a method with its default settings."""
    import torch
    from torch.overrides import TorchFunctionMode

    # Values are neither drawn, worked out nor trained: each would load torch's compiler, 1.5 CPU seconds.
    class Undrawn(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") in ("normal_", "uniform_", "normalize", "log"):
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    untrained = type(method.__name__, (method,), {"add_optimizer": lambda *_, **__: None})
    with torch.device("meta"), Undrawn():
        return sum(parameter.numel() for parameter in untrained(method.Config()).parameters())
