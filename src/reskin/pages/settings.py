"""The settings of a run with their meaning, and the commands that go on from it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from reskin.data.batches import DataConfig
from reskin.errors import ReskinError
from reskin.methods import find_trained
from reskin.runs.folder import RunFolder
from reskin.runs.record import RunRecord
from reskin.runs.settings import TrainConfig

_TITLES = {"method": "Method", "data": "Data", "train": "Training"}


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: of the setting.
        value: as text.
        default: as text, None where the value is the default or this is not known.
        meaning: what it does.
    """

    name: str
    value: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Group:
    """Settings of one kind.

    Attributes:
        title: of the group.
        count: how many differ from their defaults, in words.
        settings: all of it.
    """

    title: str
    count: str
    settings: Sequence[Setting]


def setting_groups(run: RunRecord, notes: list[str]) -> list[Group]:
    """Every setting with its meaning, and the default where it differs.

    Args:
        run: whose settings to show.
        notes: what is not known is added here.
    """
    fields, own = _fields(run, notes)
    stated = run.config.get("defaults")
    stated = stated if isinstance(stated, dict) else {}
    groups = []
    for name, values in run.settings.items():
        known = fields.get(name, {})
        recorded = stated.get(name)
        defaults = dict(recorded) if isinstance(recorded, dict) else _defaults(known) | dict(own)
        rows = [_setting(key, value, defaults, known.get(key)) for key, value in values.items()]
        changed = sum(row.default is not None for row in rows)
        count = f"{changed} changed" if changed else "all as by default" if defaults else ""
        groups.append(Group(_TITLES.get(name, name), count, rows))
    return groups


def _fields(run: RunRecord, notes: list[str]) -> tuple[dict[str, Mapping[str, FieldInfo]], Mapping[str, Any]]:
    """The fields of the settings' models by group, and the defaults that the method has of its own."""
    fields: dict[str, Mapping[str, FieldInfo]] = {
        "data": DataConfig.model_fields,
        "train": TrainConfig.model_fields,
    }
    try:
        method = find_trained(run.method)
    except ReskinError as error:
        notes.append(f"the meaning of the method's settings is not shown: {error}")
        return fields, {}
    return fields | {"method": method.Config.model_fields}, method.defaults


def _defaults(fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Defaults as JSON holds them; a required field has none."""
    values = {name: field.default for name, field in fields.items() if not field.is_required()}
    return {
        name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def _setting(name: str, value: Any, defaults: Mapping[str, Any], field: FieldInfo | None) -> Setting:
    differs = name in defaults and defaults[name] != value
    meaning = (field.description or "") if field else ""
    return Setting(name, in_text(value), in_text(defaults[name]) if differs else None, meaning)


def in_text(value: Any) -> str:
    """A value of a setting or table as text.

    >>> in_text(None), in_text(True), in_text([0.1234567, 2])
    ('–', 'yes', '0.123457, 2')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(in_text, value))
    return str(value)


def next_commands(run: RunRecord) -> dict[str, str]:
    """What to type next, by what it does."""
    folder = shlex.quote(str(run.folder))
    config = shlex.quote(str(RunFolder(run.folder).config))
    train = f"reskin train {shlex.quote(run.method)} --config {config} --out {folder}"
    report = {"Write this page again": f"reskin report {folder}"}
    if not run.checkpoints:
        return {"Train": train, **report}
    lines = {
        "Resume the training": train,
        "Translate a video, an image or a folder": f"reskin translate {folder} clip.mp4 clip-translated.mp4",
    }
    a, b = (run.setting("data", domain) for domain in ("a", "b"))
    if a and b:
        domains = f"--a {shlex.quote(str(a))} --b {shlex.quote(str(b))}"
        lines["Measure it"] = f"reskin evaluate {folder} {domains}"
    return lines | report
