"""The frames that `make` learns from: taken out of videos, those without a picture left out, and split."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from reskin.data.manifest import read_manifest
from reskin.parsing import parse
from reskin.progress import Report

if TYPE_CHECKING:
    from reskin.curation.screen.result import DomainResult

NO_PICTURE = ("dark", "bright", "uniform")
"""Screening rules for frames that show nothing to learn from: black, titles on black, fades, one colour."""

MOST_SEGMENTS, LEAST_FRAMES = 8, 20
"""Segments of time into which a film is cut, each with its share of held-out frames: at most so many, of so
many frames at least."""

_log = logging.getLogger(__name__)


def prepare_set(
    videos: Sequence[Path], out: Path, plan: dict[str, Any], *, count: int, report: Report
) -> list[str]:
    """Frames of videos as a dataset with a split; run again, it goes on where it stopped.

    Args:
        videos: of one domain.
        out: folder of the dataset.
        plan: of `make`. Where it has no "leaves_out", as in earlier versions, every frame is used; where it
            has no "spreads", the held-out frames come from up to four segments of time instead of eight.
        count: of frames to take, at most as many as there are.
        report: called for the frames.

    Returns:
        What was damaged.

    Raises:
        DataError: no video can be read, or `out` holds other pictures.
        VideoError: the only video cannot be read.
    """
    from reskin.curation.prepare.frames import FramesConfig, choose_frames
    from reskin.curation.prepare.videos import Options, prepare_videos
    from reskin.curation.split.resplit import SplitConfig, resplit

    leaves_out = bool(plan.get("leaves_out"))
    # Borders are cut, since those of the clip are given back untouched in the end. The split comes after the
    # screening, so that no part of it is all black.
    wanted = {"count": count, "size": str(plan["short_side"]), "letterbox": plan["letterbox"]}
    wanted |= {"split": "none"} if leaves_out else {}
    config = parse(FramesConfig, wanted, source=str(out.parents[1] / "make.json"))
    choose = partial(choose_frames, config=config)
    made = prepare_videos(videos, out, config, choose, Options(report=report, names_flags=False))
    if leaves_out:
        _leave_out(out)
        segments = _segments(out) if plan.get("spreads") else None
        resplit(out, SplitConfig(ratio="9:1", segments=segments))
    return list(made.damaged)


def _segments(folder: Path) -> int:
    """Into how many segments of time a film is cut, so that held-out frames come from all over it: the last
    tenth of a film with several scenes may look like nothing before."""
    manifest = read_manifest(folder)
    assert manifest is not None, "just prepared"
    used = sum(not set(frame.left_out or ()) - {"between splits"} for frame in manifest.frames)
    return max(1, min(MOST_SEGMENTS, used // LEAST_FRAMES))


def _leave_out(folder: Path) -> None:
    """Leave out what shows nothing, and say so in one line."""
    from reskin.curation.screen.config import RuleName, ScreenConfig
    from reskin.curation.screen.screen import screen_set, undo_screening

    off = tuple(name for name in get_args(RuleName) if name not in NO_PICTURE)
    found = screen_set(folder, ScreenConfig(off=off), apply=True).domains[0]
    if found.left_out == found.pictures:
        undo_screening([folder])
        _log.info(
            "%s",
            f"frames    {folder.name.upper()}: all {found.pictures} are black or of one colour, and are used",
        )
    elif line := _described(found):
        _log.info("%s", f"frames    {folder.name.upper()}: {line}")


def _described(found: DomainResult) -> str:
    """What was left out in words; empty where nothing was found."""
    only = {name for name, finding in found.findings.items() if finding.only_reported}
    said = []
    if found.left_out:
        of = f"{found.left_out} of {found.pictures}"
        said.append(f"{of} are black or of one colour, as in fades and titles, and left out")
    said += [
        f"{len(found.findings[name])} are {_WORDS[name]}, most of the film, and used"
        for name in NO_PICTURE
        if name in only
    ]
    return "; ".join(said)


_WORDS = {"dark": "nearly black", "bright": "nearly white", "uniform": "nearly of one colour"}
