"""Videos to aligned faces: found, measured, chosen, cut, with the way back into the frame kept for each.

A run has three stages. Each video is searched, and what was found in it is kept beside the pictures as soon
as it is through, so that a run that was stopped goes on with the next. From all that was found the faces are
chosen, which costs nothing. Then the frames of the chosen faces are decoded once more and cut. The manifest
comes last: where there is one, everything is there.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from reskin.curation.moves import finish_moves
from reskin.curation.prepare.face_cut import FaceCut, FacePicture, FacesCut
from reskin.curation.prepare.face_search import FaceCandidate, FaceSearch, FoundFaces
from reskin.curation.prepare.faces_choice import Choice, choose
from reskin.curation.prepare.faces_config import FacesConfig
from reskin.curation.prepare.faces_people import alike, tell_apart
from reskin.curation.prepare.mended import in_order, mended_sources, without_sources
from reskin.curation.prepare.picks import clip_names
from reskin.curation.prepare.plan import (
    STATE,
    begin,
    check_manifest,
    fingerprints,
    refuse_if_all_bad,
    without_equal_files,
)
from reskin.curation.prepare.process_pool import ProcessPool, TotalProgress, Workers
from reskin.curation.prepare.ray_pool import RayPool, open_pool
from reskin.curation.prepare.scan import Scan
from reskin.curation.prepare.tasks import face_cut_task, face_search_task, scan_task
from reskin.data.manifest import (
    Crop,
    FrameRecord,
    Manifest,
    Origin,
    check_made,
    read_manifest,
    write_manifest,
)
from reskin.errors import DataError
from reskin.faces.detectors import FaceDetector, open_detector
from reskin.faces.identity import ALIKE, Look, look_in
from reskin.parsing import parse
from reskin.paths import read_plain
from reskin.progress import Report
from reskin.storage import lock
from reskin.types import NO_BARS, Split
from reskin.version import __version__

__all__ = ["FacesConfig", "prepare_faces"]

NOT_STATED = "not stated"

_LOOKS_PER_FACE = 4
_log = logging.getLogger("reskin")


def prepare_faces(
    videos: Sequence[Path],
    out: Path,
    config: FacesConfig,
    *,
    report: Report | None = None,
    workers: Workers = None,
) -> Manifest:
    """Find faces in videos and write them as square pictures under `out`.

    Pictures go to out/train, out/val and out/test, or straight into `out` for the split "none", with names
    such as clip-000123-004.png: frame 123, track 4. A video that cannot be read does not stop the others.
    Run again with the same videos and settings, it goes on where it stopped, or finds that all is done;
    either way the manifest is the same, byte for byte. A video that could not be read and was replaced since
    is added then: up to its equal share of the faces, or what is left of their number.

    Args:
        videos: files, in the order they are listed in the manifest; never written to.
        out: the folder to make.
        config: which faces, how to cut and to split them.
        report: called with the progress.
        workers: processes, or a Ray cluster; by default one process for each video while there are cores, 0
            for none but this one.

    Returns:
        The manifest that was written. Its `damaged` says what could not be read; its settings hold, beside
        those asked for, `detector`, `every_used`, and for each video in `per_source` the frames looked at,
        the faces found and taken, and for each reason how many were not taken.

    Raises:
        DataError: no videos, `out` holds pictures of another kind or settings, no good face was found, nobody
            looks like the person who is wanted, or the split that was asked for is not possible.
        ImageError: the picture of that person cannot be read.
        VideoError: a file is missing, or the only one cannot be read.
        WeightsError: no face detector can be had.
        RunError: another process is working on `out`.
        StorageError: the disk refuses a write; run the same command again afterwards.
    """
    if not videos:
        raise DataError("no videos were given", "Name at least one.")
    files = [Path(video) for video in videos]
    files, prints = without_equal_files(files, fingerprints(files))
    detector = open_detector(config.detector)
    look, only = _wanted(config, detector)
    asked = {**config.making(), "only": only, "kind": "faces", "detector": detector.name}
    plan: dict[str, Any] = {"settings": asked, "sources": prints}
    with lock(out), open_pool(files, workers) as pool:
        run = _Run(out, config, pool, report, look=look)
        finish_moves(out)
        made = read_manifest(out)
        mended = [] if made is None else mended_sources(made, prints)
        if made is not None and mended:
            made = run.with_mended(made, mended, files, plan)
        elif made is not None:
            check_manifest(made, plan, out, add=False)
        else:
            begin(out, plan)
            found, every = run.find(files)
            plan = {**plan, "every_used": every}
            made = _manifest(files, found, _chosen(found, config, look), plan, config)
        manifest = _with_words(run.cut(made, files), config)
        if manifest != read_manifest(out):
            check_made(out, [frame.file for frame in manifest.frames])
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
        faces: its faces; none where it cannot be used.
    """

    scan: Scan
    faces: FoundFaces


class _Run:
    """One run over videos: what is done to each is done by a pool of processes.

    Args:
        out: the folder to make.
        config: which faces, how to cut and to split them.
        pool: does the work, so that a reader that crashes costs its video only.
        report: called with the progress.
        look: of the person who is wanted; None for everybody.
    """

    def __init__(
        self,
        out: Path,
        config: FacesConfig,
        pool: ProcessPool | RayPool,
        report: Report | None,
        *,
        look: Look | None = None,
    ) -> None:
        self.out, self.config, self.pool, self.report, self.look = out, config, pool, report, look

    def _do(self, what: str, tasks: list[dict[str, Any]], weights: Sequence[int]) -> list[dict[str, Any]]:
        """The results of tasks; `weights` say how much there is to do in each."""
        progress = TotalProgress(self.report, what, weights, is_exact=True)
        return self.pool.run(tasks, progress.update)

    def find(self, videos: list[Path], *, every: int | None = None) -> tuple[list[_Found], int]:
        """Search all videos; what was found, and how far apart, in frames, those that were searched are.

        Args:
            videos: files.
            every: how far apart; by default as the configuration says.

        Raises:
            VideoError, DataError: none of the videos can be read.
        """
        states = [self.out / STATE / f"{number:04d}" for number in range(len(videos))]
        tasks = [
            scan_task(video, state.with_suffix(".scan.json"), shots=True, bars=True)
            for video, state in zip(videos, states, strict=True)
        ]
        scans = [parse(Scan, values) for values in self.pool.run(tasks, lambda *_: None)]
        refuse_if_all_bad([scan.bad for scan in scans], self.out)
        total = sum(len(scan.ticks) for scan in scans)
        every = every or self.config.every or max(1, total // (_LOOKS_PER_FACE * self.config.count))
        good = [number for number, scan in enumerate(scans) if scan.bad is None]
        searches = [self._search(videos[number], scans[number], every) for number in good]
        tasks = [
            face_search_task(search, states[number].with_suffix(".faces.json"))
            for number, search in zip(good, searches, strict=True)
        ]
        results = self._do("frames searched", tasks, [len(search.indices()) for search in searches])
        found = [_Found(scan, FoundFaces()) for scan in scans]
        for number, values in zip(good, results, strict=True):
            faces = parse(FoundFaces, values)
            found[number] = _Found(scans[number] if faces.bad is None else Scan(bad=faces.bad), faces)
        refuse_if_all_bad([one.scan.bad for one in found], self.out)
        return found, every

    def with_mended(
        self, made: Manifest, mended: list[int], videos: list[Path], plan: dict[str, Any]
    ) -> Manifest:
        """The manifest with faces of the videos at these positions, which could not be read when it was made.

        Raises:
            VideoError, DataError: none of them can be read, or the settings are others.
        """
        before = without_sources(made, mended)
        check_manifest(before, plan, self.out, add=True)
        files, prints = [videos[number] for number in mended], [plan["sources"][number] for number in mended]
        every = int(made.settings["every_used"])
        begin(self.out, {**plan, "sources": prints})
        found, _ = self.find(files, every=every)
        count = max(self.config.count - len(before.frames), self.config.count * len(mended) // len(videos), 1)
        choices = _choice_of_mended(found, self.config.model_copy(update={"count": count}), self.look)
        names = clip_names([video.stem for video in videos])
        part_plan = {**plan, "sources": prints, "every_used": every}
        part = _manifest(
            files, found, choices, part_plan, self.config, names=[names[number] for number in mended]
        )
        return in_order(_joined(before, part), plan["sources"])

    def _search(self, video: Path, scan: Scan, every: int) -> FaceSearch:
        return FaceSearch(
            video=str(video),
            every=every,
            frames=len(scan.ticks),
            shots=tuple(scan.shots or (0,)),
            bars=scan.bars,
            config=self.config,
        )

    def cut(self, manifest: Manifest, videos: list[Path]) -> Manifest:
        """Cut the faces that are listed and not there; what cannot be read any more is taken off the list."""
        missing: dict[int, list[FacePicture]] = defaultdict(list)
        for record in manifest.frames:
            if record.source is None or record.crop is None or (self.out / record.file).exists():
                continue
            picture = FacePicture(index=record.index or 0, file=record.file, matrix=record.crop.matrix)
            missing[record.source].append(picture)
        tasks = []
        for number, pictures in sorted(missing.items()):
            bars = manifest.sources[number].bars or NO_BARS
            cut = FaceCut(
                video=str(videos[number]),
                out=str(self.out),
                size=self.config.size,
                bars=bars,
                pictures=pictures,
                deinterlace=self.config.deinterlace,
            )
            tasks.append(face_cut_task(cut))
        results = self._do("faces cut", tasks, [len(pictures) for _, pictures in sorted(missing.items())])
        for number, values in zip(sorted(missing), results, strict=True):
            if reason := parse(FacesCut, values).bad:
                _log.warning("%s: %s", videos[number].name, reason)
        lost = Counter(record.source for record in manifest.frames if not (self.out / record.file).exists())
        if not lost:
            return manifest
        lines = [
            f"{videos[number].name}: {lost[number]} chosen faces could not be read again"
            for number in sorted(missing)
            if lost[number]
        ]
        frames = [record for record in manifest.frames if (self.out / record.file).exists()]
        return manifest.model_copy(update={"frames": frames, "damaged": [*manifest.damaged, *lines]})


def _wanted(config: FacesConfig, detector: FaceDetector) -> tuple[Look | None, str | None]:
    """The look of the person who is wanted, and the digest of the picture that shows it."""
    if config.only is None:
        return None, None
    look = look_in(config.only, detector)
    return look, hashlib.sha256(read_plain(config.only, follow=True)).hexdigest()


def _chosen(found: list[_Found], config: FacesConfig, look: Look | None) -> list[Choice]:
    tracks = None
    if look is not None:
        tracks, nearest = alike([each.faces for each in found], look)
        if not any(tracks):
            raise DataError(
                f"nobody looks like the face in {config.only} (the nearest is alike by {nearest:.2f}, wanted "
                f"{ALIKE:.2f})",
                "Give a frame of these videos that shows the person, or leave --only out.",
            )
    choices = choose([each.faces.candidates for each in found], config, tracks)
    if not any(choice.taken for choice in choices):
        fix = "Lower --sure, --smallest, --brightness or --sharpness, or raise --turned or --outside."
        raise DataError(_nothing_found(found, choices), fix)
    return choices


def _choice_of_mended(found: list[_Found], config: FacesConfig, look: Look | None) -> list[Choice]:
    """As `_chosen`; where so few videos cannot be split in the way that was asked for, they go to train."""
    faces = [each.faces.candidates for each in found]
    tracks = None if look is None else alike([each.faces for each in found], look)[0]
    try:
        return choose(faces, config, tracks)
    except DataError:
        return choose(faces, config.model_copy(update={"split": "none"}), tracks)


def _joined(before: Manifest, part: Manifest) -> Manifest:
    """The manifest with the videos of another one behind its own, and the people of those behind its own."""
    first, names = len(before.sources), {origin.name for origin in part.sources}
    people = [frame.crop.person for frame in before.frames if frame.crop and frame.crop.person is not None]
    frames = []
    for frame in part.frames:
        person = max(people, default=-1) + 1 + ((frame.crop and frame.crop.person) or 0)
        crop = frame.crop and frame.crop.model_copy(update={"person": person})
        frames.append(frame.model_copy(update={"source": first + (frame.source or 0), "crop": crop}))
    counted = [one for one in before.settings.get("per_source", []) if one["name"] not in names]
    changed = {
        "sources": [*before.sources, *part.sources],
        "frames": [*before.frames, *frames],
        "damaged": [*before.damaged, *part.damaged],
        "settings": before.settings | {"per_source": [*counted, *part.settings["per_source"]]},
    }
    return before.model_copy(update=changed)


def _nothing_found(found: list[_Found], choices: list[Choice]) -> str:
    reasons = sum((choice.reasons for choice in choices), Counter[str]())
    said = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    total = sum(len(each.faces.candidates) for each in found)
    return f"no good face in these videos ({total} found: {said})" if total else "no face in these videos"


def _manifest(
    videos: list[Path],
    found: list[_Found],
    choices: list[Choice],
    plan: dict[str, Any],
    config: FacesConfig,
    *,
    names: Sequence[str] = (),
) -> Manifest:
    """The manifest as it will be when every chosen face has been cut."""
    frames, damaged, sources, counted = [], [], [], []
    names = names or clip_names([video.stem for video in videos])
    people = tell_apart([each.faces for each in found])
    for number, (each, choice, fingerprint) in enumerate(zip(found, choices, plan["sources"], strict=True)):
        scan, title = each.scan, videos[number].name
        bad = scan.bad and [scan.bad.replace(str(videos[number]), "it")]  # no path of this machine
        damaged += [f"{title}: {line}" for line in (bad or each.faces.damaged)]
        facts = {"frames": len(scan.ticks), "duration_seconds": scan.duration}
        bars = None if scan.bars == NO_BARS else scan.bars
        shots = tuple(scan.shots) if scan.shots else None
        sources.append(Origin(**fingerprint, bars=bars, shots=shots, **({} if scan.bad else facts)))
        for face, split in choice.taken:
            record = _record(face, split, number, names[number], config)
            person = people[number, face.track]
            crop = record.crop and record.crop.model_copy(update={"person": person})
            frames.append(record.model_copy(update={"crop": crop}))
        counted.append(
            {
                "name": title,
                "looked_at": each.faces.looked_at,
                "found": len(each.faces.candidates),
                "taken": len(choice.taken),
                "not_taken": dict(sorted(choice.reasons.items())),
            }
        )
    settings = {**plan["settings"], "every_used": plan["every_used"], "per_source": counted}
    return Manifest(reskin=__version__, settings=settings, sources=sources, frames=frames, damaged=damaged)


def _record(face: FaceCandidate, split: Split, source: int, name: str, config: FacesConfig) -> FrameRecord:
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
            filled=face.outside,
        ),
        scores={"sharpness": face.sharpness, "brightness": face.brightness}
        | ({} if face.turned is None else {"turned": face.turned}),
    )
