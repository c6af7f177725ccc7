"""The process that holds one job: starts its command, hands signals on, writes down how it ended.

    python -P -m reskin.web.studio.runner JOB

It outlives the server. A job begins once: whoever finds `begun.json` there leaves it alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from reskin.errors import ReskinError, RunError
from reskin.progress import VARIABLE
from reskin.storage import lock, read_json, write_json
from reskin.web.studio.processes import identity

SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]
GRACE_SECONDS = 10.0
"""After the second request to stop, before the command is killed."""
STOPPED = 128 + signal.SIGTERM


def main(words: list[str]) -> int:
    """Hold the job in the folder that was given; 0, also where another process holds it or its lane."""
    folder = Path(words[0])
    try:
        lane = str(read_json(folder / "job.json")["lane"])
        with ExitStack() as held:
            held.enter_context(lock(folder.parents[1] / "lanes" / lane))
            held.enter_context(lock(folder))
            if not (folder / "begun.json").exists() and not (folder / "end.json").exists():
                _hold(folder)
    except RunError:
        return 0
    except ReskinError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


class _Requests:
    """Counts the signals that came; they are handed on outside of the handler, each once."""

    def __init__(self) -> None:
        self.count = 0
        for number in SIGNALS:
            signal.signal(number, self._come)

    def _come(self, number: int, frame: FrameType | None) -> None:
        self.count += 1


def _hold(folder: Path) -> None:
    job, requests = read_json(folder / "job.json"), _Requests()
    begun: dict[str, Any] = {"runner": os.getpid(), "runner_is": identity(os.getpid()), "at": time.time()}
    write_json(folder / "begun.json", begun)
    if (folder / "stop.json").exists():
        _end(folder, STOPPED)
        return
    with open(folder / "out.txt", "wb") as out, open(folder / "log.txt", "wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own command line
            command(list(job["words"])),
            cwd=job["cwd"],
            env=os.environ | surroundings(folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            **_group_of_its_own(),
        )
    begun |= {"child": child.pid, "child_is": identity(child.pid)}
    write_json(folder / "begun.json", begun)
    _wait(child, requests, folder)
    code = child.returncode
    _end(folder, code if code >= 0 else 128 - code)


def _wait(child: subprocess.Popen[bytes], requests: _Requests, folder: Path) -> None:
    """Until the command has ended; what it is asked is handed on to it."""
    sent, last = 0, 0.0
    # Written before we could be signalled, while the command was being started: it counts as one request.
    early = int((folder / "stop.json").exists())
    while child.poll() is None:
        if sent < max(requests.count, early):
            ask_to_stop(child.pid)
            sent, last = sent + 1, time.monotonic()
        elif sent >= 2 and time.monotonic() - last > GRACE_SECONDS:
            child.kill()
        time.sleep(0.1)


def _end(folder: Path, code: int) -> None:
    write_json(folder / "end.json", {"code": code, "at": time.time()})


def command(words: list[str]) -> list[str]:
    """The words that start our command line; what lies in the folder it works in is not imported."""
    return [sys.executable, "-P", "-m", "reskin", *words]


def surroundings(folder: Path) -> dict[str, str]:
    """Environment variables of a job's command."""
    return {VARIABLE: str(folder / "progress.jsonl"), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def _group_of_its_own() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def ask_to_stop(process: int) -> None:
    """Ask a process that leads a group, and all in it, to end in good order."""
    try:
        if sys.platform == "win32":
            os.kill(process, signal.CTRL_BREAK_EVENT)
        else:
            os.killpg(process, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        return  # it has ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
