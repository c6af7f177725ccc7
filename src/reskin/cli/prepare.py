"""`reskin prepare KIND ...`: videos or pictures as a dataset with splits that do not leak."""

from __future__ import annotations

import importlib
import json
from collections import Counter as Counts
from functools import partial
from pathlib import Path
from typing import Annotated

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show, show_text
from reskin.config import BASIC, Settings
from reskin.curation.prepare.clips import ClipsConfig, choose_clips, prepare_clips
from reskin.curation.prepare.dry_run import DryRun, Expected, dry_run_images, dry_run_videos
from reskin.curation.prepare.frames import FramesConfig, choose_frames, prepare_frames
from reskin.curation.prepare.images import ImagesConfig, prepare_images
from reskin.curation.prepare.presets import FRAMES, with_preset
from reskin.curation.prepare.process_pool import Workers
from reskin.curation.prepare.videos import Options
from reskin.data.manifest import Manifest
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.parsing import Spelled
from reskin.progress import Progress
from reskin.ray_cluster import RayAddress

HELP = """usage: reskin prepare KIND SOURCE... --out FOLDER [OPTIONS]

kinds:
  frames   single frames of videos: every Nth, at random, per second or per shot
  faces    faces cut out of videos
  images   pictures of any sizes, brought to one
  clips    runs of consecutive frames, for Recycle-GAN

examples:
  reskin prepare frames ep1.mkv ep2.mkv --out data/got --preset got_frames --shots
  reskin prepare faces film/*.mp4 --out data/film-faces --count 1000 --size 128
  reskin prepare images crawled/ --out data/castles --size 600x600 --fit cover
  reskin prepare clips a.mp4 --out data/anna --length 3 --size 256

`reskin prepare KIND --help` lists the options. Run the same command again to go on where it stopped."""


class FramesArguments(Settings):
    """Take frames out of videos and split them into train, val and test so that neighbours stay together.

    Run the same command again to go on where it stopped. Exit code 3: a source is damaged, the rest is done.

    Examples:
      reskin prepare frames film.mp4 --out data/film --every 100 --size 640x360
      reskin prepare frames ep1.mkv ep2.mkv --out data/series --per-shot 3 --skip-start 1:30 --skip-end 2:00
      reskin prepare frames ep3.mkv --out data/series --per-shot 3 --skip-start 1:30 --skip-end 2:00 --add
    """

    videos: Annotated[tuple[Path, ...], Spelled(position="VIDEO")]
    """One or more videos of one domain."""
    out: Path
    """The folder to make."""
    frames: FramesConfig
    preset: Annotated[str | None, BASIC] = None
    """Start from the settings of a report: got_frames (every 100th frame at 640x360, 4:1), face_frame_frames
    (1,500 frames at random at 128x128, 8:1:1) or recycle_frames (all frames in order, 14:5). Other options
    still count."""
    add: Annotated[bool, BASIC] = False
    """Add these videos to the folder; every picture it has stays where it is."""
    workers: int | None = None
    """Processes; by default one for each video while there are cores, 0 for none but this one."""
    ray: str | None = None
    """Look through the videos and take pictures out of them on a Ray cluster, HOST:PORT, or auto for that of
    this machine or a new one. Videos and folder lie on a disk that all machines see."""
    dry_run: Annotated[bool, BASIC] = False
    """Only say what would come of it: frames, room on the disk, time; nothing is written."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print a summary as JSON."""


class ClipsArguments(Settings):
    """Take runs of consecutive frames out of videos; no run goes over a cut.

    Every clip is a folder of its own, such as train/anna-000120/, with its frames in order.

    Examples:
      reskin prepare clips a.mp4 --out data/anna --length 3 --size 256
      reskin prepare clips a.mp4 --out data/anna --length 16 --stride 48 --count 500
    """

    videos: Annotated[tuple[Path, ...], Spelled(position="VIDEO")]
    """One or more videos of one domain."""
    out: Path
    """The folder to make."""
    clips: ClipsConfig
    add: Annotated[bool, BASIC] = False
    """Add these videos to the folder; every picture it has stays where it is."""
    workers: int | None = None
    """Processes; by default one for each video while there are cores, 0 for none but this one."""
    ray: str | None = None
    """Look through the videos and take pictures out of them on a Ray cluster, HOST:PORT, or auto for that of
    this machine or a new one. Videos and folder lie on a disk that all machines see."""
    dry_run: Annotated[bool, BASIC] = False
    """Only say what would come of it: frames, room on the disk, time; nothing is written."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print a summary as JSON."""


class ImagesArguments(Settings):
    """Bring a folder of pictures to one size and format; the originals are never changed.

    Run the same command again to go on where it stopped, or after pictures have been added to the folder.

    Examples:
      reskin prepare images crawled/ --out data/castles --size 600x600 --fit cover
      reskin prepare images photos/ --out data/photos --size 256 --format jpg --ratio 4:1
    """

    folder: Annotated[Path, Spelled(position="FOLDER")]
    """The folder of pictures; folders below it count."""
    out: Path
    """The folder to make."""
    images: ImagesConfig
    dry_run: Annotated[bool, BASIC] = False
    """Only say what would come of it: frames, room on the disk, time; nothing is written."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print a summary as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    if words[:1] and words[0] in ("-h", "--help", "--help-all"):
        show_text(HELP)
        return 0
    kinds = {"frames": _frames, "faces": _faces, "images": _images, "clips": _clips}
    if not words or words[0] not in kinds:
        raise SettingsError(
            f"what to prepare is not known ({words[0] if words else 'nothing given'})",
            f"Known: {', '.join(kinds)}. Type: reskin prepare frames VIDEO... --out FOLDER",
        )
    return kinds[words[0]](words[1:])


def _frames(words: list[str]) -> int:
    command = "reskin prepare frames"
    arguments = parse(FramesArguments, words, command=command, merge=lambda given: with_preset(FRAMES, given))
    with Progress("frames") as progress:
        if arguments.dry_run:
            choose = partial(choose_frames, config=arguments.frames)
            options = Options(_workers(arguments), arguments.add, report=progress)
            found = dry_run_videos(
                "frames", arguments.videos, arguments.out, arguments.frames, choose, options
            )
            return show_dry_run(found, arguments.out, as_json=arguments.as_json)
        manifest = prepare_frames(
            arguments.videos,
            arguments.out,
            arguments.frames,
            report=progress,
            workers=_workers(arguments),
            add=arguments.add,
        )
    return _finish(manifest, arguments.out, "frames", as_json=arguments.as_json)


def _clips(words: list[str]) -> int:
    arguments = parse(ClipsArguments, words, command="reskin prepare clips")
    with Progress("frames") as progress:
        if arguments.dry_run:
            choose = partial(choose_clips, config=arguments.clips)
            options = Options(_workers(arguments), arguments.add, report=progress)
            found = dry_run_videos("clips", arguments.videos, arguments.out, arguments.clips, choose, options)
            return show_dry_run(found, arguments.out, as_json=arguments.as_json)
        manifest = prepare_clips(
            arguments.videos,
            arguments.out,
            arguments.clips,
            report=progress,
            workers=_workers(arguments),
            add=arguments.add,
        )
    return _finish(manifest, arguments.out, "frames of clips", as_json=arguments.as_json)


def _workers(arguments: FramesArguments | ClipsArguments) -> Workers:
    if arguments.workers is not None and arguments.ray is not None:
        raise SettingsError("both --workers and --ray are given", "Give one of them.")
    return arguments.workers if arguments.ray is None else RayAddress(arguments.ray)


def _images(words: list[str]) -> int:
    arguments = parse(ImagesArguments, words, command="reskin prepare images")
    if arguments.dry_run:
        found = dry_run_images(arguments.folder, arguments.out, arguments.images)
        return show_dry_run(found, arguments.out, as_json=arguments.as_json)
    with Progress("pictures") as progress:
        manifest = prepare_images(arguments.folder, arguments.out, arguments.images, report=progress)
    return _finish(manifest, arguments.out, "pictures", as_json=arguments.as_json)


def _faces(words: list[str]) -> int:
    code: int = importlib.import_module("reskin.cli.prepare_faces").run(words)
    return code


def _finish(manifest: Manifest, out: Path, what: str, *, as_json: bool) -> int:
    """Say what came out; an error with exit code 3 where something could not be read."""
    splits = Counts(frame.split for frame in manifest.frames)
    counts = {split: splits[split] for split in ("train", "val", "test") if splits[split]}
    if as_json:
        summary = {"out": str(out), "pictures": len(manifest.frames), "splits": counts}
        clips = {frame.clip for frame in manifest.frames if frame.clip is not None}
        summary |= {"clips": len(clips)} if clips else {}
        show_text(json.dumps({**summary, "sources": len(manifest.sources), "damaged": manifest.damaged}))
    progress.result("dataset", out)
    for line in manifest.damaged:
        say(line)
    said = ", ".join(f"{count} {split}" for split, count in counts.items())
    if manifest.damaged:
        raise PartialError(
            f"{len(manifest.frames)} {what} are in {out} ({said}), but {len(manifest.damaged)} sources "
            "or segments could not be read",
            "They are named above; what is sound was used.",
        )
    say(f"done: {out} ({len(manifest.frames)} {what}: {said})")
    return 0


def show_dry_run(found: DryRun, out: Path, *, as_json: bool) -> int:
    """Print what would come of a command; an error with exit code 3 where a source cannot be read."""
    if as_json:
        show_text(json.dumps({"out": str(out), **found.to_dict()}, indent=2))
    else:
        for source in found.sources:
            show(*_expected(source))
        most = "at most " if found.kind == "faces" else ""
        said = ", ".join(f"{found.splits[split]} {split}" for split in found.splits)
        show(
            f"{out} would hold {most}{found.pictures} pictures{f' ({said})' if said else ''}, about "
            f"{_amount(found.megabytes)} ({_amount(found.free_megabytes)} are free), in about "
            f"{_length(found.minutes * 60)}."
        )
    bad = [source for source in found.sources if source.bad]
    if bad:
        what = f"{len(bad)} of {len(found.sources)} sources cannot be read: {bad[0].name}: {bad[0].bad}"
        raise PartialError(what, "They would be left out.")
    return 0


def _expected(source: Expected) -> list[str]:
    if source.bad:
        return [f"{source.name}: cannot be read"]
    facts = []
    if source.frames:
        facts = [f"{source.width}x{source.height}, {source.frames} frames, {_length(source.seconds)}"]
    edges = zip(source.bars, ("left", "top", "right", "bottom"), strict=True)
    bars = ", ".join(f"{px} px {edge}" for px, edge in edges if px)
    facts += [f"black bars to cut: {bars}"] if bars else []
    size = f" of {source.picture_size[0]}x{source.picture_size[1]} px" if source.picture_size else ""
    facts.append(f"{source.take} pictures{size}, about {_amount(source.megabytes)}")
    shown = [
        str(example["file"]) if "file" in example else f"{example['seconds']:.2f} s"
        for example in source.examples
    ]
    facts += [f"such as {', '.join(shown)}"] if shown else []
    return [f"{source.name}: {'; '.join(facts)}", *(f"  {note}" for note in source.notes)]


def _amount(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.2g} MB"


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
