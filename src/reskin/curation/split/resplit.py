"""Splitting a dataset that lies on the disk: pictures are moved between train, val and test.

A split is made once. Whoever has trained on it and then moves pictures from the test into training spoils
every later score, so a second split has to be asked for. A kill at any moment leaves a folder that the next
run of any command that prepares or splits brings to its end (`reskin.curation.moves`).
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from pydantic import Field, model_validator

from reskin.config import Settings
from reskin.curation.adopt import layout_in, open_set
from reskin.curation.moves import finish_moves, move_files
from reskin.curation.split_rules import Ratio, SourceUnits, guard_frames, split_sources
from reskin.data.folders import natural_key
from reskin.data.layout import Layout
from reskin.data.manifest import ADOPTED, FrameRecord, Manifest
from reskin.errors import DataError
from reskin.image_files import MOST_FILE_BYTES
from reskin.storage import file_digest, lock
from reskin.types import Split

BETWEEN = "between splits"
"""Why a picture is left out that lies in time between training and test."""


class SplitConfig(Settings):
    """How to split a folder of pictures."""

    by: Literal["source", "shot", "block", "random"] = "block"
    """Keep together whole videos (source), shots, segments of time (block), or nothing (random: neighbours
    leak into the test)."""
    ratio: Ratio = "8:1:1"
    """Shares of train:test or train:val:test."""
    seed: int = 0
    """Decides what is held out."""
    segments: int | None = Field(default=None, ge=1)
    """By block: segments of time that each video is cut into, each with its share of the test; by default
    one for every 100 pictures, at most 4."""

    @model_validator(mode="after")
    def _segments_are_blocks(self) -> Self:
        if self.segments is not None and self.by != "block":
            raise ValueError(f"segments are for a split by block, and this is by {self.by}")
        return self


def resplit(root: Path, config: SplitConfig, *, again: bool = False) -> Manifest:
    """Split the pictures of a folder anew by moving them to root/train, root/val and root/test.

    Frames of one clip stay together, and so do pictures cut from one frame. What is left out by screening
    moves with its neighbours and does not count for the shares. By block, pictures between training and test
    are left out ("between splits"); by source, pictures without a video go by the folder they came from.

    Args:
        root: a prepared folder, or any folder of pictures.
        config: how to split it.
        again: also where it is split already.

    Returns:
        The manifest that was written.

    Raises:
        DataError: no pictures, split already, or not what `config.by` needs.
        RunError: another process is working on `root`.
        StorageError: the disk refuses; run the same command again afterwards.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}", "Check the name.")
    with lock(root):
        finish_moves(root)
        manifest = _in_order(root, open_set(root))
        if not again:
            if _is_split_so(manifest, config) or _is_made_so(manifest, config):
                return manifest
            if _is_split(manifest):
                what = f"{root} is split already ({_how(manifest)})"
                fix = "--again moves its pictures; models that were trained on it have then seen the test."
                raise DataError(what, fix)
        layout = layout_in(manifest)
        splits = _splits(manifest.frames, config, layout)
        frames, moves = _moved(root, manifest.frames, splits, layout)
        made = manifest.model_copy(update={"frames": frames, "splitting": config.to_dict()})
        move_files(root, moves, made)
    return made


def _in_order(root: Path, manifest: Manifest) -> Manifest:
    """The pictures in an order that does not depend on where they lie now.

    That of a prepared dataset is the order in which they were made. Of others it is the natural order of
    their paths below their split; equal paths go by the pictures' bytes.
    """
    if manifest.settings != ADOPTED:
        return manifest
    layout = layout_in(manifest)
    names = [layout.below(frame.file) for frame in manifest.frames]
    often = Counter(names)

    def key(number: int) -> tuple[object, ...]:
        file = manifest.frames[number].file
        digest = file_digest(root / file, most_bytes=MOST_FILE_BYTES) if often[names[number]] > 1 else ""
        return natural_key(names[number]), layout.domain_of(file) or "", digest, file

    order = sorted(range(len(names)), key=key)
    return manifest.model_copy(update={"frames": [manifest.frames[number] for number in order]})


def _is_split(manifest: Manifest) -> bool:
    layout = layout_in(manifest)
    found = [layout.part_of(frame.file) for frame in manifest.frames]
    return any(
        part is not None and layout.folder_for(f"{part.folder}/x", part.split) == part.folder
        for part in found
    )


def _is_split_so(manifest: Manifest, config: SplitConfig) -> bool:
    """Whether an earlier call has split them so; earlier versions knew nothing of segments."""
    return manifest.splitting is not None and {"segments": None} | manifest.splitting == config.to_dict()


def _is_made_so(manifest: Manifest, config: SplitConfig) -> bool:
    """Whether preparing has split the pictures as is asked for now."""
    made = manifest.settings
    asked = (config.by, config.ratio, config.seed)
    return (
        manifest.splitting is None
        and config.segments is None
        and asked
        == (
            made.get("split_used"),
            made.get("ratio"),
            made.get("seed"),
        )
    )


def _how(manifest: Manifest) -> str:
    asked = manifest.splitting or {"by": manifest.settings.get("split_used"), **manifest.settings}
    counts = Counter(frame.split for frame in manifest.frames)
    shares = ", ".join(f"{counts[split]} {split}" for split in ("train", "val", "test") if counts[split])
    return f"by {asked['by']}: {shares}" if asked.get("by") else shares


def _splits(frames: Sequence[FrameRecord], config: SplitConfig, layout: Layout) -> list[Split | None]:
    """The split of each picture; None between two splits."""
    used = [number for number, frame in enumerate(frames) if _is_used(frame)]
    if not used:
        raise DataError("every picture is left out", "Keep some with `reskin screen --keep`.")
    buckets = _buckets(frames, used, config, layout)
    by_unit = _unit_splits(frames, buckets, config)
    splits: dict[int, Split | None] = {}
    for bucket, chosen in zip(buckets, by_unit, strict=True):
        for unit, split in zip(bucket, chosen, strict=True):
            splits.update(dict.fromkeys(unit, split))
    return _with_left_out(frames, splits, layout)


def _is_used(frame: FrameRecord) -> bool:
    return not set(frame.left_out or ()) - {BETWEEN}


_Unit = list[int]
"""Numbers of pictures that stay together."""


def _buckets(
    frames: Sequence[FrameRecord], used: list[int], config: SplitConfig, layout: Layout
) -> list[list[_Unit]]:
    """For each source its units in the order of time."""
    keyed = sorted(
        used, key=lambda number: (_source(frames[number], layout), _moment(frames[number]), number)
    )
    buckets = []
    for _, members in groupby(keyed, key=lambda number: _source(frames[number], layout)):
        units = [list(unit) for _, unit in groupby(members, key=lambda number: _unit(frames[number], number))]
        buckets.append(units)
    if config.by == "block" and any(frames[number].index is None for number in used):
        what = "pictures that are not from videos have no time to split by"
        raise DataError(what, "Split them by source or at random.")
    if config.by == "shot" and any(frames[number].shot is None for number in used):
        raise DataError("the shots are not known", "Prepare with --shots, or split by block.")
    return buckets


def _source(frame: FrameRecord, layout: Layout) -> tuple[int, str]:
    if frame.origin is not None:
        return -1, PurePosixPath(frame.origin).parent.as_posix()
    if frame.source is not None:
        return frame.source, ""
    return -2, layout.below(frame.file).rpartition("/")[0]


def _moment(frame: FrameRecord) -> tuple[int, int]:
    return (-1 if frame.clip is None else frame.clip), (frame.index or 0)


def _unit(frame: FrameRecord, number: int) -> tuple[str, int]:
    if frame.clip is not None:
        return "clip", frame.clip
    return ("frame", frame.index) if frame.index is not None else ("picture", number)


def _unit_splits(
    frames: Sequence[FrameRecord], buckets: list[list[_Unit]], config: SplitConfig
) -> list[list[Split | None]]:
    sources = [
        SourceUnits(
            sizes=[len(unit) for unit in bucket],
            shots=[frames[unit[0]].shot or 0 for unit in bucket],
            guard=_guard(frames, bucket),
            segments=config.segments,
        )
        for bucket in buckets
    ]
    return split_sources(sources, by=config.by, ratio=config.ratio, seed=config.seed)


def _guard(frames: Sequence[FrameRecord], bucket: list[_Unit]) -> int:
    first, last = frames[bucket[0][0]].seconds, frames[bucket[-1][0]].seconds
    if len(bucket) < 2 or first is None or last is None:
        return 1
    spacing = (last - first) / (len(bucket) - 1)
    inside = {frames[number].index for number in bucket[0]}  # clips may share frames
    sharing = sum(frames[unit[0]].index in inside for unit in bucket)
    return max(guard_frames(spacing), sharing)


def _with_left_out(
    frames: Sequence[FrameRecord], splits: dict[int, Split | None], layout: Layout
) -> list[Split | None]:
    """The same for every picture: one that is left out goes where the one before it in its source went."""
    order = sorted(
        range(len(frames)),
        key=lambda number: (_source(frames[number], layout), _moment(frames[number]), number),
    )
    whole: list[Split | None] = ["train"] * len(frames)
    for _, members in groupby(order, key=lambda number: _source(frames[number], layout)):
        mine = list(members)
        last: Split = next((split for number in mine if (split := splits.get(number))), "train")
        for number in mine:
            whole[number] = splits.get(number, last)
            last = whole[number] or last
    return whole


def _moved(
    root: Path, frames: Sequence[FrameRecord], splits: Sequence[Split | None], layout: Layout
) -> tuple[list[FrameRecord], dict[str, str]]:
    """The records afterwards, and old to new path of what has to move; no new path is in use."""
    names = _unique_below(frames, layout)
    files = [
        f"{layout.folder_for(frame.file, split or 'train')}/{name}"
        for frame, split, name in zip(frames, splits, names, strict=True)
    ]
    known = {frame.file for frame in frames}
    going = [number for number, frame in enumerate(frames) if frame.file != files[number]]
    for number in going:
        path = PurePosixPath(files[number])
        files[number] = _free(root, path.with_suffix("").as_posix(), path.suffix, known)
    records = []
    for frame, file, split in zip(frames, files, splits, strict=True):
        left_out = tuple(reason for reason in frame.left_out or () if reason != BETWEEN)
        if split is None:
            left_out = (*left_out, BETWEEN)
        update = {"file": file, "split": split or "train", "left_out": left_out or None}
        records.append(frame.model_copy(update=update))
    return records, {frames[number].file: files[number] for number in going}


def _unique_below(frames: Sequence[FrameRecord], layout: Layout) -> list[str]:
    """Each picture's path below its split, so that no two of a domain are equal whichever split they are in.

    Pictures that share a path all get new ones: no name is one that another picture has yet to leave.
    Once they have these names, the next split leaves them as they are.
    """
    names = [layout.below(frame.file) for frame in frames]
    domains = [layout.domain_of(frame.file) for frame in frames]
    keys = [(domain, _folded(name)) for domain, name in zip(domains, names, strict=True)]
    often, taken = Counter(keys), set(keys)
    for number, (domain, name) in enumerate(zip(domains, names, strict=True)):
        if often[keys[number]] == 1:
            continue
        path, ending = PurePosixPath(name), 2
        while (domain, _folded(names[number])) in taken:
            names[number] = path.with_name(f"{path.stem}-{ending}{path.suffix}").as_posix()
            ending += 1
        taken.add((domain, _folded(names[number])))
    return names


def _folded(name: str) -> str:
    """Equal for names that some disk takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _free(root: Path, stem: str, suffix: str, known: set[str]) -> str:
    """A name that no file has, neither one of the manifest nor another."""
    name, number = f"{stem}{suffix}", 1
    while name in known or os.path.lexists(root / name):
        number += 1
        name = f"{stem}-{number}{suffix}"
    known.add(name)
    return name
