"""Frames of videos as pictures: train, val and test, with a manifest."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reskin.curation.prepare.assign import Unit, split_by, split_units
from reskin.curation.prepare.config import FramesConfig
from reskin.curation.prepare.picks import default_every, frames_used, pick_frames
from reskin.curation.prepare.process_pool import Workers
from reskin.curation.prepare.videos import Options, Pick, Source, prepare_videos
from reskin.data.manifest import Manifest
from reskin.progress import Report


def prepare_frames(
    videos: Sequence[Path],
    out: Path,
    config: FramesConfig,
    *,
    report: Report | None = None,
    workers: Workers = None,
    add: bool = False,
) -> Manifest:
    """Take frames from videos, resize them and write them as pictures under `out`.

    Pictures go to out/train, out/val and out/test, or straight into `out` for the split "none", with names
    such as clip-000123.png, where the number is the frame's. A damaged video gives what is sound of it, one
    that cannot be read at all nothing; the others do not suffer, and the manifest's `damaged` names both. Run
    again with the same videos and settings, it goes on where it stopped, or finds that all is done; either
    way the manifest is the same, byte for byte, and so it is for any number of processes.

    Args:
        videos: files, in the order they are listed in the manifest; never written to. Equal files count once.
        out: the folder to make.
        config: which frames, their size and the split.
        report: called with the progress: frames looked through for shots, where shots are wanted, then
            pictures made.
        workers: processes, or a Ray cluster; by default one process for each video while there are cores.
        add: add the videos to those the folder was made of: every picture it has stays where it is, `count`
            and the split are for the new ones, and a video that it holds already adds nothing.

    Returns:
        The manifest that was written; its `damaged` says what could not be read.

    Raises:
        DataError: no videos, `out` holds pictures of another kind or settings, or no video can be read.
        SettingsError: times to skip that fit the videos badly, or shots without PySceneDetect.
        VideoError: a file is missing, or the only video cannot be read.
        RunError: another process is working on `out`.
        StorageError: the disk refuses a write; run the same command again afterwards.
    """

    options = Options(workers=workers, add=add, report=report)
    return prepare_videos(videos, out, config, partial(choose_frames, config=config), options)


def choose_frames(
    sources: list[Source], before: Manifest | None, config: FramesConfig
) -> tuple[list[list[Pick]], dict[str, Any]]:
    """Which frames to take of each video; see `reskin.curation.prepare.videos.Choose`."""
    config = config.skipping([source.skip for source in sources])
    times = [source.scan.times() for source in sources]
    shots = [source.scan.shots for source in sources] if config.wants_shots else None
    said: dict[str, Any] = {}
    if (config.every, config.count, config.per_second, config.per_shot) == (None, None, None, None):
        used = frames_used(times, config)
        every = before.settings.get("every_used") if before else default_every(used, times)
        config = config.model_copy(update={"every": every})
    if config.every is not None:
        said["every_used"] = config.every
    after = 0 if before is None else len(before.sources)
    starts = None if shots is None else [of or [0] for of in shots]
    picks = pick_frames(times, config, shots=starts, after=after)
    units = [
        [Unit(of[index], _shot_of(index, scan.scan.shots)) for index in chosen]
        for of, chosen, scan in zip(times, picks, sources, strict=True)
    ]
    by = split_by(units, config, before)
    said["split_used"] = by
    splits = split_units(units, config, by=by, before=before)
    chosen_picks = []
    for number, source in enumerate(sources):
        mine = []
        for index, unit, split in zip(picks[number], units[number], splits[number], strict=True):
            if split is not None:
                folder = "" if by == "none" else f"{split}/"
                file = f"{folder}{source.name}-{index:06d}.{config.format}"
                mine.append(Pick(index, file, split, shot=unit.shot))
        chosen_picks.append(mine)
    return chosen_picks, said


def _shot_of(index: int, starts: Sequence[int] | None) -> int | None:
    return None if starts is None else bisect_right(starts, index) - 1
