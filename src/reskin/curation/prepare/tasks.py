"""The two things that are done to each source, as JSON in and JSON out, so that any process can do them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reskin.curation.prepare.extract import Extracted, Job, extract
from reskin.curation.prepare.scan import Scan, scan_video
from reskin.errors import VideoError
from reskin.storage import read_json, write_json

Progress = Callable[[int, int], None]
"""Told how many of how many are done."""


def scan_task(
    video: Path, state: Path, *, shots: bool, bars: bool, skip: tuple[float, float]
) -> dict[str, Any]:
    """The task of looking through a video; its result is a `Scan`."""
    options = {"shots": shots, "bars": bars, "skip": list(skip)}
    return {"task": "scan", "video": str(video), "state": str(state), "options": options}


def extract_task(job: Job) -> dict[str, Any]:
    """The task of a job; its result is an `Extracted`."""
    return {"task": "extract", "job": job.to_dict()}


def crash_result(task: dict[str, Any], reason: str) -> dict[str, Any]:
    """The result of a task whose process has died: its source is bad."""
    return Scan(bad=reason).to_dict() if task["task"] == "scan" else _bad(reason).to_dict()


def perform(task: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Do a task.

    Returns:
        Its result; where the video cannot be read, one whose `bad` says why: others do not suffer by it.

    Raises:
        StorageError: the disk refuses a write.
        SettingsError: something that is needed is not installed.
    """
    if task["task"] == "scan":
        return _scan(task, progress)
    job = Job.parse(task["job"])
    try:
        return extract(job, progress).to_dict()
    except VideoError as error:
        for names in job.files.values():  # What a bad source gave so far is not sound.
            for name in names:
                (Path(job.out) / name).unlink(missing_ok=True)
        return _bad(str(error)).to_dict()


def _bad(reason: str) -> Extracted:
    return Extracted(frames=[], damaged=[], bad=reason)


def _scan(task: dict[str, Any], progress: Progress) -> dict[str, Any]:
    state = Path(task["state"])
    if state.exists():
        return read_json(state)
    try:
        found = scan_video(Path(task["video"]), **task["options"], progress=progress)
    except VideoError as error:
        found = Scan(bad=str(error))
    result = found.to_dict()
    write_json(state, result)
    return result
