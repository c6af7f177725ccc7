"""Methods, one file each: the file's name is the method's name.

>>> "cyclegan" in names()
True
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

from reskin.errors import SettingsError

if TYPE_CHECKING:
    from reskin.methods.base import Method


def names() -> list[str]:
    """The names of all methods, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def find(name: str) -> type[Method]:
    """The method class in the file `methods/<name>.py`.

    Raises:
        SettingsError: there is no method of this name; the known ones are listed.
    """
    from reskin.methods.base import Method

    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise SettingsError(f"unknown method '{name}'", f"{hint}Known: {', '.join(names())}.")
    module = importlib.import_module(f"reskin.methods.{name}")
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Method) and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"methods/{name}.py must define one Method, it defines {len(found)}")
    return found[0]
