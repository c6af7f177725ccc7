"""What a run is to make, written down before it begins, so that going on is going on with the same."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reskin.config import Settings
from reskin.data.folders import list_images
from reskin.data.manifest import Manifest, Number, first_fault, read_manifest
from reskin.errors import DataError, VideoError
from reskin.paths import MOST_DIGEST_BYTES
from reskin.storage import file_digest, read_json, remove_leftovers, write_json

STATE = ".prepare"
"""The hidden folder beside the pictures in which a run keeps its state."""

_READERS = 4
_SINCE: dict[str, Any] = {"deinterlace": "auto", "only": None}
"""Settings that manifests of former versions do not hold, and the value that is taken for theirs."""
_log = logging.getLogger("reskin")


class _Print(Settings):
    """What distinguishes a source from another, as `fingerprints` gives it."""

    name: str
    sha256: str
    size_bytes: Number


class _Plan(Settings):
    """A plan in a file, in the form of the one that `begin` is given."""

    settings: dict[str, Any]
    sources: list[_Print]


def fingerprints(videos: Sequence[Path]) -> list[dict[str, Any]]:
    """Name, digest and size of each file; an empty digest for one that cannot be read.

    Raises:
        NotAVideoError: a file is missing: more likely a wrong name than a bad source.
    """
    from reskin.video.source import check_is_file

    for video in videos:
        if not video.exists():
            check_is_file(video)
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(_fingerprint, videos))


def _fingerprint(video: Path) -> dict[str, Any]:
    from reskin.video.source import check_is_file, open_container

    try:
        check_is_file(video)  # before it is opened: a pipe would wait for ever
        size = video.stat().st_size
        if size > MOST_DIGEST_BYTES:  # as a film may be; what is none is not read for hours
            open_container(video).close()
        return {"name": video.name, "sha256": file_digest(video, most_bytes=size), "size_bytes": size}
    except (VideoError, DataError) as error:
        _log.debug("%s has no digest: %s", video, error)
        return {"name": video.name, "sha256": "", "size_bytes": 0}


def without_equal_files(
    videos: list[Path], prints: list[dict[str, Any]]
) -> tuple[list[Path], list[dict[str, Any]]]:
    """The same without files that are equal to an earlier one: their frames would be in training and test."""
    kept: dict[str, int] = {}
    chosen = []
    for number, print_ in enumerate(prints):
        first = kept.setdefault(print_["sha256"] or f"unreadable {number}", number)
        if first == number:
            chosen.append(number)
        else:
            _log.warning("%s is the same film as %s; taken once", videos[number], videos[first])
    return [videos[number] for number in chosen], [prints[number] for number in chosen]


def refuse_if_all_bad(reasons: Sequence[str | None], out: Path) -> None:
    """Clear the state away and raise where nothing can be taken from any video.

    Args:
        reasons: for each video why it cannot be read; None where it can.
        out: the folder that is being made.

    Raises:
        VideoError: the only video cannot be read.
        DataError: none of several can be read.
    """
    if not all(reasons):
        return
    shutil.rmtree(out / STATE, ignore_errors=True)
    if len(reasons) == 1:
        raise VideoError(str(reasons[0]))
    raise DataError(f"none of the {len(reasons)} videos can be read; the first: {reasons[0]}")


def check_manifest(manifest: Manifest, plan: dict[str, Any], out: Path, *, add: bool) -> None:
    """Refuse to go on in a folder that was made with other settings or of other videos.

    Raises:
        DataError: it was; with `add` the videos may be others.
    """
    settings = {**_SINCE, **manifest.settings}
    made = {key: value for key, value in settings.items() if key in plan["settings"]}
    names = ("name", "sha256", "size_bytes")
    sources = [{name: getattr(source, name) for name in names} for source in manifest.sources]
    check_same({"settings": made, "sources": plan["sources"] if add else sources}, plan, out)


def begin(out: Path, plan: dict[str, Any]) -> None:
    """Check that `out` is ours or empty, write down the plan, and clear away what a kill left.

    Raises:
        DataError: it holds pictures of somebody else, or a run with another plan was begun there.
    """
    plan_file = out / STATE / "plan.json"
    if plan_file.exists():
        made = _read_plan(plan_file)
        if made != plan and _was_mended(made, plan):
            shutil.rmtree(out / STATE)  # what is known of the source is that it cannot be read
        else:
            check_same(made, plan, out)
    elif read_manifest(out) is None and list_images(out):
        what = f"{out} holds pictures that were not made by this command"
        raise DataError(what, "Choose an empty or new folder with --out.")
    write_json(plan_file, plan)
    for folder in (out, out / "train", out / "val", out / "test", out / STATE):
        remove_leftovers(folder)


def _read_plan(file: Path) -> dict[str, Any]:
    """The plan in a file.

    Raises:
        SettingsError: it is no JSON object.
        DataError: it is of another form.
    """
    try:
        return _Plan.model_validate(read_json(file)).model_dump()
    except ValidationError as error:
        raise DataError(f"{file} is damaged ({first_fault(error)})", "Choose another --out.") from None


def _was_mended(made: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether the two plans differ in nothing but sources that could not be read and now can."""
    if made.get("settings") != asked["settings"] or len(made.get("sources", [])) != len(asked["sources"]):
        return False
    pairs = zip(made["sources"], asked["sources"], strict=True)
    return all(one == other or (one["name"] == other["name"] and not one["sha256"]) for one, other in pairs)


def check_same(made: dict[str, Any], asked: dict[str, Any], out: Path) -> None:
    """Refuse where what was made and what is asked for differ.

    Args:
        made: {"settings": ..., "sources": ...}, as JSON values.
        asked: in the same form.
        out: the folder, for the message.

    Raises:
        DataError: they differ; it says in what.
    """
    if made == asked:
        return
    before, now = made.get("settings", {}), asked["settings"]
    differences = [
        f"{key} was {before.get(key)}, now {now[key]}" for key in now if before.get(key) != now[key]
    ]
    fix = "Choose another folder with --out, or remove this one."
    if made.get("sources") != asked["sources"]:
        names = [", ".join(source["name"] for source in plan.get("sources", [])) for plan in (made, asked)]
        same = f"the contents of {names[0]} have changed"
        if _was_mended(made, asked):
            same = f"{_unreadable_names(made)} could not be read then and can be read now"
        differences.append(same if names[0] == names[1] else f"videos were {names[0]}, now {names[1]}")
        fix = f"{fix} --add adds videos to it."
    what = f"{out} was made with other settings ({'; '.join(differences) or 'of another version'})"
    raise DataError(what, fix)


def _unreadable_names(plan: dict[str, Any]) -> str:
    return ", ".join(source["name"] for source in plan["sources"] if not source["sha256"])
