"""Converted models in the user's cache folder, so that a model is converted once.

A graph holds for pictures of every size and for every precision: it is kept by the model with its direction
and styles, and by the engine and all versions that made it. The parts of an entry lie in an uncompressed zip
file, whose checksums say whether it is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import torch

from reskin.errors import ReskinError
from reskin.inference.engines.remembered import engine_folder, say_not_kept
from reskin.storage import commit
from reskin.version import __version__

MOST_BYTES = 2 * 10**9
"""The entries together; those that were not used for longest go first."""

_FACTS = "facts.json"
_ENDING = ".model"
_log = logging.getLogger("reskin")


def converted(
    key: str, engine: str, version: str, make: Callable[[], Mapping[str, bytes]]
) -> Mapping[str, bytes]:
    """The parts of a converted model by name, from the cache or made now and then kept there.

    Args:
        key: digest of the model, its direction and its styles; "" keeps nothing.
        engine: what reads them.
        version: of its package.
        make: converts the model.

    Raises:
        NotExportableError: `make` does.
    """
    if not key:
        return make()
    facts = {"model": key, "engine": engine, "version": version}
    facts |= {"torch": str(torch.__version__), "reskin": __version__}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    path = engine_folder() / f"{digest[:32]}{_ENDING}"
    kept = _read(path, facts)
    if kept is not None:
        return kept
    parts = make()
    _write(path, facts, parts)
    return parts


def _read(path: Path, facts: dict[str, str]) -> dict[str, bytes] | None:
    """The parts of an entry; None where there is none, or it is damaged or of other facts."""
    try:
        with zipfile.ZipFile(path) as file:
            parts = {name: file.read(name) for name in file.namelist()}
        is_ours = json.loads(parts.pop(_FACTS)) == facts
    except (
        OSError,
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        _log.debug("%s: %s", path, error)
        return None  # made again, and written anew
    with suppress(OSError):  # a cache that can only be read
        os.utime(path)
    return parts if is_ours else None


def _write(path: Path, facts: dict[str, str], parts: Mapping[str, bytes]) -> None:
    try:
        with commit(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
            file.writestr(_FACTS, json.dumps(facts))
            for name, content in parts.items():
                file.writestr(name, content)
        _make_room(path)
    except ReskinError as error:
        say_not_kept(error)


def _make_room(newest: Path) -> None:
    """Remove entries that were not used for longest until the others are small enough together."""
    entries = []
    for path in newest.parent.glob(f"*{_ENDING}"):
        with suppress(OSError):  # removed by another process
            status = path.stat()
            entries.append((path != newest, -status.st_mtime, status.st_size, path))
    total = 0
    for _, _, size, path in sorted(entries):
        total += size
        if total > MOST_BYTES and path != newest:
            with suppress(OSError):
                path.unlink()
