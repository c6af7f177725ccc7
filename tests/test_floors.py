"""Modules import lower floors or their own folder; neighbours on a floor do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "reskin"
FLOORS = {
    **dict.fromkeys(["types", "errors", "config", "storage"], 0),
    **dict.fromkeys(["images", "networks", "losses", "video", "weights", "device"], 1),
    **dict.fromkeys(["data", "metrics", "methods", "worlds"], 2),
    **dict.fromkeys(["training", "translation", "evaluation"], 3),
    "web": 4,
    "cli": 5,
}


def imports(file: Path) -> set[str]:
    """The top-level parts of the package that a file imports, lazily or not."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "reskin":
            modules = [f"reskin.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in modules if name and name.startswith("reskin.")}
    return found


def test_modules_import_only_lower_floors() -> None:
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part in ("__init__", "__main__"):
            continue
        floor = FLOORS[part]
        for other in imports(file) - {part}:
            ground = floor == 0 and FLOORS.get(other) == 0
            if other in FLOORS and FLOORS[other] >= floor and not ground:
                wrong.append(f"{file.relative_to(PACKAGE)} imports {other}")
    assert not wrong
