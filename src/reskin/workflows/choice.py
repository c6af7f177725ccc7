"""How `make` chose its method, as a table of the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reskin.storage import read_json

if TYPE_CHECKING:
    from reskin.pages.report import Table

_NAMES = {"reinhard": "Colour transfer", "input": "Input as it is", "target": "B itself"}
_COLUMNS = {
    "distance": "Distance to B",
    "structure": "Structure kept",
    "clipped": "Clipped, %",
    "noise": "Noise, times",
    "haze": "Dark lifted",
    "colours": "Colours kept",
    "new": "New colours, %",
}
"""Columns of the table; the report is as wide as seven short ones."""

_DIGITS = {"distance": 1, "structure": 2, "clipped": 1, "noise": 2, "haze": 0, "colours": 2, "new": 1}


def choice_tables(out: Path) -> list[Table]:
    """What choice.json in the folder of `make` says: the trained methods beside what costs nothing.

    Returns:
        One table; none where nothing has been chosen yet.

    Raises:
        SettingsError: choice.json cannot be read.
    """
    from reskin.pages.report import Table

    path = out / "choice.json"
    if not path.exists():
        return []
    choice = read_json(path)
    measured = choice.get("measured")
    measured = measured if isinstance(measured, dict) else {}
    chosen = choice.get("name", choice.get("method"))
    # Other steps and strengths are in choice.json alone: there are dozens.
    shown = [name for name in measured if " " not in name or name == chosen]
    columns = {
        key: text for key, text in _COLUMNS.items() if any(key in _values(measured, of) for of in shown)
    }
    rows = []
    for name in sorted(shown, key=lambda name: list(_NAMES).index(name) if name in _NAMES else -1):
        mark = " (chosen)" if name == chosen else ""
        values = _values(measured, name)
        rows.append(
            {"On held-out frames": _title(name) + mark}
            | {text: _in_text(values.get(key), _DIGITS[key]) for key, text in columns.items()}
        )
    return [Table("Choice of the method", rows, str(choice.get("why", "")))] if rows else []


def _values(measured: dict[str, Any], name: str) -> dict[str, Any]:
    """What was measured of a candidate; nothing where the file holds something else."""
    values = measured[name]
    return values if isinstance(values, dict) else {}


def _in_text(value: Any, digits: int) -> Any:
    return f"{value:.{digits}f}" if isinstance(value, (int, float)) else value


def _title(name: str) -> str:
    """A candidate in words; its name begins with that of a method."""
    from reskin.methods import find

    method, _, rest = name.partition(" ")
    return " ".join(filter(None, [_NAMES.get(method) or find(method).title, rest]))
