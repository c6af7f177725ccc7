"""`reskin methods`: its table, and pages that can be read aloud and typed from."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import torch

from reskin.cli.main import main
from reskin.methods import find, names
from reskin.methods.base import Method


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


@pytest.mark.sweep
def test_counting_weights_draws_none_and_loads_no_compiler() -> None:
    """The studio asks for all methods when it starts: torch's compiler took a third of the time."""
    code = (
        "import sys, json\nfrom reskin.cli.methods import size\n"
        "from reskin.methods import find, trained_names\n"
        "sizes = {name: size(find(name)) for name in trained_names()}\n"
        "print(json.dumps([sizes, 'torch._dynamo' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    sizes, has_compiler = json.loads(done.stdout)
    assert not has_compiler
    with torch.device("meta"):
        for name, count in sizes.items():
            method = find(name)
            assert issubclass(method, Method)
            assert count == sum(parameter.numel() for parameter in method(method.Config()).parameters()), name
