"""Films on a Ray cluster (https://docs.ray.io): a short film is one task of Ray's, a long one several.

Ray starts a task again where its process or machine died, and that goes on behind the last whole segment,
which lies beside the film's target. So source and target must lie on a disk that all machines see, and frames
are those of one process.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reskin.errors import ReskinError, RunError, VideoError
from reskin.progress import Report
from reskin.ray_cluster import MOST_RETRIES, connected, reason_of, use_own_threads
from reskin.storage import watched
from reskin.translation.chunks import Chunk, plan_chunks, translate_chunk
from reskin.translation.clips import How, VideoResult, translate_video
from reskin.translation.films import FilmWork, film_jobs, make_film
from reskin.translation.folders import FolderResult, still_to_do
from reskin.translation.job import was_finished
from reskin.translation.record import Job, Record
from reskin.translation.targets import check_folders, check_target
from reskin.types import Direction
from reskin.video.probe import probe

LONG_SECONDS = 60
"""Films of a folder that last so long are parted; a single film always is."""


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


def translate_film_on_ray(
    work: FilmWork, cluster: Cluster, source: Path, out: Path, *, report: Report, overwrite: bool = False
) -> VideoResult:
    """Translate one film on a Ray cluster; stopped and run again, it goes on.

    Args:
        work: model, direction and how the film is treated.
        cluster: which, and where the same model lies for its machines.
        source: the film, on a disk that all machines see.
        out: the film to write, on such a disk.
        report: called with the number of segments that are done, and then as by `translate_video`.
        overwrite: replace `out` if it is there.

    Raises:
        SettingsError: Ray is not installed, nothing answers at the address, or as `translate_video`.
        VideoError, RunError, StorageError: as `translate_video`.
    """
    check_target(source, out, overwrite=overwrite or was_finished(out))
    notes: list[str] = []
    with connected(cluster.address) as ray:
        tasks = _Tasks(ray, work, cluster)
        plan = plan_chunks(work.model, source, out, work.direction, tasks.how, processes=tasks.processes)
        if plan.alone:
            notes.append(f"{source} is one process's work: {plan.alone}")
        waiting = {tasks.chunk(source, out, one): one for one in plan.chunks}
        total = sum(len(one.segments) for one in plan.chunks)
        done = 0
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            done += len(waiting.pop(ready).segments)
            if reason := tasks.ended(ready)[1]:
                notes.append(f"a part was left to one process: {reason}")
            report(done, total, what="segments")
    made = translate_video(
        work.model, source, out, work.direction, report=report, overwrite=overwrite, **tasks.how
    )
    return replace(made, notes=[*notes, *made.notes])


class _Tasks:
    """What is asked of a cluster.

    Attributes:
        how: films are treated.
        processes: of the cluster, that can work at the same time.
    """

    def __init__(self, ray: Any, work: FilmWork, cluster: Cluster) -> None:
        self._ray, self._cluster, self._direction = ray, cluster, work.direction
        is_gpu = work.compute is not None and work.compute.device.type == "cuda"
        # A film that a process of another machine still writes is tried again like one whose process died.
        settings = {"max_retries": MOST_RETRIES, "retry_exceptions": [RunError]}
        self._task = ray.remote(num_cpus=1, num_gpus=int(is_gpu), **settings)(make_on_ray)
        self.how = How(compute=work.compute, rendering=work.rendering, film=work.film)
        self.processes = max(1, int(ray.cluster_resources().get("GPU" if is_gpu else "CPU", 1)))

    def film(self, source: Path, out: Path) -> Any:
        """A whole film: as `make_film`."""
        return self._begin("film", source, out)

    def plan(self, source: Path, out: Path) -> Any:
        """What a long film is parted into."""
        return self._begin("plan", source, out, processes=self.processes)

    def chunk(self, source: Path, out: Path, chunk: Chunk) -> Any:
        """One of those parts."""
        return self._begin("chunk", source, out, chunk=chunk)

    def _begin(self, what: str, source: Path, out: Path, **more: Any) -> Any:
        asked = Asked(source.absolute(), out.absolute(), self._direction, self.how)
        return self._task.remote(self._cluster, what, asked, **more)

    def ended(self, task: Any) -> tuple[Any, str]:
        """What a task gave, and "" - or None, and why it failed."""
        try:
            return self._ray.get(task), ""
        except (self._ray.exceptions.RayError, ReskinError) as error:
            return None, reason_of(error)


def _made(
    ray: Any, work: FilmWork, cluster: Cluster, todo: list[Job], record: Record
) -> Iterator[tuple[Job, str]]:
    """The films in the order in which they are done and noted, each with why it is not whole.

    Long ones are planned, their chunks translated, and then made of those.
    """
    tasks = _Tasks(ray, work, cluster)
    outs = {job.path: record.outputs(job)[0] for job in todo}
    running: dict[Any, tuple[str, Job]] = {}
    left: dict[Path, int] = {}
    for job in todo:
        begin, what = (tasks.plan, "plan") if _is_long(job.path) else (tasks.film, "film")
        running[begin(job.path, outs[job.path])] = what, job
    while running:
        (ready,), _ = ray.wait(list(running), num_returns=1)
        what, job = running.pop(ready)
        source, out = job.path, outs[job.path]
        if what == "film":
            made, failure = tasks.ended(ready)
            is_made, reason = made or (False, _named(job, failure))
            if is_made:
                record.add(job)
                record.save()
            yield job, reason
            continue
        if what == "plan":
            plan, _ = tasks.ended(ready)
            chunks = plan.chunks if plan else []
            left[source] = len(chunks)
            running |= {tasks.chunk(source, out, one): ("chunk", job) for one in chunks}
        else:
            left[source] -= 1
        if not left[source]:  # a film whose plan or part failed says why when it is made
            running[tasks.film(source, out)] = "film", job


def _named(job: Job, reason: str) -> str:
    return reason if str(job.path) in reason else f"{job.path}: {reason}"


def _is_long(path: Path) -> bool:
    """Whether a film is worth being parted; one that cannot be read is not."""
    try:
        return (probe(path).duration or 0) >= LONG_SECONDS
    except VideoError:
        return False


@dataclass(frozen=True)
class Asked:
    """A film, and what is to become of it.

    Attributes:
        source: the film.
        out: the film to write.
        direction: one of the model's.
        how: see `translate_video`.
    """

    source: Path
    out: Path
    direction: Direction
    how: How


def make_on_ray(cluster: Cluster, what: str, asked: Asked, **more: Any) -> Any:
    """A film, its plan or one of its chunks, in a process of the cluster."""
    use_own_threads()
    model = _loaded(cluster)
    film = asked.source, asked.out, asked.direction
    if what == "plan":
        return plan_chunks(model, *film, asked.how, **more)
    if what == "chunk":
        return translate_chunk(model, *film, asked.how, **more)
    return make_film(model, *film, **asked.how)


@functools.cache
def _loaded(cluster: Cluster) -> Any:
    from reskin.runs.load import load

    model: Any = load(cluster.run, device="cpu", step=cluster.step)
    if cluster.predictor_share is not None:
        model.use_predictor(cluster.predictor_share)
    return model
