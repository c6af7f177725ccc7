"""What is known of methods and commands, and whether settings are right: asked of child processes.

They import torch; the server does not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import reskin
from reskin.errors import ReskinError, RunError
from reskin.holders import holder
from reskin.storage import from_json, read_json
from reskin.version import __version__
from reskin.web.studio.asking import SECONDS, folder_of
from reskin.web.studio.runner import command
from reskin.web.studio.state import StateFolder

AGAIN_SECONDS = 0.2
"""Between two looks whether a process that a former studio had started has its answer."""
IDLE_SECONDS = 120.0
"""How long a process that checks settings is kept without a question."""


class Known:
    """What a command of ours says once for every version of the package, kept in a file.

    The process that asks it outlives a studio that is killed, and the next one waits for its answer: it takes
    seconds of a processor.

    Args:
        path: where it is kept.
        line: the command.
        folder: where it is started.
    """

    def __init__(self, path: Path, line: Sequence[str], folder: Path) -> None:
        self.path, self.line, self.folder = path, list(line), folder
        self._turn = threading.Lock()
        self._known: dict[str, Any] = {}
        self._fault = ""

    @property
    def is_ready(self) -> bool:
        """Whether `all` answers at once, be it with an error."""
        return bool(self._known or self._fault)

    def prepare(self) -> None:
        """Ask now, so that nobody waits later; a fault is kept for `all`."""
        try:
            self.all()
        except ReskinError as error:
            self._fault = str(error)

    def all(self) -> dict[str, dict[str, Any]]:
        """Name to facts.

        Raises:
            RunError: the child process failed.
        """
        with self._turn:
            if not self._known:
                self._known = self.of_interest(self._kept() or self._asked())
            return self._known

    def of_interest(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Those of the facts that are wanted; all."""
        return facts

    def _kept(self) -> dict[str, Any]:
        try:
            found = read_json(self.path)
        except ReskinError:
            return {}
        facts = found.get("facts")
        return facts if found.get("of") == _version() and isinstance(facts, dict) else {}

    def _asked(self) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while holder(folder_of(self.path)) is not None and time.monotonic() < end:
            time.sleep(AGAIN_SECONDS)
        words = [str(self.path), _version(), *self.line]
        asks = [sys.executable, "-P", "-m", "reskin.web.studio.asking", *words]
        return self._kept() or _answer(asks, self.folder, 2 * SECONDS, name=self.line[-1])


class Methods(Known):
    """Facts of every method that is trained, from `reskin methods --json`.

    Args:
        state: the studio's folder.
    """

    def __init__(self, state: StateFolder) -> None:
        super().__init__(state.methods, command(["methods", "--json"]), state.root)

    def of_interest(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Those of methods that are trained."""
        return {name: of for name, of in facts.items() if "pairing" in of}


class Tools(Known):
    """Settings of the commands that the studio has forms for, as `reskin.cli.forms` prints them.

    Args:
        state: the studio's folder.
    """

    def __init__(self, state: StateFolder) -> None:
        super().__init__(state.tools, [sys.executable, "-P", "-m", "reskin.cli.forms"], state.root)


def answer_of(
    words: Sequence[str], folder: Path, seconds: float = SECONDS, *, codes: Container[int] = (0,)
) -> dict[str, Any]:
    """What one of our commands prints as JSON.

    Args:
        words: what is typed after `reskin`.
        folder: where.
        seconds: how long it may take.
        codes: exit codes with which it has printed its answer.

    Raises:
        RunError: it refused, with its own sentence, or took too long.
    """
    return _answer(command(list(words)), folder, seconds, name=words[0], codes=codes)


def _answer(
    line: list[str], folder: Path, seconds: float, *, name: str, codes: Container[int] = (0,)
) -> dict[str, Any]:
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            line,
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"`reskin {name}` took more than {seconds:.0f} s", "Type it in a terminal.") from None
    except OSError as error:  # the folder is gone, or no memory for a process
        raise RunError(
            f"`reskin {name}` cannot be started in {folder}: {error.strerror}", "Is it there?"
        ) from None
    try:
        found = from_json(done.stdout) if done.returncode in codes else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RunError((last[-1] if last else f"`reskin {name}` failed").removeprefix("reskin: "))
    return found


def _version() -> str:
    """The version, and when the sources were changed last: whoever works on them sees it at once."""
    newest = max(path.stat().st_mtime_ns for path in Path(reskin.__file__).parent.rglob("*.py"))
    return f"{__version__} {newest}"


class Checker:
    """A child process that reads settings as the command line does; started when first asked.

    Args:
        folder: where relative names begin.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._asked = 0.0

    def fault(self, words: Sequence[str]) -> str:
        """What the command would say is wrong with these words; "" for nothing.

        Args:
            words: command, method and flags.

        Raises:
            RunError: the process ended.
        """
        with self._turn:
            self._asked = time.monotonic()
            child = self._started()
            assert child.stdin is not None and child.stdout is not None, "both are pipes"
            try:
                child.stdin.write(json.dumps(list(words)).encode() + b"\n")
                child.stdin.flush()
                answer = child.stdout.readline()
            except OSError:
                answer = b""
            if not answer:
                self._end()
                raise RunError("the settings cannot be checked now", "Try again.")
            return str(json.loads(answer)["fault"])

    def rest(self) -> None:
        """End the process if nothing was asked for two minutes."""
        if self._turn.acquire(blocking=False):
            try:
                if self._child is not None and time.monotonic() - self._asked > IDLE_SECONDS:
                    self._end()
            finally:
                self._turn.release()

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "reskin.cli.checking"],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        child.kill()
        child.wait()
