"""What was measured of engines on this machine, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reskin.errors import ReskinError
from reskin.inference.engines.backend import Used
from reskin.inference.engines.measured import Measured
from reskin.storage import read_json, write_json
from reskin.weights import cache_folder

_log = logging.getLogger("reskin")

_not_kept: set[Path] = set()
"""Folders of which this process has said that they cannot be written."""


def recall(facts: dict[str, Any]) -> list[Measured]:
    """What was measured under these facts; nothing where it is damaged or of other facts.

    Args:
        facts: model, size, machine and versions, JSON-ready.
    """
    try:
        kept = read_json(_path(facts))
        return [_row(row) for row in kept["rows"]] if kept.get("facts") == facts else []
    except (ReskinError, OSError, KeyError, TypeError, ValueError):
        return []  # measured again, and written anew


def keep(facts: dict[str, Any], rows: Sequence[Measured]) -> None:
    """Remember what was measured; where the cache cannot be written, that is said and the work goes on."""
    try:
        write_json(_path(facts), {"facts": facts, "rows": [row.facts() for row in rows]})
    except ReskinError as error:
        say_not_kept(error)


def say_not_kept(error: ReskinError) -> None:
    """Log, once for a folder, that the cache cannot be written; the work goes on without it."""
    folder = engine_folder()
    if folder in _not_kept:
        return
    _not_kept.add(folder)
    _log.warning(
        "what was found and made of engines is not kept for later: %s. "
        "Set RESKIN_CACHE to a folder that can be written.",
        error.what,
    )


def say_once(key: str, text: str) -> None:
    """Log a line the first time on this machine; each time where the cache cannot be written."""
    path = engine_folder() / "said.json"
    try:
        said = read_json(path) if path.exists() else {}
    except ReskinError:
        said = {}  # damaged: said again
    if said.get(key):
        return
    _log.info("%s", text)
    try:
        write_json(path, {**said, key: True})
    except ReskinError as error:
        _log.debug("%s", error)


def engine_folder() -> Path:
    """The folder in the user's cache; it need not exist."""
    return cache_folder().parent / "engines"


def _path(facts: dict[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return engine_folder() / f"{digest[:32]}.json"


def _row(row: dict[str, Any]) -> Measured:
    """A row as it was written.

    Raises:
        KeyError, TypeError, ValueError: it was not written by `keep`.
    """
    used = Used.from_facts(row)
    numbers = [float(row[name]) for name in ("seconds", "build_seconds", "difference")]
    if used is None or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(f"no engine and times: {row}")
    return Measured(used, *numbers)
