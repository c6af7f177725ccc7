"""Modules import lower floors or their own folder; neighbours on a floor do not know each other.

The same holds inside the large folders, whose rooms have floors of their own.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.size import statements

PACKAGE = Path(__file__).parents[1] / "src" / "reskin"
GROUND = [
    "types",
    "errors",
    "config",
    "paths",
    "holders",
    "renames",
    "disk_locks",
    "storage",
    "databases",
    "version",
    "threads",
    "spread",
    "significance",
    "progress",
    "online",
    "image_formats",
    "image_files",
    "engine_names",
    "precision",
    "parsing",
    "unknown",
    "exits",
    "framing",
    "fetching",
    "ray_cluster",
]
"""The lowest floor, whose modules may know each other; the test for cycles watches over them."""

FLOORS: dict[str, list[list[str]]] = {
    "": [
        GROUND,
        ["images", "networks", "losses", "video", "weights", "device", "processes", "averaging"],
        ["faces", "colour"],
        ["data", "metrics", "methods", "worlds"],
        ["runs", "inference"],
        ["pages"],
        ["training", "translation", "evaluation", "curation"],
        ["workflows"],
        ["web"],
        ["cli"],
    ],
    "curation": [
        ["adopt", "moves", "phash", "scores", "combing", "sharpness", "split_rules", "thumbnails"],
        ["leakage", "left_out"],
        ["prepare", "screen", "balance", "split", "inspect", "download"],
    ],
}
"""Folder to the floors of its rooms, lowest first."""


@functools.cache
def imports(file: Path) -> list[str]:
    """The modules of the package that a file imports, lazily or not, without the leading `reskin.`."""
    return list(imports_in(ast.parse(file.read_text(encoding="utf-8"))))


def imports_in(tree: ast.Module) -> Iterator[str]:
    for node in statements(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "reskin":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reskin."):
            module = str(node.module).removeprefix("reskin.")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names if alias.name.startswith("reskin"))
            yield from (name.removeprefix("reskin").removeprefix(".") or "__init__" for name in names)


def room_of(module: str, folder: str) -> str | None:
    """The room inside `folder` that a module lies in; None for a module outside of it."""
    parts, within = module.split("."), folder.split(".") if folder else []
    return parts[len(within)] if parts[: len(within)] == within and len(parts) > len(within) else None


def climbs(folder: str) -> list[str]:
    """Every import inside `folder` that leads to a neighbour or upwards."""
    floor_of = {room: number for number, floor in enumerate(FLOORS[folder]) for room in floor}
    wrong = []
    for file in PACKAGE.joinpath(*folder.split(".")).rglob("*.py"):
        module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        here = room_of(module, folder)
        if here is None or here in ("__init__", "__main__"):
            continue
        for imported in sorted({room_of(name, folder) for name in imports(file)} - {None, here}, key=str):
            if imported not in floor_of:
                continue
            together = here in GROUND and imported in GROUND
            if floor_of[imported] >= floor_of[here] and not together:
                wrong.append(f"{module} imports {imported}")
    return wrong


@pytest.mark.sweep
@pytest.mark.parametrize("folder", list(FLOORS), ids=lambda folder: folder or "reskin")
def test_modules_import_only_lower_floors(folder: str) -> None:
    assert not climbs(folder)


@pytest.mark.parametrize("folder", list(FLOORS), ids=lambda folder: folder or "reskin")
def test_every_room_has_a_floor(folder: str) -> None:
    known = {room for floor in FLOORS[folder] for room in floor}
    there = {path.stem for path in PACKAGE.joinpath(*folder.split(".")).iterdir()}
    assert {name for name in there if not name.startswith("_")} <= known
