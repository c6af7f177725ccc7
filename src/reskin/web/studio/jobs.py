"""The queue: jobs in folders, their order, and what state each is in.

A state is read from the job's folder and its processes, never remembered: a server that was killed comes back
to what is so. Jobs of one lane (a device) run one after the other.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reskin.errors import ReskinError, RunError
from reskin.storage import lock, read_json, write_json
from reskin.web.studio.processes import is_same
from reskin.web.studio.progress_lines import Progress, read_progress
from reskin.web.studio.runner import STOPPED, ask_to_stop
from reskin.web.studio.state import StateFolder

State = Literal["waiting", "running", "stopping", "done", "partly", "refused", "stopped", "died", "failed"]
Way = Literal["up", "down", "first"]
UNDERWAY: tuple[State, ...] = ("running", "stopping")
SECONDS_TO_BEGIN = 20.0
"""How long a runner that was started is waited for before another one is started."""


@dataclass(frozen=True)
class Job:
    """One job as its folder says.

    Attributes:
        id: name of its folder.
        kind: train, report and so on.
        title: for people.
        words: what is typed after `reskin`.
        lane: jobs of one lane run one after the other.
        made, began, ended: seconds since 1970; None: not yet.
        state: what it does now.
        code: exit code; None: it has not ended, or nobody knows.
        progress: what the command said last.
        run: id of the run that it works on, "" for none.
        makes: names of files that it writes, relative to the studio's folder.
    """

    id: str
    kind: str
    title: str
    words: tuple[str, ...]
    lane: str
    made: float
    state: State
    began: float | None = None
    ended: float | None = None
    code: int | None = None
    progress: Progress = field(default_factory=Progress)
    run: str = ""
    makes: tuple[str, ...] = ()

    @property
    def results(self) -> list[str]:
        """What it has made, by name; whether it is still there is not said."""
        made = self.makes if self.state in ("done", "partly") else ()
        return list(dict.fromkeys([*made, *self.progress.results]))


@dataclass(frozen=True)
class NewJob:
    """What a job is to do, as it was ordered.

    Attributes:
        kind: train, report and so on.
        title: for people.
        words: what is typed after `reskin`.
        lane: jobs of one lane run one after the other.
        run: id of the run that it works on, "" for none.
        makes: names of files that it writes, relative to the studio's folder.
    """

    kind: str
    title: str
    words: tuple[str, ...]
    lane: str
    run: str = ""
    makes: tuple[str, ...] = ()


class Jobs:
    """The jobs of a studio. One server changes them; their runners outlive it.

    Args:
        state: the studio's folder, made before.
    """

    def __init__(self, state: StateFolder) -> None:
        self.state = state
        self._turn = threading.RLock()
        self._ended: dict[str, Job] = {}
        self._started: dict[str, float] = {}

    def add(self, new: NewJob) -> Job:
        """Put a job at the end of the queue.

        Raises:
            StorageError: the disk refuses.
        """
        with self._turn:
            name = f"{int(time.time() * 1000):013d}-{secrets.token_hex(4)}"
            values: dict[str, Any] = {
                "kind": new.kind,
                "title": new.title,
                "words": list(new.words),
                "lane": new.lane,
            }
            values |= {
                "run": new.run,
                "makes": list(new.makes),
                "cwd": str(self.state.root),
                "made": time.time(),
            }
            folder = self.state.jobs / name
            try:
                folder.mkdir(mode=0o700)
                write_json(folder / "job.json", values)
                self._order([*self.order(), name])
            except (OSError, ReskinError):
                shutil.rmtree(folder, ignore_errors=True)  # what is not whole is no job
                raise
            return self._read(name)

    def all(self) -> list[Job]:
        """Every job: those that run, those that wait in their order, those that ended, the newest first."""
        with self._turn:
            found = self._each()
            order = {name: number for number, name in enumerate(self.order())}
            last = len(order)

            def position(job: Job) -> tuple[int, float, str]:
                if job.state in UNDERWAY:
                    return 0, -(job.began or 0.0), job.id
                if job.state == "waiting":
                    return 1, order.get(job.id, last), job.id
                return 2, -(job.ended or job.began or job.made), job.id

            return sorted(found, key=position)

    def find(self, name: str) -> Job | None:
        """One job; None: there is none of this id."""
        with self._turn:
            known = self._known()
            return self._read(name) if name in known else None

    def folder(self, job: Job) -> Path:
        """Where a job's files are."""
        return self.state.jobs / job.id

    @property
    def is_paused(self) -> bool:
        """Whether nothing new starts."""
        return bool(self._queue().get("paused"))

    def pause(self, is_paused: bool) -> None:
        """Let nothing new start, or go on."""
        with self._turn:
            write_json(self.state.queue, self._queue() | {"paused": is_paused})

    def order(self) -> list[str]:
        """Ids of the jobs in the order in which they were to begin."""
        found = self._queue().get("order")
        return [str(name) for name in found] if isinstance(found, list) else []

    def move(self, job: Job, way: Way) -> None:
        """Change when a job that waits begins."""
        with self._turn:
            waiting = [each.id for each in self.all() if each.state == "waiting"]
            if job.id not in waiting:
                raise RunError(f"{job.title} does not wait any more", "Look at its state.")
            at = waiting.index(job.id)
            to = {"up": max(0, at - 1), "down": min(len(waiting) - 1, at + 1), "first": 0}[way]
            waiting.insert(to, waiting.pop(at))
            self._order(waiting)

    def stop(self, job: Job, *, at_once: bool = False) -> None:
        """Ask a job to end: one that waits is taken out, one that runs saves first.

        Args:
            job: which.
            at_once: for one that was asked before: it ends without saving.
        """
        with self._turn:
            folder = self.folder(job)
            if (folder / "stop.json").exists() and not at_once:
                return
            write_json(folder / "stop.json", {"at": time.time()})
            if job.state == "waiting" and self._remove_unbegun(folder):
                self._order([name for name in self.order() if name != job.id])
                return
            begun = _read(folder / "begun.json")
            for process in ("runner", "child"):  # the runner hands it on; it may have been killed
                if is_same(begun.get(process), begun.get(f"{process}_is")):
                    ask_to_stop(begun[process])
                    return

    def again(self, job: Job) -> Job:
        """The same command as a new job; commands that resume go on from where they were."""
        return self.add(NewJob(job.kind, job.title, job.words, job.lane, job.run, job.makes))

    def remove(self, job: Job) -> None:
        """Take the record of a job that has ended away; what it made stays.

        Raises:
            RunError: it has not ended.
        """
        with self._turn:
            if job.state in ("waiting", *UNDERWAY):
                raise RunError(f"{job.title} has not ended", "Stop it first.")
            shutil.rmtree(self.folder(job), ignore_errors=True)
            self._ended.pop(job.id, None)

    def children(self) -> set[int]:
        """Numbers of the processes that the jobs underway have started."""
        begun = [_read(self.folder(job) / "begun.json") for job in self.all() if job.state in UNDERWAY]
        return {each["child"] for each in begun if isinstance(each.get("child"), int)}

    def start_next(self, held: Container[str] = ()) -> None:
        """Start the first job of each lane in which nothing runs.

        Args:
            held: lanes whose device something else uses.
        """
        with self._turn:
            if self.is_paused:
                return
            jobs = self.all()
            busy = {job.lane for job in jobs if job.state in UNDERWAY}
            for job in jobs:
                if job.state == "waiting" and job.lane not in busy and job.lane not in held:
                    busy.add(job.lane)
                    self._start(job)

    def _start(self, job: Job) -> None:
        if time.monotonic() - self._started.get(job.id, -SECONDS_TO_BEGIN) < SECONDS_TO_BEGIN:
            return
        self._started[job.id] = time.monotonic()
        words = [sys.executable, "-P", "-m", "reskin.web.studio.runner", str(self.folder(job))]
        quiet = subprocess.DEVNULL
        started = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, **_DETACHED)  # noqa: S603 - our own command line
        threading.Thread(target=started.wait, daemon=True).start()  # so that no ended process is left

    def _remove_unbegun(self, folder: Path) -> bool:
        """Remove a job that has not begun; whether that was so. Its runner may be beginning just now."""
        try:
            with lock(folder):
                if (folder / "begun.json").exists():
                    return False
                (folder / "job.json").unlink()
        except ReskinError:
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def _each(self) -> Iterable[Job]:
        for name in self._known():
            with suppress(ReskinError, OSError, KeyError, TypeError, ValueError):
                yield self._read(name)

    def _known(self) -> list[str]:
        with suppress(FileNotFoundError):
            return [
                entry.name for entry in os.scandir(self.state.jobs) if entry.is_dir(follow_symlinks=False)
            ]
        return []

    def _read(self, name: str) -> Job:
        if name in self._ended:
            return self._ended[name]
        folder = self.state.jobs / name
        values, begun = read_json(folder / "job.json"), _read(folder / "begun.json")
        progress = read_progress(folder / "progress.jsonl") if begun else Progress()
        state, code, ended = _state(folder, begun, progress)
        job = Job(
            id=name,
            kind=str(values["kind"]),
            title=str(values["title"]),
            words=tuple(map(str, values["words"])),
            lane=str(values["lane"]),
            made=float(values["made"]),
            state=state,
            began=begun.get("at"),
            ended=ended,
            code=code,
            progress=progress,
            run=str(values.get("run", "")),
            makes=tuple(map(str, values.get("makes", ()))),
        )
        if state not in ("waiting", *UNDERWAY):
            self._ended[name] = job
        return job

    def _queue(self) -> dict[str, Any]:
        return _read(self.state.queue)

    def _order(self, names: Sequence[str]) -> None:
        known = set(self._known())
        write_json(self.state.queue, self._queue() | {"order": [name for name in names if name in known]})


def _state(folder: Path, begun: dict[str, Any], progress: Progress) -> tuple[State, int | None, float | None]:
    """State, exit code and time of the end."""
    if not begun:
        return "waiting", None, None
    # In this order: a runner that ends between the two looks has written its end before.
    is_alive = any(is_same(begun.get(key), begun.get(f"{key}_is")) for key in ("runner", "child"))
    end = _read(folder / "end.json")
    code, at = end.get("code"), end.get("at")
    if code is None and is_alive:
        return ("stopping" if (folder / "stop.json").exists() else "running"), None, None
    if code is None:  # the runner was killed: what the command said last is all that is known
        code, at = progress.code, progress.at or begun.get("at")
    if not isinstance(code, int):
        return "died", None, at
    return _STATES.get(code, "died" if code > 128 else "failed"), code, at


_STATES: dict[int, State] = {0: "done", 2: "refused", 3: "partly", 130: "stopped", STOPPED: "stopped"}
_DETACHED: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if sys.platform == "win32"
    else {"start_new_session": True}
)


def _read(path: Path) -> dict[str, Any]:
    """The object in a file; empty where it is not there or damaged."""
    try:
        return read_json(path)
    except ReskinError:
        return {}
