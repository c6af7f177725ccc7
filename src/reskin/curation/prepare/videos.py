"""Videos to a folder of pictures with a manifest; stopping and running again goes on.

A run keeps its state in a hidden folder beside the pictures: the plan it works to, what was found in each
video, and for each video that is done what came out of it. A video that was stopped in the middle is decoded
again, because only a whole pass shows its damage reliably, but pictures that exist are not written again. The
manifest comes last, and with it the state goes: where there is a manifest, everything in it is there.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from reskin.curation.moves import finish_moves
from reskin.curation.prepare.config import VideoConfig
from reskin.curation.prepare.extract import Extracted, Job
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
from reskin.curation.prepare.shape import ASPECT_TOLERANCE
from reskin.curation.prepare.tasks import extract_task, scan_task
from reskin.data.folders import unique_names
from reskin.data.manifest import FrameRecord, Manifest, Origin, check_made, read_manifest, write_manifest
from reskin.errors import DataError
from reskin.parsing import parse
from reskin.progress import Report
from reskin.storage import lock, remove_leftovers
from reskin.types import NO_BARS, Split
from reskin.version import __version__

_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class Source:
    """A video that can be read."""

    number: int
    """Its position in the manifest's sources."""
    name: str
    """What its pictures are called."""
    scan: Scan
    skip: tuple[float, float] = (0.0, 0.0)
    """Seconds to leave out at its start and its end."""


@dataclass(frozen=True)
class Pick:
    """A picture to make."""

    index: int
    """Number of the frame."""
    file: str
    """Path of the picture below the dataset's folder."""
    split: Split
    shot: int | None = None
    clip: int | None = None


Choose = Callable[[list[Source], Manifest | None], tuple[list[list[Pick]], dict[str, Any]]]
"""From the videos that can be read and what the dataset holds: for each video its pictures, and what the
manifest's settings should say besides the settings that were given."""


@dataclass(frozen=True)
class Options:
    """How to go about it; none of this changes what comes out, but `add`.

    Attributes:
        workers: processes, or a Ray cluster; None for one process for each video while there are cores.
        add: add the videos to what the folder holds.
        report: called with the progress: frames looked through for shots, then pictures made.
        names_flags: whether what is said may name options of `reskin prepare`.
    """

    workers: Workers = None
    add: bool = False
    report: Report | None = None
    names_flags: bool = True


def prepare_videos(
    videos: Sequence[Path], out: Path, config: VideoConfig, choose: Choose, options: Options
) -> Manifest:
    """Make the pictures that `choose` names out of videos, or go on making them.

    Raises:
        DataError: no videos, `out` holds pictures of another kind or settings, or no video can be read.
        VideoError: a file is missing, or the only video cannot be read.
        RunError: another process is working on `out`.
        StorageError: the disk refuses a write; run the same command again afterwards.
    """
    if not videos:
        raise DataError("no videos were given", "Name at least one.")
    paths = [Path(video) for video in videos]
    skips = config.skipped(len(paths))  # refuses before any work is done
    prints = fingerprints(paths)
    with lock(out):
        finish_moves(out)
        before = read_manifest(out)
        skip_of = dict(zip(paths, skips, strict=True))
        paths, prints = without_equal_files(paths, prints)
        plan = {"settings": config.to_dict(), "sources": prints}
        mended = [] if before is None or options.add else mended_sources(before, prints)
        if before is not None and mended:
            before = without_sources(before, mended)
            check_manifest(before, plan, out, add=True)
            paths = [paths[number] for number in mended]
            plan["sources"] = [prints[number] for number in mended]
        elif before is not None:
            check_manifest(before, plan, out, add=options.add)
            known = {origin.sha256 for origin in before.sources}
            new = [number for number, print_ in enumerate(prints) if print_["sha256"] not in known]
            if not options.add or not new:
                return _whole(paths, out, config, before, plan, options)
            paths = [paths[number] for number in new]
            plan["sources"] = [prints[number] for number in new]
        begin(out, plan)
        with open_pool(paths, options.workers) as pool:
            run = _Run(out, plan, config, before, pool=pool, options=options)
            run.order, run.skips = (prints if mended else []), [skip_of[path] for path in paths]
            return run.manifest(paths, choose)


def _whole(
    videos: list[Path],
    out: Path,
    config: VideoConfig,
    manifest: Manifest,
    plan: dict[str, Any],
    options: Options,
) -> Manifest:
    """The manifest, after pictures that it lists and somebody removed have been made again."""
    shutil.rmtree(out / STATE, ignore_errors=True)  # a kill came between the manifest and this
    total = len(manifest.frames)
    missing = [frame for frame in manifest.frames if not (out / frame.file).exists()]
    if missing:
        _log.info("%s: %d of %d pictures are missing and are made again", out, len(missing), total)
        files: dict[int, dict[int, tuple[str, ...]]] = defaultdict(dict)  # of each source, by frame
        for frame in missing:
            if frame.source is not None and frame.index is not None:
                mine = files[frame.source]
                mine[frame.index] = (*mine.get(frame.index, ()), frame.file)
        where = {print_["sha256"]: video for print_, video in zip(plan["sources"], videos, strict=True)}
        tasks = [
            extract_task(
                _job(where[origin.sha256], out, number, files[number], config, origin.bars or NO_BARS)
            )
            for number, origin in enumerate(manifest.sources)
            if number in files and origin.sha256 in where
        ]
        with open_pool(videos, options.workers) as pool:
            pool.run(tasks, lambda *_: None)
        shutil.rmtree(out / STATE, ignore_errors=True)
    if options.report is not None:
        options.report(total, total, "frames")
    return manifest


def _job(
    video: Path,
    out: Path,
    number: int,
    files: dict[int, tuple[str, ...]],
    config: VideoConfig,
    bars: tuple[int, int, int, int],
) -> Job:
    state = out / STATE / f"{number:04d}.json"
    return Job(
        video=str(video),
        out=str(out),
        state=str(state),
        files=files,
        bars=bars,
        config=config.picture_part(),
        deinterlace=config.deinterlace,
    )


def _in_words(scans: Sequence[Scan]) -> str:
    """How long the longest shot is, where shots were asked for."""
    cut = [(*scan.shots, len(scan.ticks)) for scan in scans if scan.shots]
    longest = max((end - start for ends in cut for start, end in pairwise(ends)), default=0)
    return f" (no shot is longer than {longest} frames)" if longest else ""


class _Run:
    """One run over videos that the dataset does not hold yet."""

    def __init__(
        self,
        out: Path,
        plan: dict[str, Any],
        config: VideoConfig,
        before: Manifest | None,
        *,
        pool: ProcessPool | RayPool,
        options: Options,
    ) -> None:
        self.out, self.plan, self.config, self.before = out, plan, config, before
        self.pool, self.options = pool, options
        self.first = 0 if before is None else len(before.sources)
        self.videos: list[Path] = []
        self.skips: list[tuple[float, float]] = []
        self.order: list[dict[str, Any]] = []

    def manifest(self, videos: list[Path], choose: Choose) -> Manifest:
        """Do all of it."""
        self.videos = videos
        scans = self._scans()
        refuse_if_all_bad([scan.bad for scan in scans], self.out)
        self._name_left_out([scan.bad for scan in scans])
        names = self._names()
        good = [number for number, scan in enumerate(scans) if scan.bad is None]
        sources = [
            Source(self.first + number, names[number], scans[number], self.skips[number]) for number in good
        ]
        chosen, settings = choose(sources, self.before)
        picks: list[list[Pick]] = [[] for _ in scans]
        for number, mine in zip(good, chosen, strict=True):
            picks[number] = mine
        if not any(picks):
            what = f"nothing is left to take from {self.videos[0].name}{_in_words(scans)}"
            raise DataError(what, "Skip less with --skip-start and --skip-end, or ask for shorter clips.")
        results = self._extracted(scans, picks)
        refuse_if_all_bad([one.bad or other.bad for one, other in zip(scans, results, strict=True)], self.out)
        self._name_left_out([result.bad for result in results])
        made = self._assembled(scans, picks, results, settings)
        if self.order:
            made = in_order(made, self.order)
        check_made(self.out, [frame.file for frame in made.frames])
        write_manifest(self.out, made)
        for folder in {self.out, *((self.out / frame.file).parent for frame in made.frames)}:
            remove_leftovers(folder)  # of processes that outlived a killed run by a moment
        shutil.rmtree(self.out / STATE)
        return made

    def _scans(self) -> list[Scan]:
        wants_shots, wants_bars = self.config.wants_shots, self.config.letterbox == "cut"
        tasks = [
            scan_task(
                video,
                self.out / STATE / f"{self.first + number:04d}.scan.json",
                shots=wants_shots,
                bars=wants_bars,
                skip=self.skips[number],
            )
            for number, video in enumerate(self.videos)
        ]
        sizes = [max(1, print_["size_bytes"]) for print_ in self.plan["sources"]]
        progress = TotalProgress(self.options.report, "frames looked through", sizes)
        found = self.pool.run(tasks, progress.update)
        scans = [parse(Scan, values) for values in found]
        for video, scan in zip(self.videos, scans, strict=True):
            self._say(video, scan)
        return scans

    def _say(self, video: Path, scan: Scan) -> None:
        for note in scan.notes:
            _log.info("%s: %s", video.name, note)
        if scan.bad:
            return
        if scan.bars != NO_BARS:
            sides = zip(scan.bars, ("left", "top", "right", "bottom"), strict=True)
            said = ", ".join(f"{px} px {side}" for px, side in sides if px)
            fix = "; --letterbox keep keeps them" if self.options.names_flags else ""
            _log.info("%s: black bars are cut away (%s)%s", video.name, said, fix)
        change = self.config.shape(scan.width, scan.height, scan.bars).aspect_change
        if self.config.fit == "exact" and abs(change) > ASPECT_TOLERANCE:
            how = f"{'wider' if change > 0 else 'narrower'} by {abs(change):.0%}"
            _log.warning(
                "%s: the pictures get %s than filmed; --fit cover or inside avoids it", video.name, how
            )

    def _name_left_out(self, reasons: Sequence[str | None]) -> None:
        """While the others are worked on; the reasons are said once, at the end, from the manifest."""
        for video, reason in zip(self.videos, reasons, strict=True):
            if reason:
                _log.warning("%s cannot be read and is left out", video.name)

    def _names(self) -> list[str]:
        """What the pictures of each new video are called; no name that the dataset uses already."""
        stems = clip_names([video.stem for video in self.videos])
        used = sorted({_name_of(frame) for frame in self.before.frames} if self.before else set())
        return unique_names([*used, *stems])[len(used) :]

    def _extracted(self, scans: list[Scan], picks: list[list[Pick]]) -> list[Extracted]:
        results = [Extracted(frames=[], damaged=[]) for _ in scans]
        todo = [number for number, mine in enumerate(picks) if mine]
        tasks = []
        for number in todo:
            files: dict[int, tuple[str, ...]] = {}
            for pick in picks[number]:
                files[pick.index] = (*files.get(pick.index, ()), pick.file)
            video, bars = self.videos[number], scans[number].bars
            tasks.append(extract_task(_job(video, self.out, self.first + number, files, self.config, bars)))
        counts = [len(task["job"]["files"]) for task in tasks]
        progress = TotalProgress(self.options.report, "frames", counts, is_exact=True)
        found = self.pool.run(tasks, progress.update)
        for number, values in zip(todo, found, strict=True):
            results[number] = parse(Extracted, values)
        return results

    def _assembled(
        self,
        scans: list[Scan],
        picks: list[list[Pick]],
        results: list[Extracted],
        settings: dict[str, Any],
    ) -> Manifest:
        sources, frames, damaged = [], [], []
        for number, (scan, result) in enumerate(zip(scans, results, strict=True)):
            print_, video = self.plan["sources"][number], self.videos[number]
            if bad := scan.bad or result.bad:
                sources.append(Origin(**print_))
                damaged.append(_bad_line(video, bad))
                continue
            damaged += [f"{video.name}: {line}" for line in result.damaged]
            sources.append(
                Origin(
                    **print_,
                    frames=len(scan.ticks),
                    duration_seconds=scan.duration,
                    shots=None if scan.shots is None else tuple(scan.shots),
                    bars=None if scan.bars == NO_BARS else scan.bars,
                )
            )
            frames += self._records(self.first + number, picks[number], dict(result.frames))
        if self.before is not None:
            frames, damaged = [*self.before.frames, *frames], [*self.before.damaged, *damaged]
            return self.before.model_copy(
                update={"sources": [*self.before.sources, *sources], "frames": frames, "damaged": damaged}
            )
        return Manifest(
            reskin=__version__,
            settings={**self.plan["settings"], **settings},
            sources=sources,
            frames=frames,
            damaged=damaged,
        )

    def _records(self, source: int, picks: list[Pick], times: dict[int, str]) -> list[FrameRecord]:
        """The records of the pictures that were made; a clip that misses a frame is removed."""
        torn = {pick.clip for pick in picks if pick.clip is not None and pick.index not in times}
        records = []
        for pick in picks:
            if pick.clip is not None and pick.clip in torn:
                (self.out / pick.file).unlink(missing_ok=True)
            elif pick.index in times:
                time = times[pick.index]
                records.append(
                    FrameRecord(
                        file=pick.file,
                        source=source,
                        index=pick.index,
                        time=time,
                        seconds=float(Fraction(time)),
                        split=pick.split,
                        shot=pick.shot,
                        clip=pick.clip,
                    )
                )
        return records


def _bad_line(video: Path, reason: str) -> str:
    line = reason.replace(str(video), video.name)
    return line if line.startswith(video.name) else f"{video.name}: {line}"


def _name_of(frame: FrameRecord) -> str:
    path = PurePosixPath(frame.file)
    return re.sub(r"-[0-9]+$", "", path.stem if frame.clip is None else path.parent.name)
