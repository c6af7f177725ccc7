"""Lines of code within import reach of each method: what a reader of the method may have to read.

A line counts if it holds code: blank lines, comments and docstrings do not (the docstring of a setting, which
follows its field, neither). The modules are those of this package that the method's file imports, directly
or through others, wherever in a file the import stands.

    python benchmarks/reach.py
"""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from pathlib import Path

from reskin.methods import names

PACKAGE = Path(__file__).parents[1] / "src" / "reskin"


def module_file(module: str) -> Path | None:
    """The file of a module of this package, `module` with the leading "reskin"; None for anything else."""
    parts = module.split(".")
    if parts[0] != "reskin":
        return None
    base = PACKAGE.joinpath(*parts[1:])
    candidates = [base.with_suffix(".py")] if len(parts) > 1 else []
    return next((path for path in [*candidates, base / "__init__.py"] if path.is_file()), None)


@functools.cache  # methods share most of what they import
def imported_files(path: Path) -> frozenset[Path]:
    """Files of this package that a file imports; a package's `__init__` counts where it is named itself."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found = {name for name in submodules if module_file(name)}
            names |= found or {node.module}
    return frozenset(file for name in names if (file := module_file(name)))


def reach(path: Path) -> set[Path]:
    """The file and every file of this package that it imports, directly or not."""
    seen, waiting = set[Path](), [path]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += imported_files(file)
    return seen


@functools.cache
def code_lines(path: Path) -> int:
    """Lines of a file that hold code: no blank ones, no comments, no docstrings."""
    source = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in blank and token.type != tokenize.ENDMARKER:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        constant = node.value if isinstance(node, ast.Expr) else None
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
            lines -= set(range(constant.lineno, (constant.end_lineno or constant.lineno) + 1))
    return len(lines)


def method_files() -> list[Path]:
    """The files of all methods, in alphabetical order."""
    return [PACKAGE / "methods" / f"{name}.py" for name in names()]


def main() -> None:
    """Print each method with its lines and the largest files in its reach."""
    for path in method_files():
        sizes = {file: code_lines(file) for file in reach(path)}
        largest = sorted(sizes, key=lambda file: -sizes[file])[:6]
        shares = ", ".join(f"{file.parent.name}/{file.stem} {sizes[file]}" for file in largest)
        print(f"{path.stem:<17}{sum(sizes.values()):>6}  of {len(sizes):>2} files: {shares}")


if __name__ == "__main__":
    main()
