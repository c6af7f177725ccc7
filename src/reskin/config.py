"""Settings: frozen pydantic models whose docstrings are the help. `reskin.parsing` makes them from values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

BASIC: Any = Field(json_schema_extra={"basic": True})
"""In `Annotated[int, BASIC]`: one of the few settings that people turn; `--help` and forms show it first."""


class Settings(BaseModel):
    """Base of every group of settings.

    Frozen; unknown keys are refused; each field is followed by a docstring that becomes its help text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Former name of a setting to its name; files of earlier versions still hold the former ones."""
    renamed_values: ClassVar[Mapping[str, Mapping[str | bool, Any]]] = {}
    """For a setting, former value to value; what was a switch may have more than two values today."""

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return self.model_dump(mode="json")
