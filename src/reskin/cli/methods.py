"""`reskin methods`: list the methods, or explain one."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from reskin.cli.arguments import parse
from reskin.methods import find, names
from reskin.methods.base import Method
from reskin.methods.translator import Translator


@dataclass(frozen=True)
class Arguments:
    """List the methods, or show the page of one: its paper, its presets and every setting.

    Examples:
      reskin methods
      reskin methods cyclegan
    """

    method: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="METHOD")] = None
    """Name of the method to explain."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin methods")
    if arguments.method is None:
        _print_table()
    else:
        _print_page(arguments.method)
    return 0


def _print_table() -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("method", "paper", "data", "directions", "weights", "good for"):
        table.add_column(heading, justify="right" if heading == "weights" else "left")
    for name in names():
        method = find(name)
        count = f"{size(method):,}" if issubclass(method, Method) else "-"
        table.add_row(name, method.paper, data(method), directions(method), count, method.good_for)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    print("\nreskin methods NAME explains one; reskin train NAME --help lists its settings.")


def _print_page(name: str) -> None:
    method = find(name)
    print(inspect.getdoc(sys.modules[method.__module__]))
    print(f"\n{about(method)}")
    print(f"\nGood for {method.good_for}.")
    facts = [f"data: {data(method)}", f"directions: {directions(method)}"]
    if issubclass(method, Method):
        print("; ".join([*facts, f"{size(method):,} weights"]))
        if method.defaults:
            print(f"Trained with {in_flags(method.defaults)} unless told otherwise.")
        if method.presets:
            print("\nPresets (--preset NAME):")
        for preset, facts_of in method.presets.items():
            print(f"  {preset}\n      {facts_of.about}")
            if facts_of.settings:
                print(f"      {in_flags(facts_of.settings)}")
    print("\nSettings:")
    for field, info in method.Config.model_fields.items():
        meaning = " ".join((info.description or "").split())
        print(f"  --{field.replace('_', '-')} (default {typed(info.default)})\n      {meaning}")


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

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in method(method.Config()).parameters())
