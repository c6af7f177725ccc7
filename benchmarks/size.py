"""How long, deep and wide the package's code is, and which modules import each other: `make size`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "reskin"
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Function(NamedTuple):
    """One function or method.

    Attributes:
        name: file within the package, and the function's dotted name: `video/probe.py:probe`.
        lines: from `def` to its end, without the docstring.
        nesting: blocks within blocks; `elif` and functions inside of it go no deeper.
        parameters: all that it takes, without `self` and `cls`.
    """

    name: str
    lines: int
    nesting: int
    parameters: int


def sources(package: Path = PACKAGE) -> Iterator[tuple[str, str]]:
    """Every file of the package: its path within it, with slashes, and its text."""
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package).as_posix(), path.read_text(encoding="utf-8")


def functions_in(text: str, file: str = "") -> list[Function]:
    """Every function of a file, those within classes and functions too.

    >>> functions_in('def f(a, *, b=1):\\n    "About f."\\n    if a:\\n        return b\\n')
    [Function(name=':f', lines=3, nesting=1, parameters=2)]
    """
    found: list[Function] = []

    def walk(node: ast.AST, within: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                continue  # most of a file, and no function lies in one
            name = f"{within}{child.name}" if hasattr(child, "name") else ""
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (child.end_lineno or child.lineno) - child.lineno + 1 - docstring_lines(child)
                found.append(Function(f"{file}:{name}", lines, nesting(child), parameters(child)))
            walk(child, f"{name}." if isinstance(child, SCOPES) and name else within)

    walk(ast.parse(text), "")
    return found


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """What lies below a node, but for expressions, which are most of a file and hold no statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from statements(child)


def docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's docstring; 0 without one."""
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and first.value.value is not ...:
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def nesting(node: ast.AST) -> int:
    """How many blocks lie within each other below `node`, functions and classes of its own left out."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*SCOPES, ast.expr)):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and [child] == node.orelse
        deepest = max(deepest, nesting(child) + (isinstance(child, BLOCKS) and not is_elif))
    return deepest


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many parameters a function has, without `self` and `cls`."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    own = [each for each in named[:1] if each.arg in ("self", "cls")]
    return len(named) - len(own) + (given.vararg is not None) + (given.kwarg is not None)


def imports_in(text: str, modules: set[str]) -> set[str]:
    """Those of `modules` that a file imports, at its top or inside of functions."""
    found = set()
    for node in statements(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            named = below & modules
            found |= named | ({str(node.module)} if named != below else set())
    return found & modules


def import_graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Module to the modules that it imports, lazily or not."""
    texts = {}
    for file, text in sources(package):
        parts = [package.name, *file.removesuffix(".py").split("/")]
        texts[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = text
    return {module: imports_in(text, set(texts)) - {module} for module, text in texts.items()}


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others.

    >>> cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    [['b', 'c']]
    """
    reach = {module: reached(graph, module) for module in graph}
    groups = {
        frozenset(other for other in reach[module] if module in reach[other])
        for module in graph
        if module in reach[module]
    }
    return sorted(sorted(group) for group in groups)


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """What can be come to from `start` over one import or more."""
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += graph[module]
    return seen


def show(title: str, rows: Iterable[tuple[int, str]]) -> None:
    """Print the ten largest."""
    print(f"{title}")
    for number, name in sorted(rows, key=lambda row: (-row[0], row[1]))[:10]:
        print(f"{number:>6}  {name}")
    print()


def main() -> None:
    """Print the tables."""
    files = list(sources())
    functions = [function for file, text in files for function in functions_in(text, file)]
    show("lines of files", [(len(text.splitlines()), file) for file, text in files])
    show("lines of functions, without docstrings", [(each.lines, each.name) for each in functions])
    show("nesting of functions", [(each.nesting, each.name) for each in functions])
    show("parameters of functions", [(each.parameters, each.name) for each in functions])
    found = cycles(import_graph())
    show("modules that import each other", [(len(group), " ↔ ".join(group)) for group in found])


if __name__ == "__main__":
    main()
