"""Videos to folders of pictures: train, val and test, with a manifest; stopping and running again goes on.

A run keeps its state in a hidden folder beside the pictures: the plan it works to, and for each video that is
done what came out of it. A video that was stopped in the middle is decoded again, because only a whole pass
tells its damage reliably, but pictures that exist are not written again. The manifest comes last, and with
it the state goes: where there is a manifest, everything is there.
"""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reskin import __version__
from reskin.config import read_json, write_json
from reskin.data.folders import list_images
from reskin.data.manifest import FrameRecord, Manifest, Origin, file_digest, read_manifest, write_manifest
from reskin.data.prepare.config import FramesConfig
from reskin.data.prepare.picks import clip_names, default_every, mean_spacing, pick_frames
from reskin.data.split import assign_splits, guard_frames
from reskin.errors import DataError
from reskin.images import Picture, write_image
from reskin.storage import lock, remove_leftovers
from reskin.types import Split

__all__ = ["FramesConfig", "prepare_frames"]

Report = Callable[[int, int], None]
"""Told after each picture how many of how many are done."""

_STATE = ".prepare"
_WRITERS = 3
_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class _Clip:
    """What is to be taken from one video: for each frame number the picture's path and split."""

    video: Path
    files: dict[int, tuple[Path, Split]]
    state: Path


def prepare_frames(
    videos: Sequence[Path], out: Path, config: FramesConfig, *, report: Report | None = None
) -> Manifest:
    """Take frames from videos, resize them and write them as pictures under `out`.

    Pictures go to out/train, out/val and out/test, or straight into `out` for the split "none", with names
    such as clip-000123.png, where the number is the frame's. A damaged video gives what is sound of it; the
    damage is in the manifest. Run again with the same videos and settings, it goes on where it stopped, or
    finds that all is done; either way the manifest is the same, byte for byte.

    Args:
        videos: files, in the order they are listed in the manifest; never written to.
        out: the folder to make.
        config: which frames, their size and the split.
        report: told about progress.

    Returns:
        The manifest that was written; its `damaged` says what could not be read.

    Raises:
        DataError: no videos, `out` holds pictures of another kind or settings, or not one frame can be read.
        VideoError: a file is missing, no video, or cannot be read at all.
        RunError: another process is working on `out`.
        StorageError: the disk refuses a write; run the same command again afterwards.
    """
    if not videos:
        raise DataError("no videos were given", "Name at least one.")
    plan = {"settings": config.to_dict(), "sources": [_fingerprint(Path(video)) for video in videos]}
    with lock(out):
        done = _finished(out, plan)
        if done is None:
            _begin(out, plan)
            done = _extract([Path(video) for video in videos], out, config, plan=plan, report=report)
        elif report:
            report(len(done.frames), len(done.frames))
    return done


def _fingerprint(video: Path) -> dict[str, Any]:
    from reskin.video.source import check_is_file

    check_is_file(video)
    return {"name": video.name, "sha256": file_digest(video), "size_bytes": video.stat().st_size}


def _finished(out: Path, plan: dict[str, Any]) -> Manifest | None:
    """The manifest, if all it lists is there; None if there is work to do.

    Raises:
        DataError: the folder was made of other videos or with other settings.
    """
    manifest = read_manifest(out)
    if manifest is None:
        return None
    made = {key: value for key, value in manifest.settings.items() if key in plan["settings"]}
    names = ("name", "sha256", "size_bytes")
    sources = [{name: getattr(source, name) for name in names} for source in manifest.sources]
    _check_same({"settings": made, "sources": sources}, plan, out)
    missing = sum(not (out / frame.file).exists() for frame in manifest.frames)
    if missing:
        _log.info("%s: %d of %d pictures are missing and are made again", out, missing, len(manifest.frames))
        return None
    shutil.rmtree(out / _STATE, ignore_errors=True)  # a kill came between the manifest and this
    return manifest


def _begin(out: Path, plan: dict[str, Any]) -> None:
    """Check that `out` is ours or empty, write down the plan, and clear away what a kill left."""
    plan_file = out / _STATE / "plan.json"
    if plan_file.exists():
        _check_same(read_json(plan_file), plan, out)
    elif read_manifest(out) is None and list_images(out):
        what = f"{out} holds pictures that were not made by this command"
        raise DataError(what, "Choose an empty or new folder with --out.")
    write_json(plan_file, plan)
    for folder in (out, out / "train", out / "val", out / "test", out / _STATE):
        remove_leftovers(folder)


def _check_same(made: dict[str, Any], asked: dict[str, Any], out: Path) -> None:
    if made == asked:
        return
    before, now = made.get("settings", {}), asked["settings"]
    differences = [
        f"{key} was {before.get(key)}, now {now[key]}" for key in now if before.get(key) != now[key]
    ]
    if made.get("sources") != asked["sources"]:
        names = [", ".join(source["name"] for source in plan.get("sources", [])) for plan in (made, asked)]
        same = f"the contents of {names[0]} have changed"
        differences.append(same if names[0] == names[1] else f"videos were {names[0]}, now {names[1]}")
    what = f"{out} was made with other settings ({'; '.join(differences) or 'of another version'})"
    raise DataError(what, "Choose another folder with --out, or remove this one.")


def _extract(
    videos: list[Path], out: Path, config: FramesConfig, *, plan: dict[str, Any], report: Report | None
) -> Manifest:
    """Decode, write, and finish with the manifest."""
    from reskin.video.reader import VideoReader

    times, durations = [], []
    for video in videos:
        with VideoReader(video) as reader:
            times.append(reader.times())
            durations.append(reader.info.duration)
    clips = _plan_clips(videos, times, out, config)
    progress = _Progress(sum(len(clip.files) for clip in clips), report)
    results = [_extract_clip(clip, config, progress) for clip in clips]
    frames, damaged = [], []
    for number, (clip, result) in enumerate(zip(clips, results, strict=True)):
        damaged += [f"{clip.video.name}: {line}" for line in result["damaged"]]
        for index, time in result["frames"]:
            path, split = clip.files[index]
            file, seconds = path.relative_to(out).as_posix(), float(Fraction(time))
            frames.append(
                FrameRecord(file=file, source=number, index=index, time=time, seconds=seconds, split=split)
            )
    if not frames:
        raise DataError(f"no frame of {videos[0]} can be read", "Copy the videos again.")
    settings = dict(plan["settings"])
    if config.count is None and config.per_second is None:
        settings["every_used"] = config.every or default_every(times)
    sources = [
        Origin(**fingerprint, frames=len(of), duration_seconds=None if length is None else float(length))
        for fingerprint, of, length in zip(plan["sources"], times, durations, strict=True)
    ]
    manifest = Manifest(
        reskin=__version__, settings=settings, sources=sources, frames=frames, damaged=damaged
    )
    write_manifest(out, manifest)
    shutil.rmtree(out / _STATE)
    return manifest


def _plan_clips(
    videos: list[Path], times: list[list[Fraction]], out: Path, config: FramesConfig
) -> list[_Clip]:
    picks = pick_frames(times, config)
    guards = [guard_frames(mean_spacing(of, chosen)) for of, chosen in zip(times, picks, strict=True)]
    counts = [len(chosen) for chosen in picks]
    splits = assign_splits(counts, by=config.split, ratio=config.ratio, seed=config.seed, guard=guards)
    clips = []
    for number, name in enumerate(clip_names([video.stem for video in videos])):
        files = {}
        for index, split in zip(picks[number], splits[number], strict=True):
            if split is not None:
                folder = out if config.split == "none" else out / split
                files[index] = (folder / f"{name}-{index:06d}.{config.format}", split)
        clips.append(_Clip(videos[number], files, out / _STATE / f"{number:04d}.json"))
    return clips


class _Progress:
    def __init__(self, total: int, report: Report | None) -> None:
        self.total, self.done, self.report = total, 0, report

    def add(self, number: int = 1) -> None:
        self.done += number
        if self.report:
            self.report(self.done, self.total)


def _extract_clip(clip: _Clip, config: FramesConfig, progress: _Progress) -> dict[str, Any]:
    """The frames of one video that were read, as (index, time), and its damage; from the state if done."""
    from reskin.video.reader import VideoReader

    if clip.state.exists():
        known = read_json(clip.state)
        if all(clip.files[index][0].exists() for index, _ in known["frames"]):
            progress.add(len(clip.files))
            return known
    frames: list[tuple[int, str]] = []
    waiting: deque[Future[None]] = deque()
    with VideoReader(clip.video) as reader, ThreadPoolExecutor(_WRITERS, thread_name_prefix="write") as pool:
        try:
            for frame in reader.frames_at(sorted(clip.files)):
                frames.append((frame.index, str(frame.time)))
                file = clip.files[frame.index][0]
                if not file.exists():
                    waiting.append(pool.submit(_write, file, frame.image, config))
                if len(waiting) > 2 * _WRITERS:
                    waiting.popleft().result()
                progress.add()
            while waiting:
                waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        result: dict[str, Any] = {"frames": frames, "damaged": list(reader.damaged)}
    progress.add(len(clip.files) - len(frames))
    write_json(clip.state, result)
    return result


def _write(file: Path, image: Picture, config: FramesConfig) -> None:
    height, width = image.shape[:2]
    size = config.picture_size(width, height)
    if size != (width, height):
        image = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    write_image(file, image)
