"""A disk that refuses one of the calls that change it, or on which the process is killed at one."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.toys import environment

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


SERVER = """
import importlib, json, os, sys, traceback
from pathlib import Path
import pytest
from tests.support.disk import Disk
from tests.support.finished_folders import see_drawn_faces
for name in json.loads(sys.argv[2]):
    importlib.import_module(name)
patch = pytest.MonkeyPatch()
see_drawn_faces(patch)
from reskin.cli.main import main
for line in sys.stdin:
    call, words = json.loads(line)
    process = os.fork()
    if process == 0:
        os.dup2(2, 1)
        try:
            Disk(Path(sys.argv[1]), call, kills=True).install(patch)
            code = main(words)
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
IMPORTED = ("torch", "numpy", "av", "cv2", "PIL.Image", "safetensors.torch")
"""Modules that take long to import and start no threads: each process that is killed has them at once."""


class Killer:
    """A process that runs commands in children of its own, each killed at one of the calls of `Disk`.

    Args:
        folder: as for `Disk`.
        said: file for what the commands say.
    """

    def __init__(self, folder: Path, said: Path) -> None:
        self.said = said
        line = [sys.executable, "-c", SERVER, str(folder), json.dumps(IMPORTED)]
        with said.open("wb") as errors:
            self._process = subprocess.Popen(
                line, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    def run(self, call: int, words: Sequence[str]) -> int:
        """The exit code of a command that is killed at this call: minus the number of the signal."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([call, list(words)]).encode() + b"\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline()
        assert code, self.said.read_text()[-1000:]
        return int(code)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
