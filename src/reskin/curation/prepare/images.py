"""A folder of pictures, of any sizes and kinds, as a dataset: one size, one format, a split and a manifest.

What each picture becomes is written down before the first is made, so that a run that was stopped goes on
with the same names and splits. Pictures that come into the folder later are added by the same command; those
that were there stay where they are.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from reskin.config import Settings
from reskin.curation.moves import finish_moves
from reskin.curation.prepare.config import ImagesConfig
from reskin.curation.prepare.picks import clip_names
from reskin.curation.prepare.plan import STATE
from reskin.curation.prepare.shape import ASPECT_TOLERANCE, shaped
from reskin.curation.split_rules import FEWEST, assign_groups
from reskin.curation.thumbnails import ThumbnailKeeper
from reskin.data.folders import count_left_out, layout_of, list_images, list_pictures, unique_names
from reskin.data.layout import names_a_split
from reskin.data.manifest import (
    FrameRecord,
    Manifest,
    Origin,
    RelativePath,
    check_files,
    check_made,
    read_manifest,
    write_manifest,
)
from reskin.errors import DataError, ImageError
from reskin.image_files import MOST_FILE_BYTES
from reskin.images import opened_image, write_image
from reskin.parsing import parse
from reskin.paths import inside
from reskin.progress import Report
from reskin.storage import file_digest, lock, read_json, remove_leftovers, write_json
from reskin.threads import map_ahead
from reskin.types import Split
from reskin.version import __version__

__all__ = ["ImagesConfig", "prepare_images"]

_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class _Place:
    """Where a picture goes."""

    sha256: str
    file: str
    split: Split


class _Plan(Settings):
    """What an earlier run has written down."""

    settings: dict[str, Any]
    pictures: dict[str, tuple[str, RelativePath, Split]]
    """For each original its digest, and where it goes."""


def prepare_images(
    folder: Path, out: Path, config: ImagesConfig, *, report: Report | None = None, workers: int | None = None
) -> Manifest:
    """Bring the pictures in a folder, and in those below it, to one size and write them under `out`.

    Pictures go to out/train, out/val and out/test, or straight into `out` for the split "none"; with fewer
    than ten pictures all go to train. Where `folder` is split already (train, test and so on), each picture
    stays in its split. The manifest keeps path and digest of each original. Originals are read
    as `reskin.images.read_image` does and never written to.

    Args:
        folder: pictures; see `reskin.data.folders.list_images` for what counts.
        out: the folder to make; not inside `folder`.
        config: size, fit, format and split.
        report: called with the progress.
        workers: threads; by default one for each core.

    Returns:
        The manifest that was written; its `damaged` names each picture or video that is left out, and why.

    Raises:
        DataError: no pictures, none that can be read, `folder` holds two domains or splits under unknown
            names, or `out` holds something else.
        RunError: another process is working on `out`.
        StorageError: the disk refuses a write; run the same command again afterwards.
    """
    folder, out = Path(folder), Path(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{out} lies in {folder} itself", "Choose a folder beside it with --out.")
    listing = list_pictures(folder)
    originals = {path.relative_to(folder).as_posix(): path for path in listing.images}
    if not originals:
        said = f": {count_left_out(listing.left_out)}" if listing.left_out else ""
        raise DataError(f"there are no pictures in {folder}{said}", "Check the name.")
    own = source_splits(folder, list(originals))
    with lock(out):
        finish_moves(out)
        before = read_manifest(out)
        known = _known(out, before, config)
        digests = dict(zip(originals, map_ahead(_digest, originals.values(), workers), strict=True))
        places = _placed(known, digests, config, before, own)
        write_json(out / STATE / "plan.json", _plan(config, places))
        for part in {(out / place.file).parent for place in places.values()}:
            remove_leftovers(part)
        stale = {origin for origin in known if digests.get(origin, "") not in ("", known[origin].sha256)}
        with ThumbnailKeeper() as keeper:
            tasks = [
                (path, (out, places[origin].file), config, origin in stale, keeper)
                for origin, path in originals.items()
            ]
            reasons = dict(zip(originals, _made(tasks, workers, report), strict=True))
        others: dict[str, str | None] = {
            path.relative_to(folder).as_posix(): reason for path, reason in listing.left_out.items()
        }
        manifest = _manifest(folder, out, config, before, (places, reasons | others, digests))
        check_made(out, [places[origin].file for origin, reason in reasons.items() if reason is None])
        write_manifest(out, manifest)
        shutil.rmtree(out / STATE)
    return manifest


def _digest(path: Path) -> str:
    """The digest of a file, empty where it cannot be read: why is said when it is decoded."""
    try:
        return file_digest(path, most_bytes=MOST_FILE_BYTES)
    except DataError as error:
        _log.debug("no digest: %s", error)
        return ""


def _known(out: Path, before: Manifest | None, config: ImagesConfig) -> dict[str, _Place]:
    """What earlier runs have laid down, finished or not.

    Raises:
        DataError: they had other settings, or the folder holds pictures of somebody else.
    """
    plan_file = out / STATE / "plan.json"
    known: dict[str, _Place] = {}
    if plan_file.exists():
        plan = parse(_Plan, read_json(plan_file), source=str(plan_file))
        _check_settings(plan.settings, config, out)
        known = {origin: _Place(*values) for origin, values in plan.pictures.items()}
        for part in sorted({PurePosixPath(place.file).parent.as_posix() for place in known.values()} - {"."}):
            inside(out, part, kind="folder", writes=True)
        check_files(out, [place.file for place in known.values()])
    elif before is None and out.exists() and list_images(out):
        what = f"{out} holds pictures that were not made by this command"
        raise DataError(what, "Choose an empty or new folder with --out.")
    if before is None:
        return known
    _check_settings(before.settings, config, out)
    frames = {frame.origin: frame for frame in before.frames if frame.origin is not None}
    return known | {o: _Place(frame.sha256 or "", frame.file, frame.split) for o, frame in frames.items()}


def _check_settings(made: dict[str, Any], config: ImagesConfig, out: Path) -> None:
    asked = config.to_dict()
    names = [name for name in asked if made.get(name, "absent") != asked[name]]
    if names or set(made) - set(asked):
        said = "; ".join(f"{name} was {made.get(name, 'absent')}, now {asked[name]}" for name in names)
        what = f"{out} was made with other settings ({said or 'of another command'})"
        raise DataError(what, "Choose another folder with --out, or remove this one.")


def _plan(config: ImagesConfig, places: dict[str, _Place]) -> dict[str, Any]:
    pictures = {origin: [place.sha256, place.file, place.split] for origin, place in places.items()}
    return {"settings": config.to_dict(), "pictures": pictures}


def source_splits(folder: Path, origins: Sequence[str]) -> dict[str, Split]:
    """The split of each original in a folder that is split already; empty for a folder that is not.

    Args:
        folder: of the originals.
        origins: their paths below it.

    Raises:
        DataError: it holds splits of two domains, or splits under names that are not known.
    """
    layout = layout_of(folder)
    parts = [part for part in layout.parts.values() if names_a_split(part.folder)]
    if domains := sorted(part.folder for part in parts if part.domain):
        raise DataError(
            f"{folder} holds pictures of two domains ({', '.join(domains[:4])}), which would be mixed",
            f"Prepare each domain by itself, such as {folder / domains[0]}.",
        )
    if all(part.split == "train" for part in parts):
        return {}
    found = {origin: layout.part_of(origin) for origin in origins}
    return {origin: part.split if part else "train" for origin, part in found.items()}


def _placed(
    known: dict[str, _Place],
    digests: dict[str, str],
    config: ImagesConfig,
    before: Manifest | None,
    own: dict[str, Split],
) -> dict[str, _Place]:
    """Known positions, and positions for what is new; equal files share their split.

    `own` is the split that an original has already, which it keeps.
    """
    new = [origin for origin in digests if origin not in known]
    used = sorted({PurePosixPath(place.file).stem for place in known.values()})
    names = unique_names([*used, *clip_names([_long_name(origin) for origin in new])])[len(used) :]
    split_of = {place.sha256: place.split for place in known.values() if place.sha256}
    groups: dict[str, list[str]] = {}
    for origin in new:
        groups.setdefault(digests[origin] or origin, []).append(origin)
    split_of = _owned(groups, own) | split_of
    fresh = [key for key in groups if key not in split_of]
    sizes = [len(groups[key]) for key in fresh]
    have = Counter(place.split for place in known.values())
    by_chance = config.split == "random" or (before is not None and before.splitting is not None)
    if by_chance and sum(sizes) + sum(have.values()) >= FEWEST:
        ratio = before.splitting["ratio"] if before is not None and before.splitting else config.ratio
        splits = assign_groups(sizes, ratio=ratio, seed=config.seed + len(known), have=have)
        split_of |= dict(zip(fresh, splits, strict=True))
    places = dict(known)
    for origin, name in zip(new, names, strict=True):
        split = split_of.get(digests[origin] or origin, "train")
        part = f"{split}/" if by_chance or own else ""
        places[origin] = _Place(digests[origin], f"{part}{name}.{config.format}", split)
    return places


def _owned(groups: dict[str, list[str]], own: dict[str, Split]) -> dict[str, Split]:
    """The split that equal files have already; of a file that lies in two splits the held-out one."""
    order: tuple[Split, ...] = ("train", "val", "test")
    found = {key: [own[origin] for origin in origins if origin in own] for key, origins in groups.items()}
    return {key: max(splits, key=order.index) for key, splits in found.items() if splits}


def planned_splits(folder: Path, origins: Sequence[str], config: ImagesConfig) -> Counter[Split]:
    """Pictures of each split in a new folder, if no two of the originals are equal files.

    Args:
        folder: of the originals.
        origins: their paths below it.
        config: how they are to be split.

    Raises:
        DataError: as `source_splits`.
    """
    places = _placed({}, dict.fromkeys(origins, ""), config, None, source_splits(folder, origins))
    return Counter(place.split for place in places.values())


def _long_name(origin: str) -> str:
    """The path below the folder as one name; of a long one the end, which distinguishes pictures.

    >>> _long_name("castles/site 1/0001.jpg")
    'castles-site 1-0001'
    """
    return "-".join(PurePosixPath(origin).with_suffix("").parts)[-60:]


_Task = tuple[Path, tuple[Path, str], ImagesConfig, bool, ThumbnailKeeper]


def _made(tasks: Sequence[_Task], workers: int | None, report: Report | None) -> Iterator[str | None]:
    """For each picture None, or why it cannot be read; a few at a time, for each holds a decoded picture."""
    squeezed = 0
    for number, (reason, is_squeezed) in enumerate(map_ahead(lambda task: _make(*task), tasks, workers)):
        squeezed += is_squeezed
        if report is not None:
            report(number + 1, len(tasks))
        yield reason
    if squeezed:
        said = "%d of %d pictures change their aspect by more than %.0f%%; --fit cover or inside avoids it"
        _log.warning(said, squeezed, len(tasks), 100 * ASPECT_TOLERANCE)


def _make(
    path: Path, place: tuple[Path, str], config: ImagesConfig, is_stale: bool, keeper: ThumbnailKeeper
) -> tuple[str | None, bool]:
    file = place[0] / place[1]
    if file.exists() and not is_stale:
        return None, False
    try:
        with opened_image(path) as image:
            shape = config.shape(image.shape[1], image.shape[0])
            picture = shaped(image, shape)
    except ImageError as error:
        return str(error), False
    write_image(file, picture)
    keeper.keep(*place, picture)
    return None, config.fit == "exact" and abs(shape.aspect_change) > ASPECT_TOLERANCE


def _manifest(
    folder: Path,
    out: Path,
    config: ImagesConfig,
    before: Manifest | None,
    found: tuple[dict[str, _Place], dict[str, str | None], dict[str, str]],
) -> Manifest:
    places, reasons, digests = found
    old = {frame.origin: frame for frame in before.frames} if before else {}
    frames: list[FrameRecord] = list(before.frames) if before else []
    place_of = {frame.origin: number for number, frame in enumerate(frames)}
    for origin, place in places.items():
        if reasons.get(origin, "gone") is not None:  # unreadable, or gone before it was ever made
            continue
        sha256 = digests[origin]
        if origin not in old:
            frames.append(
                FrameRecord(file=place.file, source=0, split=place.split, origin=origin, sha256=sha256)
            )
        elif old[origin].sha256 != sha256:
            changed = {"sha256": sha256, "scores": None}
            frames[place_of[origin]] = old[origin].model_copy(update=changed)
    damaged = [_line(folder, origin, reason) for origin, reason in reasons.items() if reason]
    if not frames:
        shutil.rmtree(out / STATE)
        raise DataError(f"not one picture in {folder} can be read; the first: {damaged[0]}")
    sources = [_origin(folder, [(frame.origin or "", frame.sha256 or "") for frame in frames])]
    if before is not None:
        return before.model_copy(update={"sources": sources, "frames": frames, "damaged": damaged})
    return Manifest(
        reskin=__version__, settings=config.to_dict(), sources=sources, frames=frames, damaged=damaged
    )


def _line(folder: Path, origin: str, reason: str) -> str:
    line = reason.replace(str(folder / origin), origin)
    return line if line.startswith(origin) else f"{origin}: {line}"


def _origin(folder: Path, pictures: Iterable[tuple[str, str]]) -> Origin:
    """The folder as one source; its digest is that of the list of paths and digests of its pictures."""
    listed = sorted(pictures)
    sizes = [(folder / origin).stat().st_size for origin, _ in listed if (folder / origin).exists()]
    digest = hashlib.sha256(
        json.dumps(listed, ensure_ascii=False).encode("utf-8", "surrogateescape")
    ).hexdigest()
    return Origin(name=folder.resolve().name, sha256=digest, size_bytes=sum(sizes), frames=len(listed))
