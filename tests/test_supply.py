"""What is installed: locked with hashes, and free of releases that are known to be unsafe."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from reskin.cli import doctor

ROOT = Path(__file__).parents[1]
NOT_LOCKED = {"torch"}
"""Its builds differ by machine, and so do their hashes."""


def name_of(requirement: str) -> str:
    """The package of a requirement, as the index spells it."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    """Package to its whole entry in the lock."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements.lock").read_text(encoding="utf-8"), flags=re.M)
    entries = re.split(r"\n(?=[a-z])", text.strip())
    found: dict[str, str] = {}
    for entry in entries:
        found[name_of(entry)] = found.get(name_of(entry), "") + entry
    return found


def test_all_that_is_needed_is_locked(locked: dict[str, str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    wanted += project["build-system"]["requires"]
    assert {name_of(each) for each in wanted} - NOT_LOCKED <= locked.keys(), "type: make lock"


def test_every_entry_has_hashes(locked: dict[str, str]) -> None:
    assert len(locked) > 30
    assert not [name for name, entry in locked.items() if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)]


def test_the_lock_holds_the_versions_that_checks_were_run_with(locked: dict[str, str]) -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and name_of(line) not in NOT_LOCKED:
            assert f"{line} " in locked[name_of(line)], "type: make lock"


def test_torch_is_one_that_reads_files_safely() -> None:
    (torch,) = [line for line in (ROOT / "pyproject.toml").read_text().splitlines() if '"torch>=' in line]
    major, minor = re.findall(r"\d+", torch)[:2]
    assert (int(major), int(minor)) >= doctor.MENDED_TORCH


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ((3, 11, 7), "WARN"),
        ((3, 11, 9), "WARN"),
        ((3, 11, 10), "OK"),
        ((3, 12, 5), "WARN"),
        ((3, 12, 6), "OK"),
        ((3, 13, 0), "OK"),
        ((3, 14, 2), "OK"),
    ],
)
def test_the_doctor_looks_at_the_patch_level(version: tuple[int, int, int], state: str) -> None:
    finding = doctor.python(version)
    assert finding.state == state and (state == "OK") == (not finding.fix)


def test_the_doctor_needs_no_package_that_only_tests_need(monkeypatch: pytest.MonkeyPatch) -> None:
    known = doctor.importlib.metadata.version

    def version(name: str) -> str:
        if name in ("torchmetrics", "pytest", "mypy"):
            raise doctor.importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    assert doctor.versions().state == "OK"
