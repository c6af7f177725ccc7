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
from typing import Any, Self

from reskin import errors
from reskin.curation.prepare.tasks import crash_result, perform
from reskin.errors import ReskinError

SMALL_BYTES = 8_000_000
"""Sources of less than this together are done here: they are finished before another process has started."""

Progress = Callable[[int, int, int], None]
"""Told the number of a task, and how many of how many of it are done."""

_CRASHED = "its reader crashed (signal {number}): the file is damaged or hostile"


def num_workers(sources: Sequence[Path], asked: int | None) -> int:
    """How many processes to use: as asked, else one for each source while there are cores."""
    if asked is None and sum(source.stat().st_size for source in sources) < SMALL_BYTES:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(asked or cores, len(sources)))


class Crew:
    """Processes that do tasks, each one at a time; with one worker this process does them itself.

    Processes are started when they are first needed and stay until the `with` block ends.

    Args:
        workers: how many; 1 for none but this one.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers if sys.executable else 1
        self._told = threading.Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._has_ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._told:
            self._has_ended = True
            for process in self._processes:
                if kind is not None and process.poll() is None:
                    process.kill()
        for process in self._processes:
            _stop(process)

    def run(self, tasks: Sequence[dict[str, Any]], progress: Progress) -> list[dict[str, Any]]:
        """Do tasks, several at once.

        Args:
            tasks: from `reskin.curation.prepare.tasks`.
            progress: told about each task, never from two threads at once.

        Returns:
            The results in the order of the tasks.

        Raises:
            StorageError: the disk refuses a write; or another error that concerns all.
        """
        if self.workers < 2 or len(tasks) < 2:
            return [perform(task, partial(progress, number)) for number, task in enumerate(tasks)]
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(tasks)):
            waiting.put(number)
        results: dict[int, dict[str, Any]] = {}

        def serve(place: int) -> None:
            with suppress(queue.Empty):
                while not self._has_ended:
                    number = waiting.get_nowait()
                    process = self._process(place)
                    results[number] = self._answer(process, tasks[number], partial(progress, number))

        with ThreadPoolExecutor(self.workers, thread_name_prefix="crew") as pool:
            served = [pool.submit(serve, place) for place in range(min(self.workers, len(tasks)))]
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

    def _process(self, place: int) -> subprocess.Popen[str]:
        """The process of this place, started anew where it has died."""
        with self._told:
            while len(self._processes) <= place:
                self._processes.append(_started())
            if self._processes[place].poll() is not None and not self._has_ended:
                _stop(self._processes[place])
                self._processes[place] = _started()
            return self._processes[place]

    def _answer(
        self, process: subprocess.Popen[str], task: dict[str, Any], progress: Callable[[int, int], None]
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
            with self._told:
                progress(message["done"], message["total"])
        code = process.wait()
        if code >= 0 and not self._has_ended:
            raise RuntimeError(f"a process that reads videos could not be run (exit code {code})")
        return crash_result(task, _CRASHED.format(number=-code))


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
