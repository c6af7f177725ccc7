"""A disk that refuses one of the calls that change it, or on which the process is killed at one."""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)


class Disk:
    """A disk that refuses one of the calls that change what lies below a folder.

    Calls are openings for writing, writes, renames, flushes and new folders; what compiled libraries write by
    themselves is not among them.

    Args:
        folder: the folder.
        refused: number of the call to refuse, from 0; None for none.
        kills: the process is killed at that call, in place of an error.
    """

    def __init__(self, folder: Path, refused: int | None = None, *, kills: bool = False) -> None:
        self.folder, self.refused, self.kills, self.calls = str(folder), refused, kills, 0
        self.lock = threading.Lock()
        self.open = io.open

    def call(self, path: Any) -> None:
        """Count a call, or refuse it."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        if not os.fsdecode(path).startswith(self.folder):
            return
        with self.lock:
            self.calls += 1
            is_refused = self.calls - 1 == self.refused
        if is_refused and self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        if is_refused:
            number = ERRORS[(self.refused or 0) % len(ERRORS)]
            raise OSError(number, os.strerror(number), os.fsdecode(path))

    def opened(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> Any:
        """As `open`; a file that is written to counts every write."""
        if not set(mode) & set("wax+"):
            return self.open(file, mode, buffering, *rest, **more)
        if not isinstance(file, int):  # else it was opened, and counted, before
            self.call(file)
        raw = _Counted(file, mode.replace("b", "").replace("t", ""), disk=self)
        if buffering == 0:
            return raw
        buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffer if "b" in mode else io.TextIOWrapper(buffer, *rest, **more)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Until the patch is undone, in this process."""
        patch.setattr(builtins, "open", self.opened)
        patch.setattr(io, "open", self.opened)
        for name in ("replace", "rename", "fsync", "mkdir"):
            patch.setattr(os, name, self._counting(getattr(os, name)))
        opened = os.open

        def open_file(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                self.call(path)
            return opened(path, flags, *rest, **more)

        patch.setattr(os, "open", open_file)

    def _counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *rest: Any, **more: Any) -> Any:
            self.call(path)
            return function(path, *rest, **more)

        return counted


class _Counted(io.FileIO):
    def __init__(self, file: Any, mode: str, *, disk: Disk) -> None:
        super().__init__(file, mode)
        self._disk = disk

    def write(self, content: Any) -> int:
        self._disk.call(self.fileno())
        return super().write(content)


KILLED = """
import sys
from pathlib import Path
import pytest
from tests.support.disk import Disk
from tests.support.finished_folders import see_drawn_faces
patch = pytest.MonkeyPatch()
see_drawn_faces(patch)
Disk(Path(sys.argv[1]), int(sys.argv[2]), kills=True).install(patch)
from reskin.cli.main import main
raise SystemExit(main(sys.argv[3:]))
"""
"""For `python -c`: the folder, the number of the call at which it is killed, and the words of a command."""
