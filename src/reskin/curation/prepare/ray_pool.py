"""The tasks of `prepare` on a Ray cluster: the results are those of one process, only sooner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reskin.curation.prepare.process_pool import OfTask, ProcessPool, Workers, num_workers
from reskin.curation.prepare.tasks import crash_result, perform
from reskin.errors import ReskinError, RunError
from reskin.ray_cluster import (
    MOST_RETRIES,
    RayAddress,
    cause_of,
    connected,
    reason_of,
    use_own_threads,
    work_in,
)


def open_pool(sources: Sequence[Path], workers: Workers) -> ProcessPool | RayPool:
    """What does the tasks of these videos, for a `with` block."""
    if isinstance(workers, RayAddress):
        return RayPool(workers)
    return ProcessPool(num_workers(sources, workers))


class RayPool:
    """Processes of a Ray cluster that do tasks, each one at a time; to be used as `ProcessPool`.

    Args:
        address: of the cluster. All its machines see videos and target under the same paths.
    """

    def __init__(self, address: RayAddress) -> None:
        self._address = address
        self._connection: AbstractContextManager[Any] | None = None
        self._ray: Any = None

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            SettingsError: Ray is not installed, or nothing answers at the address.
        """
        self._connection = connected(self._address.text)
        self._ray = self._connection.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.__exit__(kind, error, trace)

    def run(self, tasks: Sequence[dict[str, Any]], progress: OfTask) -> list[dict[str, Any]]:
        """Do tasks, several at once.

        Args:
            tasks: from `reskin.curation.prepare.tasks`.
            progress: called for each task when it is done.

        Returns:
            The results in the order of the tasks. A task whose process died again and again is a bad source.

        Raises:
            StorageError: the disk refuses a write; or another error that concerns all.
            RunError: a machine of the cluster was lost, or had no memory left, again and again.
        """
        perform_there = self._ray.remote(num_cpus=1, max_retries=MOST_RETRIES)(perform_on_ray)
        waiting = {
            perform_there.remote(str(Path.cwd()), json.dumps(task)): number
            for number, task in enumerate(tasks)
        }
        results: dict[int, dict[str, Any]] = {}
        while waiting:
            (ready,), _ = self._ray.wait(list(waiting), num_returns=1)
            number = waiting.pop(ready)
            try:
                results[number], counts = self._ray.get(ready)
                progress(number, *counts)
            except (self._ray.exceptions.RayError, ReskinError) as error:
                if isinstance(cause := cause_of(error), ReskinError):
                    raise cause from None
                if cause is not error:
                    raise  # our own bug, with its trace
                if not isinstance(error, self._ray.exceptions.WorkerCrashedError):
                    raise RunError(reason_of(error), "Run the same command again: it goes on.") from None
                results[number] = crash_result(tasks[number], reason_of(error))
        return [results[number] for number in range(len(tasks))]


def perform_on_ray(folder: str, task: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """Do a task in a process of the cluster.

    Args:
        folder: in which paths that are relative begin.
        task: as JSON.

    Returns:
        Its result, and how much was done of how much.
    """
    work_in(folder)
    use_own_threads()
    counts = 1, 1

    def note(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        nonlocal counts
        counts = done, total or done

    return perform(json.loads(task), note), counts
