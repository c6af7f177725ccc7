"""`reskin methods`: list the methods, or explain one."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from reskin.cli.arguments import parse
from reskin.methods import find, names
from reskin.methods.base import Method


@dataclass(frozen=True)
class Arguments:
    """List the methods, or show the page of one.

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
    for heading in ("method", "what it is", "data", "directions", "parameters"):
        table.add_column(heading, justify="right" if heading == "parameters" else "left")
    for name in names():
        method = find(name)
        table.add_row(
            name, summary(method), method.pairing, ", ".join(method.directions), f"{size(method):,}"
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    print("\nreskin methods NAME explains one; reskin train NAME --help lists its settings.")


def _print_page(name: str) -> None:
    method = find(name)
    print(inspect.getdoc(sys.modules[method.__module__]))
    print(f"\n{inspect.getdoc(method)}")
    print(
        f"\ndata {method.pairing} · directions {', '.join(method.directions)} · {size(method):,} parameters\n"
    )
    for field, info in method.Config.model_fields.items():
        print(f"  --{field.replace('_', '-')} (default {info.default})\n      {info.description}")


def summary(method: type[Method]) -> str:
    """The first sentence of the method's page."""
    text = inspect.getdoc(sys.modules[method.__module__]) or ""
    return text.splitlines()[0].split(": ", 1)[-1].rstrip(".")


def size(method: type[Method]) -> int:
    """Weights in all networks of a method with its default settings."""
    import torch

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in method(method.Config()).parameters())
