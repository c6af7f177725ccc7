"""Settings are checked in one place and say in one line what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, ValidationError

from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.parsing import parse
from reskin.storage import read_json, write_json


class Example(Settings):
    """Settings to try."""

    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of the cycle."""
    kind: Literal["one", "two"] = "one"
    """Which kind."""
    folder: Path = Path("a")
    """Where."""


def test_absent_keys_take_their_defaults_and_json_brings_them_back() -> None:
    example = parse(Example, {"kind": "two"})
    assert (example.cycle_weight, example.kind) == (10.0, "two")
    assert example.to_dict() == {"cycle_weight": 10.0, "kind": "two", "folder": "a"}
    assert parse(Example, example.to_dict()) == example
    assert Example.model_fields["kind"].description == "Which kind."


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Example().cycle_weight = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"cycle_wieght": 3}, "unknown key 'cycle_wieght' in my.json. Did you mean 'cycle_weight'?"),
        ({"zzz": 3}, "unknown key 'zzz' in my.json. Known: cycle_weight, folder, kind."),
        (
            {"cycle_weight": -1},
            "'cycle_weight' in my.json: Input should be greater than or equal to 0 (got -1)."
            " Change this value.",
        ),
        (
            {"cycle_weight": "much"},
            "'cycle_weight' in my.json: Input should be a valid number, unable to parse string as a number"
            " (got 'much'). Change this value.",
        ),
        (
            {"kind": "three"},
            "'kind' in my.json: Input should be 'one' or 'two' (got 'three'). Change this value.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(values: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(Example, values, source="my.json")
    assert str(error.value) == line


def test_json_comes_back(tmp_path: Path) -> None:
    values = {"name": "Zürich", "deep": {"list": [1, 2.5, None]}}
    write_json(tmp_path / "deep" / "file.json", values)
    assert read_json(tmp_path / "deep" / "file.json") == values
    assert "Zürich" in (tmp_path / "deep" / "file.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json", b"\xff\xfe\x00", b"[1, 2]", b"3", b"null", b"[" * 100_000, b'{"a": 1} {"b": 2}'],
    ids=lambda content: content[:8].decode("latin-1"),
)
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(SettingsError) as error:
        read_json(tmp_path / "file.json")
    assert str(tmp_path / "file.json") in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no file"):
        read_json(tmp_path / "file.json")
    with pytest.raises(SettingsError, match="no plain file"):
        read_json(tmp_path)


class Renamed(Settings):
    """Settings whose names and values once were others."""

    renamed = {"halvings": "downsamplings"}
    renamed_values = {"schedule": {"halving": "step"}}

    downsamplings: int = 8
    """A number."""
    schedule: str = "linear"
    """A word."""


def test_former_names_and_values_are_understood() -> None:
    assert parse(Renamed, {"halvings": 7, "schedule": "halving"}) == Renamed(downsamplings=7, schedule="step")
    assert parse(Renamed, {"schedule": "constant"}).schedule == "constant"


def test_a_setting_under_both_of_its_names_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown key 'halvings'"):
        parse(Renamed, {"halvings": 7, "downsamplings": 8})
