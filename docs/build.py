"""Builds the pages that follow from the code: docs/methods/*.md and docs/commands.md (`make docs`)."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import sys
from pathlib import Path

from reskin.cli.main import COMMANDS, KINDS, main, overview
from reskin.cli.methods import about, data, directions, in_flags, size, typed
from reskin.methods import find, names
from reskin.methods.base import Method

DOCS = Path(__file__).parent
BUILT = "<!-- Built from the code by `make docs`; change it there. -->\n"


def method_page(name: str) -> str:
    """The page of one method, from its docstrings."""
    method = find(name)
    text = inspect.getdoc(sys.modules[method.__module__]) or ""
    lines = [BUILT, f"# {name}\n", f"{text}\n", f"{about(method)}\n", f"Good for {method.good_for}.\n"]
    lines.append(f"- data: {data(method)}\n- directions: {directions(method)}")
    usage = "reskin stylize photo.jpg --style painting.jpg --out photo-painted.png"
    if issubclass(method, Method):
        usage = f"reskin train {name} --a data/film --b data/game --out runs/film-game"
        lines.append(f"- weights with default settings: {size(method):,}")
        if method.defaults:
            lines.append(f"- trained with `{in_flags(method.defaults)}` unless you say otherwise")
    lines.append(f"\n```sh\n{usage}\n```\n")
    if method.presets:
        lines.append("| preset | what it is | settings |\n|---|---|---|")
        for preset, facts in method.presets.items():
            flags = f"`{in_flags(facts.settings)}`" if facts.settings else "the defaults"
            lines.append(f"| `--preset {preset}` | {facts.about} | {flags} |")
        lines.append("")
    lines.append("| setting | default | meaning |\n|---|---|---|")
    for field, info in method.Config.model_fields.items():
        meaning = " ".join((info.description or "").split()).replace("|", "\\|")
        lines.append(f"| `--{field.replace('_', '-')}` | {typed(info.default)} | {meaning} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """The help of every command, as it is printed."""
    parts = [BUILT, "# Commands\n", f"```text\n{overview()}\n```\n"]
    for command in COMMANDS:
        kinds = ("cyclegan",) if command == "train" else KINDS.get(command)
        for words in [[command, kind] for kind in kinds] if kinds else [[command]]:
            parts.append(f"## reskin {' '.join(words)}\n\n```text\n{printed_help(words)}\n```\n")
    return "\n".join(parts)


def printed_help(words: list[str]) -> str:
    """What a command prints for --help-all."""
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([*words, "--help-all"])
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


def pages() -> dict[Path, str]:
    """Every built page and its text."""
    built = {DOCS / "methods" / f"{name}.md": method_page(name) for name in names()}
    return built | {DOCS / "commands.md": commands_page()}


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
