"""Methods, one file each: the file's name is the method's name.

>>> "cyclegan" in names()
True
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from reskin.errors import SettingsError
from reskin.unknown import unknown

if TYPE_CHECKING:
    from reskin.methods.base import Method
    from reskin.methods.translator import Translator


SHARED = (
    "autoencoding",
    "base",
    "contrastive",
    "cycle",
    "description",
    "masked",
    "searching",
    "styled",
    "translator",
)
"""Modules that methods are made of and that are none themselves."""


def names() -> list[str]:
    """The names of all methods, in alphabetical order."""
    return list(_names_in(tuple(__path__)))


@cache
def _names_in(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Each setting of each command asks, and the files of a package stay what they are."""
    found = (module.name for module in pkgutil.iter_modules(folders))
    return tuple(sorted(name for name in found if name not in SHARED))


def trained_names() -> list[str]:
    """The names of the methods that learn from two piles of pictures; the others need no training."""
    from reskin.methods.base import Method

    return [name for name in names() if issubclass(find(name), Method)]


def find(name: str) -> type[Translator]:
    """The one class in the file `methods/<name>.py` that translates.

    Raises:
        SettingsError: there is no method of this name; the known ones are listed.
    """
    from reskin.methods.translator import Translator

    if name not in names():
        raise unknown("method", name, names())
    module = importlib.import_module(f"reskin.methods.{name}")
    found = [
        member
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, Translator)
        and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"methods/{name}.py must define one Translator, it defines {len(found)}")
    return found[0]


def find_trained(name: str) -> type[Method]:
    """As `find`, for a method that learns.

    Raises:
        SettingsError: there is no method of this name, or it needs no training.
    """
    from reskin.methods.base import Method

    if name not in names():
        raise unknown("method", name, trained_names())
    method = find(name)
    if not issubclass(method, Method):
        raise SettingsError(f"{name} needs no training", f"How it is used: reskin methods {name}.")
    return method
