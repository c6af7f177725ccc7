"""A folder of films through a model, one after the other: the same tree and names."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskin.data.folders import list_films
from reskin.device import Compute
from reskin.errors import DataError, ImageError, VideoError
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering, check_single_look
from reskin.methods.translator import Translator
from reskin.progress import Report, silent
from reskin.storage import watched
from reskin.translation.clips import translate_video
from reskin.translation.film import FilmOptions
from reskin.translation.folders import FolderResult, still_to_do
from reskin.translation.record import Job, Record
from reskin.translation.shards import Shard, listing_of
from reskin.translation.targets import check_folders
from reskin.types import Direction
from reskin.video.encoding import FORMATS


@dataclass(frozen=True)
class FilmWork:
    """What is made of each film of a folder.

    Attributes:
        model: any translator.
        direction: one of the model's.
        compute: where and how; None for the model's own device.
        rendering: one style for all; None for none.
        film: see `reskin.translation.film.FilmOptions`.
    """

    model: Translator
    direction: Direction
    compute: Compute | None = None
    rendering: Rendering | None = None
    film: FilmOptions | None = None

    def made_by(self) -> str:
        """Digest of everything but the film that decides the result, whichever engine `auto` takes."""
        engine = Engine(self.model, self.direction, self.compute, self.rendering)
        check_single_look(engine.rendering)
        facts = [engine.asked(), repr(self.film or FilmOptions())]
        return hashlib.sha256(json.dumps(facts).encode("utf-8", "backslashreplace")).hexdigest()


def translate_films(
    work: FilmWork,
    source: Path | str,
    out: Path | str,
    *,
    report: Report = silent,
    overwrite: bool = False,
    shard: Shard | None = None,
) -> FolderResult:
    """Translate every film in a folder and the folders below it; stopped and run again, it goes on.

    A film that an earlier run made of the same source with the same model stays as it is, and one that was
    begun goes on where it was; `translated.json` says. A film whose container can only be read becomes an MP4
    (`a.avi` is `a.avi.mp4`).

    Args:
        work: model, direction and how films are treated.
        source: folder of films; nothing in it is changed.
        out: folder to write to; may lie in `source`.
        report: called as by `translate_video`, for one film after the other.
        overwrite: replace files in `out` that no earlier run made.
        shard: which part of the films is this process's; None for all.

    Returns:
        What became of the films; those that are damaged are translated as far as they are sound, and named.

    Raises:
        DataError: `source` is no folder or holds no film.
        SettingsError: `out` holds `source` or others' files, or an option does not fit.
        RunError: another process works on the shard, or on a film.
        StorageError: the disk refuses a write; what is done is kept.
    """
    source, out = Path(source), Path(out)
    check_folders(source, out)
    jobs = film_jobs(source, out)
    listing = listing_of([os.fspath(job.target) for job in jobs])
    if shard is not None:
        jobs = [job for index, job in enumerate(jobs) if shard.takes(index)]
    with shard.held(out) if shard is not None else nullcontext():
        record = Record(out, shard=shard, listing=listing)
        record.made_by = work.made_by()
        return _translated(work, jobs, record, report, overwrite=overwrite)


def _translated(
    work: FilmWork, jobs: list[Job], record: Record, report: Report, *, overwrite: bool
) -> FolderResult:
    started = time.monotonic()
    todo = still_to_do(jobs, record, overwrite=overwrite)
    left_out: list[tuple[Path, str]] = []
    translated = 0
    if todo:
        record.expect(todo)
        with watched(record.path.parent):
            for job in todo:
                reason = _noted(work, job, record, report)
                left_out += [(job.path, reason)] if reason else []
                translated += not reason
    notes = [] if record.shard is None else [record.finish_shard(jobs, len(left_out))]
    return FolderResult(translated, len(jobs) - len(todo), left_out, time.monotonic() - started, notes)


def _noted(work: FilmWork, job: Job, record: Record, report: Report) -> str:
    """Translate a film and note that it is there; gives why it is not whole, "" where it is."""
    (out,) = record.outputs(job)
    how = {"compute": work.compute, "rendering": work.rendering, "film": work.film}
    is_made, reason = make_film(work.model, job.path, out, work.direction, report=report, **how)
    if is_made:
        record.add(job)
        record.save()
    return reason


def make_film(
    model: Translator, source: Path, out: Path, direction: Direction, **options: Any
) -> tuple[bool, str]:
    """Translate one film of a folder.

    Args:
        model: any translator.
        source: the film.
        out: the file to write, in place of one that is there.
        direction: one of the model's.
        options: of `translate_video`.

    Returns:
        Whether there is a film now, and why it is not whole; "" where it is.

    Raises:
        SettingsError, RunError, StorageError: as `translate_video`.
    """
    try:
        made = translate_video(model, source, out, direction, overwrite=True, **options)
    except (VideoError, ImageError) as error:
        return False, str(error)
    if made.damaged:
        return True, f"{source} is damaged: its {made.frames} sound frames were translated"
    return True, ""


def film_jobs(source: Path, out: Path) -> list[Job]:
    """What is to be translated, in the order of the names; films in `out` itself are not.

    Raises:
        DataError: there are no films.
    """
    inside = out.resolve()
    paths = [path for path in list_films(source) if not path.resolve().is_relative_to(inside)]
    if not paths:
        raise DataError(f"no films in {source}", "Give a folder with videos.")
    targets = {path.relative_to(source) for path in paths if path.suffix.lower() in FORMATS}
    jobs = []
    for path in paths:
        target = path.relative_to(source)
        if target not in targets:
            while target in targets or target.suffix.lower() not in FORMATS:
                target = target.with_name(f"{target.name}.mp4")
            targets.add(target)
        status = path.stat()
        jobs.append(Job(path, target, status.st_size, status.st_mtime_ns))
    return jobs
