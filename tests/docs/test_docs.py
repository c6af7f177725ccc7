"""The documentation names everything there is, and what is built from the code is up to date."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import reskin
from reskin.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PROSE = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """docs/build.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_build"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.sweep
def test_built_pages_are_up_to_date(build: ModuleType) -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in build.pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, "type: make docs"


def test_every_command_and_method_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [command for command in COMMANDS if f"reskin {command}" not in readme]
    assert not [name for name in reskin.methods.names() if name not in readme.lower()]


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PROSE:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


def test_python_of_the_readme_uses_names_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    compile(block, "README.md", "exec")
    used = set(re.findall(r"reskin\.([a-z_]+)", block))
    assert used and all(getattr(reskin, name) for name in used)


def test_every_public_name_leads_to_something_described() -> None:
    assert len(set(reskin.__all__)) == len(reskin.__all__) > 10
    for name in set(reskin.__all__) - {"__version__", "methods"}:
        thing = getattr(reskin, name)
        assert callable(thing) and thing.__module__.startswith("reskin."), name
        assert name in ("train", thing.__name__), name  # `train` is called `train_run` where it is made
        assert (thing.__doc__ or "").split("\n", maxsplit=1)[0].endswith("."), name
    assert reskin.methods.__name__ == "reskin.methods" and re.match(r"\d+\.\d+", reskin.__version__)
    with pytest.raises(AttributeError, match="no attribute 'translate_everything'"):
        reskin.translate_everything  # noqa: B018


def test_nothing_written_names_a_machine() -> None:
    for page in PROSE:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|work|Users)/", text), page
