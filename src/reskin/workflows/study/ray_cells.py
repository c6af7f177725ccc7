"""The cells of a study as tasks of a Ray cluster, each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reskin.errors import ReskinError
from reskin.exits import InterruptedRunError
from reskin.progress import Report
from reskin.ray_cluster import MOST_RETRIES, connected, reason_of, use_own_threads, work_in
from reskin.workflows.study.cells import Cell, complete, is_complete, note_failure
from reskin.workflows.study.plan import Study


def complete_on_ray(cells: Sequence[Cell], study: Study, data: str, address: str, *, report: Report) -> None:
    """Train and measure the cells as far as they are not known, as many at once as the cluster has room for.

    A cell whose process or machine died goes on elsewhere from its last checkpoint.

    Args:
        cells: of the study.
        study: in a folder that all machines see under the same path, with its data.
        data: digest of its data.
        address: HOST:PORT; "auto" for the cluster of this machine, or a new one of its processors.
        report: called with how many cells are done.

    Raises:
        SettingsError: Ray is not installed, or nothing answers at the address.
        StorageError: the disk refuses the write of a cell.
    """
    todo = [cell for cell in cells if not is_complete(cell, study, data)]
    done = len(cells) - len(todo)
    report(done, len(cells), "cells")
    if not todo:
        return
    with connected(address) as ray:
        has_gpu = bool(ray.cluster_resources().get("GPU"))
        # One that was asked to end saved its training, and is tried again like one that died.
        retries = {"max_retries": MOST_RETRIES, "retry_exceptions": [InterruptedRunError]}
        make = ray.remote(num_cpus=1, **retries)(complete_here)
        waiting: dict[Any, Cell] = {}
        for cell in todo:
            gpus = int(has_gpu and study.settings(cell.row, cell.seed).train.device != "cpu")
            waiting[make.options(num_gpus=gpus).remote(str(Path.cwd()), cell, study, data)] = cell
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            cell = waiting.pop(ready)
            try:
                ray.get(ready)
            except (ray.exceptions.RayError, ReskinError) as error:
                note_failure(cell, study, data, reason_of(error))
            done += 1
            report(done, len(cells), "cells")


def complete_here(folder: str, cell: Cell, study: Study, data: str) -> None:
    """A cell, in a process of the cluster.

    Args:
        folder: in which paths of the study that are relative begin.
        cell: which.
        study: what it belongs to.
        data: digest of its data.

    Raises:
        RunError: this machine does not have the folder.
    """
    work_in(folder)
    use_own_threads()
    complete(cell, study, data)
