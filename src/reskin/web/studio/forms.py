"""Forms: fields from the settings' JSON schemas, and the command from what was filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reskin.errors import SettingsError

GROUPS = ("method", "data", "train")
BASIC = (
    *("crop_size", "load_size", "batch", "epochs", "minutes", "steps", "device", "precision", "seed"),
    *("ema",),
)
"""Settings that are shown unfolded, in this order."""
_OWN = ("a", "b")
"""Chosen elsewhere in the form."""
PICKED = {"mask_a": "folder", "mask_b": "folder", "mask": "mask", "style": "pictures"}
"""Settings that are files or folders, and from what they are chosen: datasets, datasets and clips, or
pictures of a dataset. A browser sends no paths, so that others have no field."""
Picked = Callable[[str, str], str]
"""The name of what was chosen, as it is typed: from the kind of a field and an id."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,79}")
DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))}
"""Names that mean a device on Windows."""
MOST_TEXT = 1000


@dataclass(frozen=True)
class Field:
    """One field of the form.

    Attributes:
        name: of the setting.
        kind: whole, number, switch, choice, text, list, or one of those of `PICKED`.
        help: what it does, as the command line says it.
        default: as text; a switch has "yes" or "no"; "" for none.
        choices: of a choice.
        low, high: bounds, inclusive; None: none.
        above, below: bounds that are not reached; None: none.
        group: method, data or train.
        is_basic: shown unfolded.
        typed: the flag, where it is not the name.
    """

    name: str
    kind: str
    help: str
    default: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    group: str = "method"
    is_basic: bool = False
    typed: str = ""

    @property
    def flag(self) -> str:
        """How it is typed."""
        return self.typed or f"--{self.name.replace('_', '-')}"

    @property
    def bounds(self) -> str:
        """The values that it takes, in words; "" where any number or text will do."""
        found = [
            *([f"{self.low:g} or more"] if self.low is not None else []),
            *([f"more than {self.above:g}"] if self.above is not None else []),
            *([f"{self.high:g} or less"] if self.high is not None else []),
            *([f"less than {self.below:g}"] if self.below is not None else []),
        ]
        return ", ".join(found)

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name.replace("_", " ").capitalize()


def fields(facts: Mapping[str, Any], preset: str = "") -> list[Field]:
    """The fields of a method, those that are basic first.

    Args:
        facts: of the method, as `reskin methods --json` prints them.
        preset: whose values are the defaults, "" for the method's own.
    """
    values = defaults(facts, preset)
    found = [
        _field(name, about, group, values.get(name))
        for group in GROUPS
        for name, about in facts["schema"][group]["properties"].items()
        if name not in _OWN and _is_filled_in(name, about)
    ]
    return sorted(found, key=lambda one: BASIC.index(one.name) if one.name in BASIC else len(BASIC))


def tool_fields(facts: Mapping[str, Any]) -> list[Field]:
    """The fields of a command, those that are basic first.

    Args:
        facts: of the command, as `reskin.cli.forms` prints them.
    """
    found = [
        _field(name, about, group, about.get("default"))
        for group, of_group in facts["schema"].items()
        for name, about in of_group["properties"].items()
        if _is_filled_in(name, about)
    ]
    return sorted(found, key=lambda one: not one.is_basic)


def _is_filled_in(name: str, about: Mapping[str, Any]) -> bool:
    return name in PICKED or '"path"' not in json.dumps(about)


def defaults(facts: Mapping[str, Any], preset: str = "") -> dict[str, Any]:
    """Value of every setting before anything is filled in."""
    values = {
        name: about.get("default")
        for group in GROUPS
        for name, about in facts["schema"][group]["properties"].items()
    }
    values |= facts.get("defaults", {})
    return values | (facts["presets"][preset]["settings"] if preset else {})


def _field(name: str, about: Mapping[str, Any], group: str, default: Any) -> Field:
    kinds = [one for one in about.get("anyOf", [about]) if one.get("type") != "null"]
    one = kinds[0] if kinds else {}
    kind = (
        "text"
        if len(kinds) > 1
        else {"integer": "whole", "number": "number", "boolean": "switch", "array": "list"}.get(
            str(one.get("type")), "text"
        )
    )
    choices = tuple(map(str, one.get("enum", ())))
    return Field(
        name=name,
        kind=PICKED.get(name) or ("choice" if choices else kind),
        help=" ".join(str(about.get("description", "")).split()),
        default=in_text(default),
        choices=choices,
        low=one.get("minimum"),
        high=one.get("maximum"),
        above=one.get("exclusiveMinimum"),
        below=one.get("exclusiveMaximum"),
        group=group,
        is_basic=about.get("basic") is True if "typed" in about else name in BASIC,
        typed=str(about.get("typed", "")),
    )


def in_text(value: Any) -> str:
    """A value as a field of the form holds it.

    >>> in_text(0.0002), in_text(None), in_text(True), in_text([1, 2])
    ('0.0002', '', 'yes', '1 2')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(in_text, value))
    return str(value)


def nothing_picked(kind: str, id: str) -> str:
    """Of a form without files or folders.

    Raises:
        SettingsError: always.
    """
    raise SettingsError("what was chosen is not there any more", "Load the page again.")


def setting_words(
    facts: Mapping[str, Any], preset: str, given: Mapping[str, Any], picked: Picked = nothing_picked
) -> list[str]:
    """Flags for what was filled in, where it differs from what the method or preset has anyway.

    Args:
        facts: of the method.
        preset: name of the preset, "" for none.
        given: setting to text, as the browser sent it.
        picked: looks up what was chosen.

    Raises:
        SettingsError: a name that the method does not have, or a value that is no text of one line.
    """
    return flags(fields(facts, preset), given, picked)


def flags(of: Sequence[Field], given: Mapping[str, Any], picked: Picked = nothing_picked) -> list[str]:
    """Flags for what was filled in, where it differs from the default.

    Args:
        of: the fields of the form.
        given: setting to text, as the browser sent it; of files and folders their ids.
        picked: looks up what was chosen.

    Raises:
        SettingsError: a name that the form does not have, or a value that is no text of one line.
    """
    known = {one.name: one for one in of}
    words: list[str] = []
    for name, value in given.items():
        one = known.get(name)
        if one is None or not isinstance(value, str):
            raise SettingsError(f"no setting {name!r}", "Load the page again.")
        if len(value) > MOST_TEXT or not value.isprintable():
            raise SettingsError(f"{one.flag}: this is no text of one line", "Type it again.")
        typed = " ".join(value.split())
        if typed != one.default and one.kind in PICKED.values():
            words += [one.flag, *(picked(one.kind, id) for id in dict.fromkeys(typed.split()))]
        elif typed != one.default:
            words += _typed(one, typed)
    return words


def _typed(one: Field, value: str) -> list[str]:
    if one.kind == "switch":
        if value not in ("yes", "no"):
            raise SettingsError(f"{one.flag}: yes or no", "Choose one.")
        return [one.flag if value == "yes" else f"--no-{one.flag.removeprefix('--')}"]
    if not value:
        raise SettingsError(f"{one.flag} is empty", f"Its default is {one.default}.")
    if one.kind == "list":
        many = value.split()
        if any(word.startswith("-") and not re.fullmatch(r"-?[0-9.]+", word) for word in many):
            raise SettingsError(f"{one.flag}: a value begins with '-'", "Type it again.")
        return [one.flag, *many]
    return [f"{one.flag}={value}"] if value.startswith("-") else [one.flag, value]


def checked_name(text: Any) -> str:
    """A name for a new folder or file.

    Raises:
        SettingsError: it is none.
    """
    fix = "Use letters, digits, spaces, '.', '-' and '_', 80 at most, and begin with a letter or digit."
    if not isinstance(text, str) or not NAME.fullmatch(text) or text != text.strip() or text.endswith("."):
        raise SettingsError("this is no name for a folder", fix)
    if text.partition(".")[0].strip().lower() in DEVICES:
        raise SettingsError(f"{text} is the name of a device on Windows", "Choose another one.")
    return text
