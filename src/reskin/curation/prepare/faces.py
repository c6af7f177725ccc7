"""Videos to aligned faces: found, measured, chosen, cut, with the way back into the frame kept for each.

A run has three stages. Each video is searched, and what was found in it is kept beside the pictures as soon
as it is through, so that a run that was stopped goes on with the next. From all that was found the faces are
chosen, which costs nothing. Then the frames of the chosen faces are decoded once more and cut. The manifest
comes last: where there is one, everything is there.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from reskin.curation.moves import finish_moves
from reskin.curation.prepare.faces_choice import Choice, choose
from reskin.curation.prepare.faces_config import FacesConfig
from reskin.curation.prepare.faces_survey import Candidate, Survey, survey
from reskin.curation.prepare.picks import clip_names
from reskin.curation.prepare.plan import STATE, begin, check_manifest, fingerprints, without_twins
from reskin.curation.prepare.scan import Scan, scan_video
from reskin.curation.prepare.threads import Progress, Report, on_every
from reskin.data.manifest import (
    Crop,
    FrameRecord,
    Manifest,
    Origin,
    read_manifest,
    write_manifest,
)
from reskin.errors import DataError, VideoError
from reskin.faces.alignment import cut_out
from reskin.faces.detectors import open_detector
from reskin.images import write_image
from reskin.storage import lock, read_json, write_json
from reskin.types import NO_BARS, Bars, Split
from reskin.version import __version__

__all__ = ["FacesConfig", "prepare_faces"]

NOT_STATED = "not stated"

_LOOKS_PER_FACE = 4
_log = logging.getLogger("reskin")


def prepare_faces(
    videos: Sequence[Path], out: Path, config: FacesConfig, *, report: Report | None = None
) -> Manifest:
    """Find faces in videos and write them as square pictures under `out`.

    Pictures go to out/train, out/val and out/test, or straight into `out` for the split "none", with names
    such as clip-000123-004.png: frame 123, track 4. A video that cannot be read does not stop the others.
    Run again with the same videos and settings, it goes on where it stopped, or finds that all is done;
    either way the manifest is the same, byte for byte.

    Args:
        videos: files, in the order they are listed in the manifest; never written to.
        out: the folder to make.
        config: which faces, how to cut and to split them.
        report: told about progress.

    Returns:
        The manifest that was written. Its `damaged` says what could not be read; its settings hold, beside
        those asked for, `detector`, `every_used`, and for each video in `per_source` the frames looked at,
        the faces found and taken, and for each reason how many were not taken.

    Raises:
        DataError: no videos, `out` holds pictures of another kind or settings, no good face was found, or the
            split that was asked for is not possible.
        VideoError: a file is missing, or none of them can be read.
        WeightsError: no face detector can be had.
        RunError: another process is working on `out`.
        StorageError: the disk refuses a write; run the same command again afterwards.
    """
    if not videos:
        raise DataError("no videos were given", "Name at least one.")
    files = [Path(video) for video in videos]
    files, prints = without_twins(files, fingerprints(files))
    detector = open_detector(config.detector)
    asked = {**config.making(), "kind": "faces", "detector": detector.name}
    plan = {"settings": asked, "sources": prints}
    with lock(out):
        finish_moves(out)
        made = read_manifest(out)
        if made is not None:
            check_manifest(made, plan, out, add=False)
        else:
            begin(out, plan)
            found, every = _find(files, out, config, report)
            made = _manifest(files, found, _chosen(found, config), config, {**plan, "every_used": every})
        manifest = _cut(made, files, out, config, report)
        manifest = _with_words(manifest, config)
        if manifest != read_manifest(out):
            write_manifest(out, manifest)
        shutil.rmtree(out / STATE, ignore_errors=True)
    return manifest


def _with_words(manifest: Manifest, config: FacesConfig) -> Manifest:
    """The manifest with what the user says about licence and consent; what was said before stays."""
    words = {
        name: getattr(config, name) or getattr(manifest, name) or NOT_STATED
        for name in ("licence", "consent")
    }
    return manifest.model_copy(update=words)


@dataclass(frozen=True)
class _Found:
    """What was found in one video.

    Attributes:
        scan: facts about the file; its `bad` says why it cannot be used.
        survey: its faces; without any where it cannot be used.
    """

    scan: Scan
    survey: Survey


def _find(
    videos: list[Path], out: Path, config: FacesConfig, report: Report | None
) -> tuple[list[_Found], int]:
    """Search all videos; what was found, and how many frames lie between one that is searched and the next.

    Raises:
        VideoError: none of the videos can be read.
    """
    quiet = Progress("videos opened", len(videos), None)
    scans = on_every(len(videos), lambda number: _scanned(videos[number]), quiet)
    _refuse_if_all_bad(scans)
    total = sum(len(scan.ticks) for scan in scans)
    every = config.every or max(1, total // (_LOOKS_PER_FACE * config.count))
    looks = [range(0, len(scan.ticks), every) for scan in scans]
    progress = Progress("frames searched", sum(map(len, looks)), report)
    found = on_every(
        len(videos),
        lambda number: _searched(
            videos[number],
            scans[number],
            looks[number],
            config,
            state=out / STATE / f"faces-{number:04d}.json",
            progress=progress,
        ),
        progress,
    )
    _refuse_if_all_bad([each.scan for each in found])
    return found, every


def _scanned(video: Path) -> Scan:
    try:
        return scan_video(video, shots=False, bars=True)
    except VideoError as error:
        return Scan(bad=str(error))


def _refuse_if_all_bad(scans: list[Scan]) -> None:
    if all(scan.bad is not None for scan in scans):
        raise VideoError(f"none of the videos can be read; the first: {scans[0].bad}", "Copy them again.")


def _searched(
    video: Path, scan: Scan, indices: Sequence[int], config: FacesConfig, *, state: Path, progress: Progress
) -> _Found:
    """What is found in a video, from the state if it was searched before."""
    nothing = Survey(looked_at=0, candidates=[], damaged=[])
    if scan.bad is not None:
        return _Found(scan, nothing)
    if state.exists():
        for _ in indices:
            progress.tick()
        return _Found(scan, Survey.parse(read_json(state), source=str(state)))
    detector = open_detector(config.detector)
    try:
        found = survey(video, indices, detector, config, bars=scan.bars, tick=progress.tick)
    except VideoError as error:
        return _Found(Scan(bad=str(error)), nothing)
    write_json(state, found.to_dict())
    return _Found(scan, found)


def _chosen(found: list[_Found], config: FacesConfig) -> list[Choice]:
    choices = choose([each.survey.candidates for each in found], config)
    if not any(choice.taken for choice in choices):
        fix = "Lower --sure, --smallest, --brightness or --sharpness, or raise --turned or --outside."
        raise DataError(_nothing_found(found, choices), fix)
    return choices


def _nothing_found(found: list[_Found], choices: list[Choice]) -> str:
    reasons = sum((choice.reasons for choice in choices), Counter[str]())
    said = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    total = sum(len(each.survey.candidates) for each in found)
    return f"no good face in these videos ({total} found: {said})" if total else "no face in these videos"


def _manifest(
    videos: list[Path], found: list[_Found], choices: list[Choice], config: FacesConfig, plan: dict[str, Any]
) -> Manifest:
    """The manifest as it will be when every chosen face has been cut."""
    frames, damaged, sources, counted = [], [], [], []
    names = clip_names([video.stem for video in videos])
    for number, (each, choice, fingerprint) in enumerate(zip(found, choices, plan["sources"], strict=True)):
        scan, title = each.scan, videos[number].name
        bad = scan.bad and [scan.bad.replace(str(videos[number]), "it")]  # no path of this machine
        damaged += [f"{title}: {line}" for line in (bad or each.survey.damaged)]
        facts = {"frames": len(scan.ticks), "duration_seconds": scan.duration}
        bars = None if scan.bars == NO_BARS else scan.bars
        sources.append(Origin(**fingerprint, bars=bars, **({} if scan.bad else facts)))
        frames += [_record(face, split, number, names[number], config) for face, split in choice.taken]
        counted.append(
            {
                "name": title,
                "looked_at": each.survey.looked_at,
                "found": len(each.survey.candidates),
                "taken": len(choice.taken),
                "not_taken": dict(sorted(choice.reasons.items())),
            }
        )
    settings = {**plan["settings"], "every_used": plan["every_used"], "per_source": counted}
    return Manifest(reskin=__version__, settings=settings, sources=sources, frames=frames, damaged=damaged)


def _record(face: Candidate, split: Split, source: int, name: str, config: FacesConfig) -> FrameRecord:
    folder = "" if config.split == "none" else f"{split}/"
    first, second = face.matrix(config).tolist()
    return FrameRecord(
        file=f"{folder}{name}-{face.index:06d}-{face.track:03d}.{config.format}",
        source=source,
        index=face.index,
        time=face.time,
        seconds=float(Fraction(face.time)),
        split=split,
        shot=face.shot,
        crop=Crop(
            matrix=(*first, *second),
            frame_width=face.width,
            frame_height=face.height,
            box=face.box,
            landmarks=face.landmarks,
            score=face.score,
            track=face.track,
        ),
        scores={"sharpness": face.sharpness, "brightness": face.brightness}
        | ({} if face.turned is None else {"turned": face.turned}),
    )


def _cut(
    manifest: Manifest, videos: list[Path], out: Path, config: FacesConfig, report: Report | None
) -> Manifest:
    """Cut the faces that are listed and not there; what cannot be read any more is taken off the list."""
    missing: dict[int, list[FrameRecord]] = defaultdict(list)
    for record in manifest.frames:
        if record.source is not None and not (out / record.file).exists():
            missing[record.source].append(record)
    total = sum(map(len, missing.values()))
    numbers = sorted(missing)
    progress = Progress("faces cut", total, report)
    lost = on_every(
        len(numbers),
        lambda i: _cut_from(
            videos[numbers[i]],
            missing[numbers[i]],
            out,
            size=config.size,
            bars=manifest.sources[numbers[i]].bars or NO_BARS,
            progress=progress,
        ),
        progress,
    )
    if not any(lost):
        return manifest
    lines = [
        f"{videos[number].name}: {count} chosen faces could not be read again"
        for number, count in zip(numbers, lost, strict=True)
        if count
    ]
    frames = [record for record in manifest.frames if (out / record.file).exists()]
    return manifest.model_copy(update={"frames": frames, "damaged": [*manifest.damaged, *lines]})


def _cut_from(
    video: Path, records: list[FrameRecord], out: Path, *, size: int, bars: Bars, progress: Progress
) -> int:
    """Cut faces of one video; the number of those that could not be read."""
    from reskin.video.reader import VideoReader

    wanted: dict[int, list[FrameRecord]] = defaultdict(list)
    for record in records:
        if record.index is not None:
            wanted[record.index].append(record)
    done = 0
    try:
        with VideoReader(video) as reader:
            for frame in reader.frames_at(sorted(wanted)):
                for record in wanted[frame.index]:
                    assert record.crop is not None
                    matrix = np.array(record.crop.matrix, np.float64).reshape(2, 3)
                    write_image(out / record.file, cut_out(frame.image, matrix, size=size, bars=bars))
                    done += 1
                    progress.tick()
    except VideoError as error:
        _log.warning("%s: %s", video.name, error)
    return len(records) - done
