"""A folder of films on a Ray cluster (https://docs.ray.io): each film is a task of Ray's.

Ray starts a task again where its process or machine died, and `translate_video` then goes on behind the last
whole segment of the film, which lies beside its target. So source and target must lie on a disk that all
machines see, and frames are those of one process.
"""

from __future__ import annotations

import functools
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskin.errors import RunError, SettingsError
from reskin.progress import Report
from reskin.storage import watched
from reskin.translation.films import FilmWork, film_jobs, make_film
from reskin.translation.folders import FolderResult, still_to_do
from reskin.translation.record import Job, Record
from reskin.translation.targets import check_folders

ANSWER_SECONDS = 10
"""An address that does not answer for so long is refused."""

MOST_RETRIES = 20
"""A film whose process died more often than this is left out: most likely it is the film that does it."""


@dataclass(frozen=True)
class Cluster:
    """A cluster, and where its machines find the model.

    Attributes:
        address: HOST:PORT; "auto" for the cluster of this machine, or a new one of its processors.
        run: the run folder.
        step: checkpoint; None for the last.
        predictor_share: see `reskin.methods.recycle_gan`; None for the run's own.
    """

    address: str
    run: Path
    step: int | None = None
    predictor_share: float | None = None


def translate_films_on_ray(
    work: FilmWork,
    cluster: Cluster,
    source: Path,
    out: Path,
    *,
    report: Report,
    overwrite: bool = False,
) -> FolderResult:
    """Translate every film of a folder on a Ray cluster; stopped and run again, it goes on.

    Args:
        work: model, direction and how films are treated.
        cluster: which, and where the same model lies for its machines.
        source: folder of films, on a disk that all machines see.
        out: folder to write to, on such a disk.
        report: called with the number of films that are done.
        overwrite: replace files in `out` that no earlier run made.

    Raises:
        SettingsError: Ray is not installed, nothing answers at the address, or as `translate_films`.
        DataError, StorageError: as `translate_films`.
    """
    check_folders(source, out)
    jobs = film_jobs(source, out)
    record = Record(out)
    record.made_by = work.made_by()
    todo = still_to_do(jobs, record, overwrite=overwrite)
    started = time.monotonic()
    left_out: list[tuple[Path, str]] = []
    done = len(jobs) - len(todo)
    report(done, len(jobs), what="films")
    if todo:
        record.expect(todo)
        with connected(cluster.address) as ray, watched(out):
            for job, reason in _made(ray, work, cluster, todo, record):
                left_out += [(job.path, reason)] if reason else []
                done += 1
                report(done, len(jobs), what="films")
    translated = len(todo) - len(left_out)
    return FolderResult(translated, len(jobs) - len(todo), left_out, time.monotonic() - started)


def _made(
    ray: Any, work: FilmWork, cluster: Cluster, todo: list[Job], record: Record
) -> Iterator[tuple[Job, str]]:
    """The films in the order in which they are done and noted, each with why it is not whole."""
    is_gpu = work.compute is not None and work.compute.device.type == "cuda"
    # A film that a process of another machine still writes is tried again like one whose process died.
    settings = {"max_retries": MOST_RETRIES, "retry_exceptions": [RunError]}
    task = ray.remote(num_cpus=1, num_gpus=int(is_gpu), **settings)(make_on_ray)
    options: dict[str, Any] = {
        "direction": work.direction,
        "compute": work.compute,
        "rendering": work.rendering,
    }
    options["film"] = work.film
    running = {
        task.remote(cluster, job.path.absolute(), record.outputs(job)[0].absolute(), options): job
        for job in todo
    }
    while running:
        ready, _ = ray.wait(list(running), num_returns=1)
        for one in ready:
            job = running.pop(one)
            is_made, reason = _answer(ray, one, job)
            if is_made:
                record.add(job)
                record.save()
            yield job, reason


def _answer(ray: Any, ended: Any, job: Job) -> tuple[bool, str]:
    """As `make_film`, of a task that has ended."""
    try:
        is_made, reason = ray.get(ended)
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1][:200]
        return False, f"{job.path}: its process died {MOST_RETRIES + 1} times ({last})"
    return is_made, reason


def make_on_ray(cluster: Cluster, source: Path, out: Path, options: dict[str, Any]) -> tuple[bool, str]:
    """`make_film` in a process of the cluster."""
    import torch

    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
    return make_film(_loaded(cluster), source, out, **options)


@functools.cache
def _loaded(cluster: Cluster) -> Any:
    from reskin.runs.load import load

    model: Any = load(cluster.run, device="cpu", step=cluster.step)
    if cluster.predictor_share is not None:
        model.use_predictor(cluster.predictor_share)
    return model


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster at an address; afterwards this process has left it.

    Raises:
        SettingsError: it is not installed, or nothing answers there.
    """
    try:
        import ray
    except ImportError:
        raise SettingsError("--ray: it is not installed", "Type: pip install 'reskin[ray]'.") from None
    if address != "auto":
        _check_answers(address)
    try:
        ray.init(
            None if address == "auto" else address,
            log_to_driver=False,
            include_dashboard=None if address != "auto" else False,
            logging_level="ERROR",
        )
    except Exception as error:  # Ray raises what it likes; the reason is what matters
        ray.shutdown()  # what of a cluster of its own has started already
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise SettingsError(f"--ray {address}: {reason}", "Check it with: ray status.") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    found = re.fullmatch(r"(?:ray://)?(\[[0-9a-fA-F:]+\]|[^\s:/]+):([0-9]{1,5})", address)
    if found is None or not 0 < int(found[2]) < 65536:
        raise SettingsError(f"--ray {address}", "Give auto, or HOST:PORT of a cluster.")
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise SettingsError(
            f"--ray {address}: nothing answers there ({error.strerror or error})",
            "Start a cluster (ray start --head), or give --ray auto.",
        ) from None
