"""What is done to each source, as JSON in and JSON out, so that any process can do it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reskin.config import Settings
from reskin.curation.prepare.extract import Extracted, Job, extract
from reskin.curation.prepare.face_cut import FaceCut, FacesCut, cut_faces
from reskin.curation.prepare.face_search import FaceSearch, FoundFaces, search_faces
from reskin.curation.prepare.scan import Scan, scan_video
from reskin.errors import VideoError
from reskin.parsing import parse
from reskin.progress import Report
from reskin.storage import read_json, write_json


def scan_task(
    video: Path, state: Path, *, shots: bool, bars: bool, skip: tuple[float, float] = (0.0, 0.0)
) -> dict[str, Any]:
    """The task of looking through a video; its result is a `Scan`."""
    options = {"shots": shots, "bars": bars, "skip": list(skip)}
    return {"task": "scan", "video": str(video), "state": str(state), "options": options}


def extract_task(job: Job) -> dict[str, Any]:
    """The task of a job; its result is an `Extracted`."""
    return {"task": "extract", "job": job.to_dict()}


def face_search_task(search: FaceSearch, state: Path) -> dict[str, Any]:
    """The task of searching a video for faces; its result is a `FoundFaces`."""
    return {"task": "search faces", "state": str(state), "search": search.to_dict()}


def face_cut_task(cut: FaceCut) -> dict[str, Any]:
    """The task of cutting faces out of a video; its result is a `FacesCut`."""
    return {"task": "cut faces", "cut": cut.to_dict()}


def crash_result(task: dict[str, Any], reason: str) -> dict[str, Any]:
    """The result of a task whose process has died: its source is bad."""
    results: dict[str, type[Settings]] = {
        "scan": Scan,
        "extract": Extracted,
        "search faces": FoundFaces,
        "cut faces": FacesCut,
    }
    if task["task"] == "extract":
        _remove_pictures(parse(Job, task["job"]))
    return parse(results[task["task"]], {"bad": reason}).to_dict()


def perform(task: dict[str, Any], progress: Report) -> dict[str, Any]:
    """Do a task.

    Returns:
        Its result; where the video cannot be read, one whose `bad` says why: others do not suffer by it.

    Raises:
        StorageError: the disk refuses a write.
        SettingsError: something that is needed is not installed.
        WeightsError: no face detector can be had.
    """
    try:
        if task["task"] == "scan":
            return _kept(task, lambda: scan_video(Path(task["video"]), **task["options"], progress=progress))
        if task["task"] == "search faces":
            search = parse(FaceSearch, task["search"])
            return _kept(task, lambda: search_faces(search, progress))
        if task["task"] == "cut faces":
            return cut_faces(parse(FaceCut, task["cut"]), progress).to_dict()
        return extract(parse(Job, task["job"]), progress).to_dict()
    except VideoError as error:
        result = crash_result(task, str(error))
        if "state" in task:
            write_json(Path(task["state"]), result)
        return result


def _remove_pictures(job: Job) -> None:
    """What a bad source gave so far is not sound."""
    for names in job.files.values():
        for name in names:
            (Path(job.out) / name).unlink(missing_ok=True)


def _kept(task: dict[str, Any], work: Callable[[], Scan | FoundFaces]) -> dict[str, Any]:
    """The result of earlier work, where its state is there, else of the work, which leaves it there."""
    state = Path(task["state"])
    if state.exists():
        return read_json(state)
    result = work().to_dict()
    write_json(state, result)
    return result
