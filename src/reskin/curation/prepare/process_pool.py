"""Several processes, one source each: the results are those of one process, only sooner.

A process is a wall as well: where a decoder crashes on a hostile file, that source is lost and no other.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Self

from reskin import errors
from reskin.curation.prepare.tasks import crash_result, perform
from reskin.errors import ReskinError, StorageError
from reskin.progress import Report
from reskin.ray_cluster import RayAddress
from reskin.threads import num_cores

IN_THIS_PROCESS = 0
"""Number of workers that means: no process but this one."""

Workers = int | RayAddress | None
"""How many processes, or the cluster that has them; None for one for each source while there are cores."""

OfTask = Callable[Concatenate[int, ...], None]
"""Called with the number of a task, and then as a `Report` of what is done of it."""

_CRASHED = "its reader crashed (signal {number}): the file is damaged or hostile"

_BY_THE_SYSTEM = (9, 15)
"""Signals that say nothing of the file: the system or a person ended the process."""


def num_workers(sources: Sequence[Path], asked: int | None) -> int:
    """How many processes to use: as asked, else one for each source while there are cores.

    A single source is done in this process: if it crashes the reader, there is nothing else to save. Of
    several, each is done in another process, however small they are: hostile files are small.
    """
    if len(sources) < 2 and asked is None:
        return IN_THIS_PROCESS
    return max(1, min(num_cores(), len(sources))) if asked is None else max(0, min(asked, len(sources)))


class ProcessPool:
    """Processes that do tasks, each one at a time.

    Processes are started when they are first needed and stay until the `with` block ends.

    Args:
        workers: how many; `IN_THIS_PROCESS` for none but this one.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers if sys.executable else IN_THIS_PROCESS
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._has_ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._has_ended = True
            for process in self._processes:
                if kind is not None and process.poll() is None:
                    process.kill()
        for process in self._processes:
            _stop(process)

    def run(self, tasks: Sequence[dict[str, Any]], progress: OfTask) -> list[dict[str, Any]]:
        """Do tasks, several at once.

        Args:
            tasks: from `reskin.curation.prepare.tasks`.
            progress: called for each task, never from two threads at once.

        Returns:
            The results in the order of the tasks.

        Raises:
            StorageError: the disk refuses a write; or another error that concerns all.
        """
        if self.workers == IN_THIS_PROCESS:
            return [perform(task, partial(progress, number)) for number, task in enumerate(tasks)]
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(tasks)):
            waiting.put(number)
        results: dict[int, dict[str, Any]] = {}

        def serve(slot: int) -> None:
            with suppress(queue.Empty):
                while not self._has_ended:
                    number = waiting.get_nowait()
                    process = self._process(slot)
                    results[number] = self._answer(process, tasks[number], partial(progress, number))

        with ThreadPoolExecutor(self.workers, thread_name_prefix="process") as pool:
            served = [pool.submit(serve, slot) for slot in range(min(self.workers, len(tasks)))]
            try:
                self._wait(served)
            except BaseException as error:
                self.__exit__(type(error), error, None)  # else the threads would wait for their answers
                raise
        return [results[number] for number in range(len(tasks))]

    @staticmethod
    def _wait(served: list[Future[None]]) -> None:
        """Wait for all; the first that fails ends the waiting, for what concerns one concerns all."""
        left = set(served)
        while left:
            # In steps, so that Ctrl-C is heard on every system.
            done, left = wait(left, timeout=0.2, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()

    def _process(self, slot: int) -> subprocess.Popen[str]:
        """The process with this number, started anew where it has died."""
        with self._lock:
            while len(self._processes) <= slot:
                self._processes.append(_started())
            if self._processes[slot].poll() is not None and not self._has_ended:
                _stop(self._processes[slot])
                self._processes[slot] = _started()
            return self._processes[slot]

    def _answer(
        self, process: subprocess.Popen[str], task: dict[str, Any], progress: Report
    ) -> dict[str, Any]:
        assert process.stdin and process.stdout
        with suppress(BrokenPipeError):  # it has died already; the end of its answers says so below
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            message = json.loads(line)
            if "result" in message:
                return dict(message["result"])
            if "error" in message:
                raise _error_of(message)
            if "trace" in message:
                raise RuntimeError(f"a process that read a video has failed:\n{message['trace']}")
            with self._lock:
                progress(message["done"], message["total"])
        code = process.wait()
        if code >= 0 and not self._has_ended:
            raise RuntimeError(f"a process that reads videos could not be run (exit code {code})")
        if -code in _BY_THE_SYSTEM and not self._has_ended:
            raise StorageError(
                f"the process that read {_video_of(task)} was killed by the system (signal {-code}), most"
                " likely for want of memory",
                "Run the same command again: it goes on. --workers 1 takes the least memory.",
            )
        return crash_result(task, _CRASHED.format(number=-code))


class TotalProgress:
    """The progress of several tasks together.

    Args:
        report: called with what is done and to do of all tasks.
        what: what is counted.
        weights: the size of each task: how much it has to do, or (not `is_exact`) something in proportion,
            from which the whole is estimated.
        is_exact: see `weights`.
    """

    def __init__(
        self, report: Report | None, what: str, weights: Sequence[int], *, is_exact: bool = False
    ) -> None:
        self._report, self._what, self._weights, self._is_exact = report, what, weights, is_exact
        self._done: dict[int, int] = {}
        self._totals: dict[int, int] = {}
        self._last: tuple[int, int] | None = None

    def update(self, task: int, done: int, total: int) -> None:
        """`done` of `total` of a task are done."""
        if self._report is None:
            return
        self._done[task], self._totals[task] = done, total
        whole = sum(self._weights)
        if not self._is_exact:
            known = sum(self._weights[number] for number in self._totals)
            whole = round(sum(self._totals.values()) * whole / known)
        now = (sum(self._done.values()), whole)
        if now != self._last:
            self._last = now
            self._report(*now, self._what)


def _video_of(task: dict[str, Any]) -> str:
    inner = [task, *(value for value in task.values() if isinstance(value, dict))]
    return str(next((values["video"] for values in inner if "video" in values), "a video"))


def _started() -> subprocess.Popen[str]:
    root = str(Path(errors.__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "reskin.curation.prepare.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        text=True,
        encoding="utf-8",
    )


def _error_of(message: dict[str, Any]) -> ReskinError:
    kind = getattr(errors, str(message["error"]), ReskinError)
    error: ReskinError = kind(message["what"], message["fix"])
    return error


def _stop(process: subprocess.Popen[str]) -> None:
    """Close the pipes of a process, which ends it, and wait for that."""
    assert process.stdin and process.stdout
    with suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    process.wait()
