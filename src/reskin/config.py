"""Settings: frozen pydantic models, to and from JSON, with one-line errors."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from reskin.errors import SettingsError
from reskin.storage import commit


class Settings(BaseModel):
    """Base of every group of settings.

    Frozen; unknown keys are refused; each field is followed by a docstring that becomes its help text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def parse(cls, values: dict[str, Any], *, source: str = "settings") -> Self:
        """The settings in `values`; keys that are absent take their defaults.

        Args:
            values: field name to value, as read from JSON or keyword arguments.
            source: where the values come from, named in the error.

        Raises:
            SettingsError: an unknown key (with the nearest known one) or a value out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(*_one_line(error, list(cls.model_fields), source)) from None

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return self.model_dump(mode="json")


def _one_line(error: ValidationError, known: list[str], source: str) -> tuple[str, str]:
    """What is wrong in the first of pydantic's complaints, and what to do about it."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, known, n=1)
        fix = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(sorted(known))}."
        return f"unknown key '{key}' in {source}", fix
    got = f" (got {first['input']!r})" if key else ""
    return f"'{key}' in {source}: {first['msg'].removeprefix('Value error, ')}{got}", "Change this value."


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        SettingsError: the file is missing, not JSON, or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"no file {path}", "Check the name.") from None
    except (ValueError, OSError, RecursionError) as error:
        raise SettingsError(
            f"{path} is not readable JSON ({error})", "Correct or replace the file."
        ) from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no JSON object", 'It must look like {"key": value, ...}.')
    return values


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values` to `path` as indented JSON, whole or not at all.

    Raises:
        StorageError: the disk refuses the write.
    """
    with commit(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
