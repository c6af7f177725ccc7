"""What a command that prepares would do: timed on a few pictures, which are thrown away again."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reskin.curation.prepare.config import ImagesConfig, PictureConfig, VideoConfig
from reskin.curation.prepare.extract import Extracted, Job
from reskin.curation.prepare.face_search import FaceSearch
from reskin.curation.prepare.faces_choice import shared_out
from reskin.curation.prepare.faces_config import FacesConfig
from reskin.curation.prepare.images import planned_splits
from reskin.curation.prepare.picks import clip_names
from reskin.curation.prepare.plan import fingerprints, without_equal_files
from reskin.curation.prepare.process_pool import ProcessPool, TotalProgress, Workers, num_workers
from reskin.curation.prepare.scan import Scan
from reskin.curation.prepare.shape import shaped
from reskin.curation.prepare.tasks import extract_task, face_search_task, scan_task
from reskin.curation.prepare.videos import Choose, Options, Pick, Source
from reskin.data.folders import count_left_out, list_pictures
from reskin.data.manifest import read_manifest
from reskin.errors import DataError, ImageError, SettingsError
from reskin.faces.detectors import open_detector
from reskin.images import opened_image, write_image
from reskin.parsing import parse
from reskin.progress import Report
from reskin.ray_cluster import RayAddress
from reskin.spread import spread
from reskin.threads import num_cores
from reskin.types import NO_BARS, Bars, Split

Deinterlace = Literal["auto", "on", "off"]

SAMPLES = 12
"""Pictures of each source that are made to see how large they are and how long they take."""
EXAMPLES = 3
SPLITS: tuple[Split, ...] = ("train", "val", "test")
_LOOKS_PER_FACE = 4


@dataclass
class Expected:
    """What would come of one source.

    Attributes:
        name: of the file or folder.
        width: of its frames, upright, px; 0 for a folder of pictures, as are the next four.
        height: likewise.
        frames: how many it has.
        seconds: how long it is.
        bars: black bars that would be cut away: left, top, right, bottom, px.
        take: pictures that would be made; for faces the most.
        picture_size: their width and height, px; None where it differs from picture to picture.
        megabytes: what they would take, in millions of bytes.
        minutes: about how long it would take with the others beside it.
        examples: which pictures: the number of the frame and its time, or the name of the file.
        notes: what a user should know.
        bad: why nothing can be taken.
    """

    name: str
    width: int = 0
    height: int = 0
    frames: int = 0
    seconds: float = 0.0
    bars: Bars = NO_BARS
    take: int = 0
    picture_size: tuple[int, int] | None = None
    megabytes: float = 0.0
    minutes: float = 0.0
    examples: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bad: str | None = None


@dataclass
class DryRun:
    """What a command would do.

    Attributes:
        kind: "frames", "clips", "faces" or "images".
        sources: what would come of each.
        splits: pictures of each split; empty where they cannot be known before.
        minutes: about how long it would take in all.
        free_megabytes: room on the disk, in millions of bytes.
    """

    kind: str
    sources: list[Expected]
    splits: dict[Split, int]
    minutes: float
    free_megabytes: float

    @property
    def pictures(self) -> int:
        """How many pictures would be made; for faces the most."""
        return sum(source.take for source in self.sources)

    @property
    def megabytes(self) -> float:
        """What they would take, in millions of bytes."""
        return sum(source.megabytes for source in self.sources)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        sources = []
        for source in self.sources:
            size = list(source.picture_size) if source.picture_size else None
            bars = dict(zip(("left", "top", "right", "bottom"), source.bars, strict=True))
            rounded = {name: round(getattr(source, name), 6) for name in ("seconds", "megabytes", "minutes")}
            sources.append({**vars(source), "bars": bars, "picture_size": size, **rounded})
        return {
            "kind": self.kind,
            "pictures": self.pictures,
            "splits": self.splits,
            "megabytes": round(self.megabytes, 6),
            "minutes": round(self.minutes, 6),
            "free_megabytes": round(self.free_megabytes, 1),
            "sources": sources,
        }


def dry_run_videos(
    kind: str, videos: Sequence[Path], out: Path, config: VideoConfig, choose: Choose, options: Options
) -> DryRun:
    """What `prepare_frames` or `prepare_clips` would do.

    Each video is looked through as in earnest, and some of its pictures are made in a temporary folder.

    Args:
        kind: "frames" or "clips".
        videos: the files.
        out: the folder that would be made; with `options.add`, what it holds decides splits.
        config: size, fit, format, and what is skipped.
        choose: which frames; see `reskin.curation.prepare.videos`.
        options: workers, whether to add, and who is called with the progress.

    Raises:
        SettingsError: a Ray cluster is named.
        DataError: no videos, or settings that do not fit them.
        VideoError: a file is missing.
    """
    workers = _on_this_machine(options.workers)
    with _Looking(videos, workers) as looking:
        skips = config.skipped(len(looking.videos))
        scans = looking.scan(skips, config, options)
        good = [number for number, scan in enumerate(scans) if scan.bad is None]
        names = clip_names([video.stem for video in looking.videos])
        before = read_manifest(out) if options.add else None
        first = 0 if before is None else len(before.sources)
        sources = [Source(first + number, names[number], scans[number], skips[number]) for number in good]
        chosen = choose(sources, before)[0] if good else []
        picks: list[list[Pick]] = [[] for _ in scans]
        for number, mine in zip(good, chosen, strict=True):
            picks[number] = mine
        found = []
        for number, (scan, mine) in enumerate(zip(scans, picks, strict=True)):
            expected = _facts(looking.videos[number], scan)
            if mine:
                expected.take = len(mine)
                expected.picture_size = config.shape(scan.width, scan.height, scan.bars).size
                seconds, size, bad = looking.sample(
                    number, mine, scan.bars, config.picture_part(), config.deinterlace
                )
                _fill(expected, [pick.index for pick in mine], scan, seconds=seconds, size=size)
                expected.bad = bad
            found.append(expected)
        counts = Counter(pick.split for mine in picks for pick in mine)
        splits = {split: counts[split] for split in SPLITS if counts[split]}
        minutes = looking.minutes_of(found)
    return DryRun(kind, found, splits, minutes, _free(out))


def dry_run_faces(
    videos: Sequence[Path],
    out: Path,
    config: FacesConfig,
    *,
    workers: Workers = None,
    report: Report | None = None,
) -> DryRun:
    """What `prepare_faces` would do; how many faces there are is not known before they are searched for.

    Raises:
        SettingsError: a Ray cluster is named.
        DataError: no videos.
        VideoError: a file is missing.
        WeightsError: no face detector can be had.
    """
    here = _on_this_machine(workers)
    open_detector(config.detector)
    pictures = PictureConfig(size=f"{config.size}x{config.size}", fit="cover", format=config.format)
    look = VideoConfig(letterbox="cut", split="block")
    with _Looking(videos, here) as looking:
        scans = looking.scan([(0.0, 0.0)] * len(looking.videos), look, Options(report=report))
        total = sum(len(scan.ticks) for scan in scans)
        every = config.every or max(1, total // (_LOOKS_PER_FACE * config.count))
        found = []
        for number, scan in enumerate(scans):
            expected = _facts(looking.videos[number], scan)
            searched = list(range(0, len(scan.ticks), every))
            if searched:
                seconds, bad = looking.search(number, scan, every, config)
                _, size, _ = looking.sample(
                    number, [Pick(i, f"{i}.{config.format}", "train") for i in searched], scan.bars, pictures
                )
                expected.take = min(len(searched), config.count) if config.faces == "one" else config.count
                expected.picture_size = (config.size, config.size)
                _fill(expected, searched, scan, seconds=seconds, size=size)
                expected.minutes += len(searched) * seconds / 60
                expected.notes.append(f"{len(searched)} frames would be searched, every {every}.")
                expected.bad = bad
            found.append(expected)
        _share(found, config.count)
        minutes = looking.minutes_of(found)
    return DryRun("faces", found, {}, minutes, _free(out))


def dry_run_images(folder: Path, out: Path, config: ImagesConfig) -> DryRun:
    """What `prepare_images` would do in a new folder.

    Raises:
        DataError: there are no pictures.
    """
    listing = list_pictures(folder)
    files = listing.images
    if not files:
        raise DataError(f"there are no pictures in {folder}", "Check the name.")
    chosen = [files[place] for place in spread(len(files), SAMPLES)]
    expected = Expected(folder.name, take=len(files))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="reskin-") as made:
        results = [
            _made(path, Path(made) / f"{number}.{config.format}", config)
            for number, path in enumerate(chosen)
        ]
    sizes = [result[0] for result in results if not isinstance(result, str)]
    shapes = {result[1] for result in results if not isinstance(result, str)}
    expected.notes += [result for result in results if isinstance(result, str)]
    expected.notes += [count_left_out(listing.left_out)] if listing.left_out else []
    seconds = (time.perf_counter() - start) / len(chosen)
    expected.megabytes = len(files) * sum(sizes) / max(1, len(sizes)) / 1e6
    expected.minutes = len(files) * seconds / 60 / num_cores()
    expected.picture_size = shapes.pop() if len(shapes) == 1 else None
    shown = [files[place] for place in spread(len(files), EXAMPLES)]
    expected.examples = [{"file": path.relative_to(folder).as_posix()} for path in shown]
    counts = planned_splits(folder, [path.relative_to(folder).as_posix() for path in files], config)
    splits = {split: counts[split] for split in SPLITS if counts[split]}
    return DryRun("images", [expected], splits, expected.minutes, _free(out))


def _made(path: Path, file: Path, config: ImagesConfig) -> tuple[int, tuple[int, int]] | str:
    """Bytes, width and height of the picture made of one; or why it cannot be read."""
    try:
        with opened_image(path) as image:
            shape = config.shape(image.shape[1], image.shape[0])
            write_image(file, shaped(image, shape))
    except ImageError as error:
        return str(error)
    return file.stat().st_size, shape.size


def _on_this_machine(workers: Workers) -> int | None:
    """How many processes.

    Raises:
        SettingsError: a cluster is named.
    """
    if isinstance(workers, RayAddress):
        raise SettingsError("a dry run is made on this machine alone", "Leave --ray or --dry-run out.")
    return workers


class _Looking:
    """Videos while they are looked through, and a temporary folder for what is made of them meanwhile."""

    def __init__(self, videos: Sequence[Path], workers: int | None) -> None:
        if not videos:
            raise DataError("no videos were given", "Name at least one.")
        paths = [Path(video) for video in videos]
        self.videos, self._prints = without_equal_files(paths, fingerprints(paths))
        self.workers = num_workers(self.videos, workers)
        self._pool = ProcessPool(self.workers)
        self._scan_seconds = 0.0

    def __enter__(self) -> _Looking:
        self._folder = tempfile.TemporaryDirectory(prefix="reskin-")
        self._pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._pool.__exit__(*error)
        self._folder.cleanup()

    def scan(self, skips: list[tuple[float, float]], config: VideoConfig, options: Options) -> list[Scan]:
        """Look through all videos."""
        start = time.perf_counter()
        tasks = [
            scan_task(
                video,
                Path(self._folder.name) / f"{number}.scan.json",
                shots=config.wants_shots,
                bars=config.letterbox == "cut",
                skip=skips[number],
            )
            for number, video in enumerate(self.videos)
        ]
        sizes = [max(1, one["size_bytes"]) for one in self._prints]
        progress = TotalProgress(options.report, "frames looked through", sizes)
        scans = [parse(Scan, values) for values in self._pool.run(tasks, progress.update)]
        self._scan_seconds = time.perf_counter() - start
        return scans

    def sample(
        self,
        number: int,
        picks: Sequence[Pick],
        bars: Bars,
        config: PictureConfig,
        deinterlace: Deinterlace = "auto",
    ) -> tuple[float, float, str | None]:
        """Seconds and bytes of a picture, from some in the middle of a video; and why there are none."""
        start = max(0, (len(picks) - SAMPLES) // 2)
        some = {pick.index for pick in picks[start : start + SAMPLES]}
        folder = Path(self._folder.name) / f"{number}"
        folder.mkdir()
        job = Job(
            video=str(self.videos[number]),
            out=str(folder),
            state=str(folder / "state.json"),
            files={index: (f"{index}.{config.format}",) for index in some},
            bars=bars,
            deinterlace=deinterlace,
            config=config,
        )
        seconds, values = self._timed(extract_task(job))
        bad = parse(Extracted, values).bad
        sizes = [path.stat().st_size for path in folder.glob(f"*.{config.format}")]
        return seconds, sum(sizes) / max(1, len(sizes)), bad

    def search(self, number: int, scan: Scan, every: int, config: FacesConfig) -> tuple[float, str | None]:
        """Seconds to search a frame for faces; and why none can be searched."""
        search = FaceSearch(
            video=str(self.videos[number]),
            every=every,
            frames=min(len(scan.ticks), SAMPLES * every),
            shots=(0,),
            bars=scan.bars,
            config=config,
        )
        state = Path(self._folder.name) / f"{number}.faces.json"
        seconds, values = self._timed(face_search_task(search, state))
        return seconds, values["bad"]

    def _timed(self, task: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Seconds from one thing done to the next, and the result of a task."""
        moments: list[tuple[float, int]] = []
        begun = time.perf_counter()

        def note(_: int, done: int, *__: Any) -> None:
            moments.append((time.perf_counter(), done))

        [values] = self._pool.run([task], note)
        first = next(((at, done) for at, done in moments if done), (begun, 0))
        last = moments[-1] if moments else (time.perf_counter(), 1)
        if last[1] > first[1]:
            return (last[0] - first[0]) / (last[1] - first[1]), values
        return time.perf_counter() - begun, values

    def minutes_of(self, found: Sequence[Expected]) -> float:
        """How long all takes: as much at a time as there are processes, and looking through once more."""
        apart = [source.minutes for source in found]
        together = max(max(apart, default=0.0), sum(apart) / max(1, self.workers))
        return together + self._scan_seconds / 60


def _facts(video: Path, scan: Scan) -> Expected:
    times = scan.times()
    seconds = scan.duration if scan.duration is not None else float(times[-1] - times[0]) if times else 0.0
    return Expected(
        video.name,
        width=scan.width,
        height=scan.height,
        frames=len(scan.ticks),
        seconds=seconds,
        bars=scan.bars,
        notes=list(scan.notes),
        bad=scan.bad,
    )


def _fill(expected: Expected, frames: Sequence[int], scan: Scan, *, seconds: float, size: float) -> None:
    """What `take` pictures need, and three of the frames, spread over them."""
    times = scan.times()
    expected.megabytes, expected.minutes = expected.take * size / 1e6, expected.take * seconds / 60
    shown = [frames[place] for place in spread(len(frames), EXAMPLES)]
    expected.examples = [{"frame": index, "seconds": round(float(times[index]), 3)} for index in shown]


def _share(found: Sequence[Expected], count: int) -> None:
    """No more faces in all than are asked for."""
    for source, quota in zip(found, shared_out([source.take for source in found], count), strict=True):
        source.megabytes *= quota / source.take if source.take else 0.0
        source.take = quota


def _free(out: Path) -> float:
    """Millions of bytes that are free where `out` would be made."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free / 1e6
