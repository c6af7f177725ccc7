"""Settings: frozen pydantic models, to and from JSON values, with one-line errors."""

from __future__ import annotations

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from reskin.errors import SettingsError


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
