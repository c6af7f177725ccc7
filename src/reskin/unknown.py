"""Errors for a name that is not known, with the nearest of those that are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from reskin.errors import SettingsError


def unknown(kind: str, name: str, known: Iterable[str], *, what: str = "", fix: str = "") -> SettingsError:
    """The error for a name that is not known, with the nearest of those that are.

    Args:
        kind: what the name should have been, such as "method".
        name: what was given.
        known: all names of this kind.
        what: what is wrong, instead of "unknown kind 'name'".
        fix: what to type next, instead of the list of known names.

    >>> str(unknown("method", "cyclgan", ["cut", "cyclegan"]))
    "unknown method 'cyclgan'. Did you mean 'cyclegan'? Known: cut, cyclegan."
    >>> str(unknown("key", "btach", ["batch"], what="unknown key 'btach' in my.json", fix="See the manual."))
    "unknown key 'btach' in my.json. Did you mean 'batch'? See the manual."
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    rest = fix or (f"Known: {', '.join(names)}." if names else "None is known.")
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return SettingsError(what or f"unknown {kind} '{name}'", f"{hint}{rest}")


def unknown_key(key: str, known: Iterable[str], source: str, *, elsewhere: str = "") -> SettingsError:
    """The error for a setting that is not known: who has it, the nearest of those that are, or all of them.

    Args:
        key: its name.
        known: all names that may be given.
        source: where it was given.
        elsewhere: a sentence on where there is a setting of this name.

    >>> str(unknown_key("btach", ["batch", "seed"], "my.json"))
    "unknown key 'btach' in my.json. Did you mean 'batch'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    nearest = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names)}."
    return SettingsError(f"unknown key '{key}' in {source}", elsewhere or nearest)
