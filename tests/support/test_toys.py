"""The toy is known where a test wants it, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import toys

from reskin import methods

TESTS = Path(__file__).parents[1]


def test_the_toy_is_a_method_inside_of_the_block_alone() -> None:
    before = list(methods.__path__)
    with toys.registered():
        assert "toy" in methods.names()
        with toys.registered():
            pass
        assert "toy" in methods.names()  # the inner block found it there and leaves it
    assert "toy" not in methods.names() and list(methods.__path__) == before


def test_no_fixture_is_of_a_package() -> None:
    """The folders of tests are no packages: such a fixture would last until the end of all tests."""
    assert not list(TESTS.rglob("__init__.py"))
    written = {path.name: path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")}
    assert [name for name, text in written.items() if re.search(r'scope="package["]', text)] == []
