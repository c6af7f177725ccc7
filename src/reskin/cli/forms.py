"""Commands that are filled in as forms elsewhere: their settings as JSON schemas, and what they refuse.

    python -m reskin.cli.forms

prints the schemas as JSON: command to group of settings to setting. A command is read by the same models as
in a terminal, so that a form and the command line cannot differ.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from reskin.cli.options import Option, options_of, parse
from reskin.cli.streams import show_text
from reskin.config import Settings
from reskin.parsing import group_of, is_basic

_AGREED = frozenset({"as_json", "dry_run", "out", "start", "seconds", "overwrite"})
"""Settings that whoever makes the form gives itself."""


@dataclass(frozen=True)
class Form:
    """Where the settings of a command are.

    Attributes:
        module: of the command line.
        kind: name of the class of its settings.
        presets: name of the table in `curation.prepare.presets` that its --preset chooses from, "" for none.
        left_out: settings that a form does not have: groups by the name of their field.
    """

    module: str
    kind: str = "Arguments"
    presets: str = ""
    left_out: frozenset[str] = frozenset()

    def settings(self) -> type[Settings]:
        """The class of the settings."""
        kind: type[Settings] = getattr(importlib.import_module(f"reskin.cli.{self.module}"), self.kind)
        return kind

    def merge(self) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
        """What puts a preset below the values that were typed."""
        if not self.presets:
            return None
        presets = importlib.import_module("reskin.curation.prepare.presets")
        return partial(presets.with_preset, getattr(presets, self.presets))


FORMS: Mapping[str, Form] = {
    "prepare frames": Form("prepare", "FramesArguments", "FRAMES"),
    "prepare clips": Form("prepare", "ClipsArguments"),
    "prepare faces": Form("prepare_faces", presets="FACES"),
    "prepare images": Form("prepare", "ImagesArguments"),
    "screen": Form("screen"),
    "balance": Form("balance"),
    "split": Form("split"),
    "inspect": Form("inspect"),
    "translate": Form("translate", left_out=frozenset({"live", "comparison", "of_faces"})),
}
"""The commands, as they are typed after `reskin`."""


def read(words: list[str]) -> None:
    """Read a command line as the command does, and do nothing.

    Raises:
        SettingsError: what the command would refuse.
        SystemExit: the help was asked for and has been printed.
    """
    if words[0] == "train":
        importlib.import_module("reskin.cli.train").read_arguments(words[1], words[2:])
        return
    name = " ".join(words[:2]) if words[0] == "prepare" else words[0]
    form, rest = FORMS[name], words[len(name.split()) :]
    parse(form.settings(), rest, command=f"reskin {name}", merge=form.merge())


def facts(name: str) -> dict[str, Any]:
    """What a command does and its settings, JSON-ready.

    Args:
        name: one of `FORMS`.

    Returns:
        `about`, its first sentence, and `schema`: heading to {"properties": {setting: schema}}, where a
        schema also has `typed` (the flag) and `basic`.
    """
    form = FORMS[name]
    kind = form.settings()
    about = (inspect.getdoc(kind) or "").split("\n\n")[0]
    schema: dict[str, Any] = {}
    for option in options_of(kind):
        found = _schema(option)
        if option.has_flag and option.name not in _AGREED:
            schema.setdefault(_heading(option, kind, form), {"properties": {}})["properties"][option.name] = (
                found
            )
    schema.pop("", None)
    return {"about": " ".join(about.split()), "schema": schema}


def _heading(option: Option, kind: type[Settings], form: Form) -> str:
    """The name of the field of the group that a setting lies in; "" where the form leaves it out."""
    if not option.is_inside:
        return "own"
    for name, info in kind.model_fields.items():
        group = group_of(info)
        if group is not None and option.name in {each.name for each in options_of(group)}:
            return "" if name in form.left_out else name
    raise AssertionError(option.name)


def _schema(option: Option) -> dict[str, Any]:
    """The JSON schema of a setting, in itself, with its flag."""
    whole = option.group.model_json_schema()
    found = _resolved(whole["properties"][option.name], whole.get("$defs", {}))
    return {**found, "typed": option.typed, "basic": is_basic(option.info)}


def _resolved(value: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema that holds what it refers to."""
    if isinstance(value, list):
        return [_resolved(each, definitions) for each in value]
    if not isinstance(value, dict):
        return value
    if (name := value.get("$ref")) is not None:
        rest = {key: each for key, each in value.items() if key != "$ref"}
        return {**_resolved(definitions[name.rpartition("/")[2]], definitions), **rest}
    return {key: _resolved(each, definitions) for key, each in value.items()}


if __name__ == "__main__":
    show_text(json.dumps({name: facts(name) for name in FORMS}))
