"""How much of this package a reader of one method may have to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.reach import PACKAGE, code_lines, imported_files, method_files, reach

MOST, OF_CYCLEGAN = 900, 850
"""Lines of code, docstrings and comments left out, of a method and of all that it imports, lazily or not."""


@pytest.mark.sweep
@pytest.mark.parametrize("method", method_files(), ids=lambda path: path.stem)
def test_a_method_is_read_in_one_sitting(method: Path) -> None:
    lines = {file: code_lines(file) for file in reach(method)}
    largest = sorted(lines, key=lambda file: -lines[file])
    counted = "\n".join(f"{lines[file]:>5}  {file.relative_to(PACKAGE)}" for file in largest)
    limit = OF_CYCLEGAN if method.stem == "cyclegan" else MOST
    assert sum(lines.values()) <= limit, f"{sum(lines.values())} lines, {limit} are allowed:\n{counted}"


SOURCE = '''"""Of several
lines."""

# why
x = (  # here
    1,
)


def f():
    """Of one line."""
    return """two
lines"""
'''


def test_what_counts_as_code(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(SOURCE, encoding="utf-8")
    assert code_lines(file) == 3 + 1 + 2


def test_lazy_imports_and_those_for_types_alone_are_followed(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from reskin.types import Batch\n"
        "def f():\n    import reskin.errors\n    from reskin.networks import unet\n"
    )
    found = {path.relative_to(PACKAGE).as_posix() for path in imported_files(file)}
    assert found == {"types.py", "errors.py", "networks/unet.py"}
