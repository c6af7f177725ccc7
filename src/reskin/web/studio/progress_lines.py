"""What a command has said in its file of progress lines: the last of each kind."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reskin.errors import ReskinError
from reskin.paths import open_plain
from reskin.storage import from_json

TAIL_BYTES = 64 * 1024
"""The end of the file that is read; a line is far shorter."""


@dataclass
class Progress:
    """What a command said last.

    Attributes:
        stage: name of the stage it is in, "" for none.
        what: what is counted, "" for nothing.
        done, total: how many of how many; None: not known.
        left: seconds that are left; None: not known.
        note: the last note.
        results: paths of what was made.
        code: exit code; None: it has not ended.
        error, fix: what was wrong and what to do.
        at: time of the last line, seconds since 1970; None: there is none.
    """

    stage: str = ""
    what: str = ""
    done: int | None = None
    total: int | None = None
    left: float | None = None
    note: str = ""
    results: list[str] = field(default_factory=list)
    code: int | None = None
    error: str = ""
    fix: str = ""
    at: float | None = None

    def take(self, row: dict[str, Any]) -> None:
        """One line; of a kind that is not known, nothing."""
        at = row.get("t")
        self.at = float(at) if isinstance(at, int | float) else self.at
        kind = row.get("kind")
        if kind == "stage":
            self.stage = str(row.get("name", ""))
        elif kind == "count":
            self.what = str(row.get("what", ""))
            self.done, self.total = _whole(row.get("done")), _whole(row.get("total"))
            left = row.get("left")
            self.left = float(left) if isinstance(left, int | float) else None
        elif kind == "note":
            self.note = str(row.get("text", ""))
        elif kind == "result":
            self.results.append(str(row.get("path", "")))
        elif kind == "end":
            self.code = _whole(row.get("code"))
            error = row.get("error")
            if isinstance(error, dict):
                self.error, self.fix = str(error.get("what", "")), str(error.get("fix", ""))


def read_progress(path: Path) -> Progress:
    """What the file says; nothing where it is not there, damaged lines left out."""
    found = Progress()
    for line in tail(path, TAIL_BYTES)[0].split(b"\n"):
        try:
            row = from_json(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            found.take(row)
    return found


def tail(path: Path, most: int, start: int | None = None) -> tuple[bytes, int]:
    """The end of a plain file, and where it ends.

    Args:
        path: the file; one that is not there is empty.
        most: bytes at most.
        start: where to begin; by default `most` before the end.
    """
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin = max(0, size - most) if start is None or start > size else start
            file.seek(begin)
            content = file.read(most)
            return content, begin + len(content)
    except (OSError, ReskinError):
        return b"", 0


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
