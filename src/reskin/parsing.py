"""Settings from JSON values, keyword arguments and flags, with one-line errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.unknown import unknown_key

S = TypeVar("S", bound=Settings)

FLAGS = "the command line"
"""The source of values that were typed: errors name them as flags."""


@dataclass(frozen=True)
class Spelled:
    """How a field is typed on the command line, where that is not `--its-name VALUE`.

    Attributes:
        flag: another name of the flag, without the dashes.
        position: for a word without a flag, its name in the usage line, such as "RUN".
        alone: value that the flag stands for where no word follows it; such a flag has a --no- form too.
        negated: value of that form.
    """

    flag: str = ""
    position: str = ""
    alone: str = ""
    negated: str = ""


def parse(kind: type[S], values: dict[str, Any], *, source: str | Mapping[str, str] = "settings") -> S:
    """The settings in `values`; keys that are absent take their defaults.

    Args:
        kind: class of the settings.
        values: field name to value, as read from JSON, keyword arguments or the command line; names of
            earlier versions are understood.
        source: where the values come from, named in the error; by field name where that differs.

    Raises:
        SettingsError: an unknown key (with the nearest known one) or a value out of range.
    """
    try:
        return kind.model_validate(with_present_names(kind, values))
    except ValidationError as error:
        raise _one_line(error, kind, source) from None


def parse_flat(kind: type[S], values: Mapping[str, Any], *, source: str = "settings") -> S:
    """As `parse`, where fields of groups inside are given by their own names; `None` counts as not given.

    Raises:
        SettingsError: as `parse`.
    """
    return parse(kind, _nested(kind, values), source=source)


def with_present_names(kind: type[Settings], values: dict[str, Any]) -> dict[str, Any]:
    """`values` with the names that settings have today, where they come from an earlier version."""
    named = {
        key if (new := kind.renamed.get(key, key)) in values else new: value for key, value in values.items()
    }
    for key, former in kind.renamed_values.items():
        if isinstance(value := named.get(key), str | bool):
            named[key] = former.get(value, value)
    for key, info in kind.model_fields.items():
        group = group_of(info)
        if group is not None and isinstance(value := named.get(key), dict):
            named[key] = with_present_names(group, value)
    return named


def spelling(name: str, info: FieldInfo) -> str:
    """A field as it is typed: "--cycle-weight", or "RUN" for a word without a flag."""
    for item in info.metadata:
        if isinstance(item, Spelled) and (item.position or item.flag):
            return item.position or f"--{item.flag}"
    return f"--{name.replace('_', '-')}"


def is_basic(info: FieldInfo) -> bool:
    """Whether the short help shows a field: it is required, or marked with `BASIC`."""
    extra = info.json_schema_extra
    return info.is_required() or (isinstance(extra, dict) and extra.get("basic") is True)


def group_of(info: FieldInfo) -> type[Settings] | None:
    """The class of a field that is a group of settings itself; None for an ordinary field."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Settings) else None


def _nested(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Flat values as `kind` holds them; a name that no group knows stays, for `parse` to refuse."""
    given = {name: value for name, value in values.items() if value is not None}
    inside: dict[str, Any] = {}
    for name, info in kind.model_fields.items():
        if (group := group_of(info)) is not None:
            mine = _all_names(group) & given.keys()
            inside[name] = _nested(group, {key: given.pop(key) for key in mine})
    return given | inside


def _all_names(kind: type[Settings]) -> set[str]:
    groups = [group for info in kind.model_fields.values() if (group := group_of(info)) is not None]
    return set(kind.model_fields).union(*map(_all_names, groups))


def _one_line(
    error: ValidationError, model: type[Settings], source: str | Mapping[str, str]
) -> SettingsError:
    """The first of pydantic's complaints as one line that says what to do about it."""
    first, *others = error.errors()
    names, info = _field_at(first["loc"], model)
    key = ".".join(names)
    where = source if isinstance(source, str) else source.get(names[0] if names else "", "")
    if first["type"] == "extra_forbidden":
        return unknown_key(key, model.model_fields, where or FLAGS)
    complaint = first["msg"].removeprefix("Value error, ")
    for other in others:  # where a number or one of some words is wanted, each is complained about
        if other["type"] == "literal_error" and _field_at(other["loc"], model)[0] == names:
            complaint += f", or {other['ctx']['expected']}"
    if not key or not where:  # the fault lies between several values, one of them a default
        return SettingsError(complaint, "Change one of them.")
    if where == FLAGS and info is not None:
        got = first["input"]
        typed = " ".join(map(str, got)) if isinstance(got, (list, tuple)) else got
        return SettingsError(f"{spelling(names[-1], info)} {typed}: {complaint}")
    return SettingsError(
        f"'{key}' in {where}: {complaint} (got {_short(first['input'])})", "Change this value."
    )


def _short(value: Any) -> str:
    """A value for a message; a file may hold any amount of it."""
    said = repr(value)
    return said if len(said) <= 200 else f"{said[:200]}..."


def _field_at(where: tuple[int | str, ...], model: type[Settings]) -> tuple[list[str], FieldInfo | None]:
    """The names that lead to the field a complaint is about, and the field; groups may lie in groups."""
    names: list[str] = []
    info: FieldInfo | None = None
    kind: type[Settings] | None = model
    for part in where:
        if kind is None:
            break
        names.append(str(part))
        info = kind.model_fields.get(str(part))
        kind = group_of(info) if info is not None else None
    return names, info
