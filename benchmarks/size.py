"""The ten longest files and functions of the package: `make size`."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "reskin"


def main() -> None:
    """Print the tables."""
    files, functions = [], []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(PACKAGE))
        files.append((len(text.splitlines()), name))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                doc = node.body[0]
                is_doc = isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant)
                docstring = (doc.end_lineno or 0) - doc.lineno + 1 if is_doc else 0
                functions.append((node.end_lineno - node.lineno + 1 - docstring, f"{name}:{node.name}"))
    for title, rows in (("files", files), ("functions, without docstrings", functions)):
        print(f"lines  {title}")
        for lines, name in sorted(rows, reverse=True)[:10]:
            print(f"{lines:>5}  {name}")
        print()


if __name__ == "__main__":
    main()
