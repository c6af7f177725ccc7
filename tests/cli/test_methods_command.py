"""`reskin methods`: its table, and pages that can be read aloud and typed from."""

from __future__ import annotations

import re

import pytest

from reskin.cli.main import main
from reskin.methods import find, names


def page(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["methods", name]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", names())
@pytest.mark.thinned(10)
def test_a_page_is_prose_and_flags(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No Python shows, and what explains a setting stands below it."""
    said = page(name, capsys)
    assert not re.search(r"^(Args|Raises|Returns|Attributes):|\(default (None|\()", said, re.MULTILINE)
    settings = said.split("\nSettings:\n")[1].splitlines()
    assert all(re.match(r"  --\S|      \S", line) for line in settings)
    assert sum(line.startswith("  --") for line in settings) == len(find(name).Config.model_fields)


def test_the_page_of_gatys_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert "reskin stylize photo.jpg --style" in page("gatys", capsys)


def test_the_table_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    for name in names():
        assert re.search(rf"^{name} ", said, re.MULTILINE)
