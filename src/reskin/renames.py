"""Who wants to know of a file when it is whole and about to take its name.

A process that is killed right behind that moment cannot say what it has done; what was noted before it can.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Note = Callable[[os.stat_result], None]
"""Called with the size and times of the whole file, which its renaming does not change."""

_notes: list[tuple[str, Note]] = []


@contextmanager
def noted(path: Path, note: Note) -> Iterator[None]:
    """Have `note` called before a file that `storage.commit` has written is renamed to `path`."""
    entry = (os.path.abspath(path), note)
    _notes.append(entry)
    try:
        yield
    finally:
        _notes.remove(entry)


def tell(path: Path, whole: Path) -> None:
    """Call what is to be called before the file `whole` is renamed to `path`."""
    name = os.path.abspath(path) if _notes else ""
    for noted_name, note in list(_notes):
        if noted_name == name:
            note(os.stat(whole))


def stamp(status: os.stat_result) -> list[int]:
    """What says later that a file is still this one: its bytes and when it was last changed."""
    return [status.st_size, status.st_mtime_ns]
