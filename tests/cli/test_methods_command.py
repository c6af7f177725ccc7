"""`reskin methods`: its table, and pages that can be read aloud and typed from."""

from __future__ import annotations

import re

import pytest

from reskin.cli.main import main
from reskin.cli.methods import default_text
from reskin.methods import find, names


def page(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["methods", name]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", names())
def test_a_page_is_prose_and_flags(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No Python shows, and what belongs to a setting stands below it."""
    said = page(name, capsys)
    assert not re.search(r"^(Args|Raises|Returns):|\((default )?(None|True|False|\()", said, re.MULTILINE)
    settings = said.split("\nSettings:\n")[1].splitlines()
    assert all(re.match(r"  --\S|      \S", line) for line in settings)
    assert max(len(line) for line in settings) <= 110
    assert sum(line.startswith("  --") for line in settings) == len(find(name).Config.model_fields)


def test_defaults_are_written_as_they_are_typed() -> None:
    values = (1e10, 2 / 3, 100, "lsgan", ("relu1_1", "relu2_1"), (), None)
    said = ("default 1e+10", "default 0.666667", "default 100", "default lsgan", "default relu1_1 relu2_1")
    assert tuple(default_text("x", value) for value in values) == (*said, "none by default", "none by default")
    assert default_text("has_test_noise", False) == "off by default"
    assert default_text("has_dropout", True) == "on by default; --no-has-dropout turns it off"


def test_the_page_of_gatys_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert "reskin stylize" in page("gatys", capsys)


def test_the_table_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    for name in names():
        assert re.search(rf"^{name} ", said, re.MULTILINE)
