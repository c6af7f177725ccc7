"""A folder of pictures through a model: the same tree, names and formats."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reskin.data.folders import count_left_out, list_pictures
from reskin.device import Compute
from reskin.errors import DataError, ImageError, SettingsError
from reskin.image_formats import IMAGE_SUFFIXES
from reskin.images import WRITABLE, keeps_alpha, on_white, picture_size, read_image_alpha, write_image
from reskin.inference.engine import Engine
from reskin.inference.pipeline import pipeline
from reskin.inference.rendering import Rendering, check_mask, mask_path, read_mask
from reskin.methods.translator import Translator
from reskin.progress import Report, silent
from reskin.storage import watched
from reskin.translation.record import Job, Record
from reskin.translation.shards import Shard, listing_of
from reskin.translation.targets import check_folders
from reskin.types import Direction

if TYPE_CHECKING:  # its detectors and films are not needed where no faces are asked for
    from reskin.translation.face_pictures import PictureFaces

_AHEAD = 2
"""Pictures that may wait before and behind the model: a picture can take 300 MB."""


@dataclass(frozen=True)
class FolderResult:
    """What became of a folder.

    Attributes:
        translated: pictures made now.
        skipped: pictures that were there from an earlier run of the same model on the same source.
        left_out: pictures and videos in the folder that could not be read, held in memory or written, each
            with the reason.
        seconds: what it took.
        notes: what else is to be said, such as which shards are not done.
    """

    translated: int
    skipped: int
    left_out: list[tuple[Path, str]]
    seconds: float
    notes: list[str] = field(default_factory=list)

    @property
    def left_out_lines(self) -> list[str]:
        """What was left out, a line for each file, which names it once."""
        return [why if str(path) in why else f"{path}: {why}" for path, why in self.left_out]


@dataclass
class _Item:
    """A picture on its way."""

    number: int
    job: Job
    image: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    mask: NDArray[np.float32] | None
    made: NDArray[np.uint8] | None = None


@dataclass
class _Work:
    """The stages of one run."""

    engine: Engine
    source: Path
    out: Path
    todo: list[Job]
    record: Record
    faces: PictureFaces | None = None
    left_out: list[tuple[int, str]] = field(default_factory=list)
    translated: int = 0
    on_white: list[Path] = field(default_factory=list)

    def read(self) -> Iterator[_Item]:
        """The pictures that can be read, in order."""
        for number, job in enumerate(self.todo):
            try:
                image, alpha = read_image_alpha(job.path)
                mask = self._mask(job)
            except (ImageError, DataError) as error:
                self.left_out.append((number, str(error)))
                continue
            yield _Item(number, job, image, alpha, mask)

    def _mask(self, job: Job) -> NDArray[np.float32] | None:
        return (
            None if job.mask is None else read_mask(self.engine.rendering, job.path.relative_to(self.source))
        )

    def translate(self, item: _Item) -> _Item | None:
        """The picture translated; None where it is too large for the device."""
        try:
            if self.faces is not None:
                item.made = self.faces.translate(item.job.path, item.image, item.mask)[None]
            else:
                item.made = self.engine.translate_parts(item.image[None], item.mask)[:, 0]
        except ImageError as error:
            self.left_out.append((item.number, f"{item.job.path}: {error}"))
            return None
        return item

    def write(self, item: _Item | None) -> None:
        """Write a translated picture and note it down."""
        if item is None or item.made is None:
            return
        alpha, made = item.alpha, item.made
        if alpha is not None and not keeps_alpha(item.job.target):  # such as a PNG that is named .jpg
            self.on_white.append(item.job.path)
            made, alpha = np.stack([on_white(image, alpha) for image in made]), None
        try:
            for part, image in zip(self.engine.rendering.parts, made, strict=True):
                write_image(self.out / part / item.job.target, image, alpha=alpha)
        except ImageError as error:
            self.left_out.append((item.number, str(error)))
            return
        self.translated += 1
        self.record.add(item.job)


def translate_folder(
    model: Translator,
    source: Path | str,
    out: Path | str,
    direction: Direction,
    *,
    report: Report = silent,
    compute: Compute | None = None,
    rendering: Rendering | None = None,
    overwrite: bool = False,
) -> FolderResult:
    """Translate every picture in a folder and the folders below it; stopped and run again, it goes on.

    The tree, names, sizes, formats and transparency are kept; what can only be read becomes a PNG (`a.gif`
    is `a.gif.png`), and where a name's format keeps no transparency, a note says that it was laid on white
    (a PNG that is named `a.jpg`). Of animated pictures and of pages the first is taken. A picture that an
    earlier run made from the same source with the same model stays as it is; `translated.json` says.

    Args:
        model: any translator.
        source: folder of pictures; nothing in it is changed.
        out: folder to write to; may lie in `source`.
        direction: one of the model's.
        report: called in this thread at the start and after each picture.
        compute: where and how; by default the model's own device in the precision that is fast there.
        rendering: styles and masks. With several styles each has a folder in `out`: style1, style2 and so on;
            masks that are saved are in `masks`.
        overwrite: replace files in `out` that no earlier run made.

    Raises:
        DataError: `source` is no folder or holds no picture.
        SettingsError: `out` holds `source` or others' files; the model does not translate this way; or a mask
            is missing or of another size than its picture.
        StorageError: the disk refuses a write; what is done is kept.
    """
    engine = Engine(model, direction, compute, rendering)
    return translate_pictures(engine, source, out, report=report, overwrite=overwrite)


def translate_pictures(
    engine: Engine | PictureFaces,
    source: Path | str,
    out: Path | str,
    *,
    report: Report = silent,
    overwrite: bool = False,
    shard: Shard | None = None,
) -> FolderResult:
    """As `translate_folder`, with an engine that is there already.

    Args:
        engine: model, direction, rendering and the way to compute; or the faces that are translated instead
            of whole pictures.
        source: as there.
        out: as there.
        report: as there.
        overwrite: as there.
        shard: which part of the pictures is this process's; None for all.

    Raises:
        DataError, SettingsError, StorageError: as there; DataError also where no picture has a wanted face.
        RunError: another process works on the shard.
    """
    started = time.monotonic()
    faces, engine = (None, engine) if isinstance(engine, Engine) else (engine, engine.engine)
    source, out = Path(source), Path(out)
    check_folders(source, out)
    jobs, passed_over = _jobs(source, out)
    listing = listing_of([os.fspath(job.target) for job in jobs])
    if shard is not None:
        jobs = [job for index, job in enumerate(jobs) if shard.takes(index)]
        passed_over = passed_over if shard.number == 1 else {}
    jobs = _with_masks(jobs, source, engine.rendering)
    with shard.held(out) if shard is not None else nullcontext():
        record = Record(out, engine.rendering.parts, shard=shard, listing=listing)
        _settle(engine, jobs, record, faces)
        work = _Work(engine, source, out, jobs, record, faces)
        skipped = _translate_what_is_left(work, report, overwrite=overwrite)
        left_out = [(work.todo[number].path, reason) for number, reason in sorted(work.left_out)]
        left_out += [(path, f"{path}: {reason}") for path, reason in passed_over.items()]
        notes = [] if shard is None else [record.finish_shard(jobs, len(left_out))]
        if faces is not None and work.translated:
            notes += [f"faces: translated in {faces.shown} of {work.translated} new pictures"]
        if work.on_white:
            notes += [_laid_on_white(work.on_white)]
    return FolderResult(work.translated, skipped, left_out, time.monotonic() - started, notes)


def _laid_on_white(paths: list[Path]) -> str:
    """The note on pictures whose formats keep no transparency."""
    what = f"transparency laid on white in {len(paths)} of the new pictures, first {paths[0]}"
    return f"{what}: files of that name cannot keep it"


def _translate_what_is_left(work: _Work, report: Report, *, overwrite: bool) -> int:
    """Make the pictures that no earlier run has made; gives the number of the others."""
    jobs, record = work.todo, work.record
    record.made_by = work.engine.identity() if work.faces is None else work.faces.identity()
    todo = work.todo = still_to_do(jobs, record, overwrite=overwrite)
    skipped = len(jobs) - len(todo)

    def translate(item: _Item) -> _Item | None:
        result = work.translate(item)
        report(skipped + item.number + 1, len(jobs), what="pictures")
        return result

    if work.faces is not None:
        are_all = skipped == 0 and record.shard is None
        work.faces.search([job.path for job in todo], report, are_all=are_all)
    report(skipped, len(jobs), what="pictures")
    if todo:
        record.expect(todo)
        with watched(work.out):
            try:
                pipeline(work.read(), translate, sink=work.write, ahead=_AHEAD)
            finally:
                record.save()
            record.check_made()
    report(len(jobs), len(jobs), what="pictures")
    return skipped


def _settle(engine: Engine, jobs: list[Job], record: Record, faces: PictureFaces | None) -> None:
    """Find the engine: that of an earlier run, else what the first picture that can be read shows."""
    for job in jobs if not engine.is_settled else ():
        try:
            image, _ = read_image_alpha(job.path)
            image = image if faces is None else faces.film.sample(image)
            engine.settle(image, number=len(jobs), earlier=record.earlier(engine.asked()))
        except ImageError:
            continue  # left out later, with its reason
        break
    if not engine.is_settled:
        engine.stay_with_torch("no picture can be read")
    record.engine = engine.used.facts() | {"asked": engine.asked()}


def _with_masks(jobs: list[Job], source: Path, rendering: Rendering) -> list[Job]:
    """The jobs, each with its mask, which is there and has the size of its picture.

    Raises:
        SettingsError: some have no mask, or one has another size.
        ImageError: a mask cannot be read.
    """
    if rendering.mask is None:
        return jobs
    masked, missing = [], []
    for job in jobs:
        try:
            path = mask_path(rendering, job.path.relative_to(source))
        except DataError as error:
            missing.append(error)
            continue
        status = path.stat()
        masked.append(replace(job, mask=(path, status.st_size, status.st_mtime_ns)))
    if missing:
        what = f"{len(missing)} of {len(jobs)} pictures have no mask: {missing[0].what}"
        raise SettingsError(what, missing[0].fix)
    for job in masked:
        try:
            size = picture_size(job.path)
        except ImageError:
            continue  # a picture that cannot be read is left out by itself, with its reason
        assert job.mask is not None, "set above"
        check_mask(job.mask[0], size, job.path)
    return masked


def still_to_do(jobs: list[Job], record: Record, *, overwrite: bool) -> list[Job]:
    """Those that no earlier run has made of the same sources with the same model.

    Raises:
        SettingsError: a name is taken by a file that no earlier run made.
    """
    todo = [job for job in jobs if not record.is_current(job)]
    foreign = next((job for job in todo if record.is_foreign(job)), None)
    if foreign is not None and not overwrite:
        theirs = next(path for path in record.outputs(foreign) if os.path.lexists(path))
        what = f"{theirs} is there already and is not from an earlier run"
        raise SettingsError(what, "Add --overwrite, or choose another folder.")
    return todo


def _jobs(source: Path, out: Path) -> tuple[list[Job], dict[Path, str]]:
    """What is to be translated, and what cannot be; pictures in `out` itself are neither."""
    inside, listing = out.resolve(), list_pictures(source)
    paths = [path for path in listing.images if not path.resolve().is_relative_to(inside)]
    left_out = {
        path: reason for path, reason in listing.left_out.items() if not path.resolve().is_relative_to(inside)
    }
    if not paths:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        said = f" that can be read ({count_left_out(left_out)})" if left_out else ""
        raise DataError(f"no pictures{said} in {source}", f"Give a folder with pictures ({kinds}).")
    targets: set[Path] = {path.relative_to(source) for path in paths if path.suffix.lower() in WRITABLE}
    jobs = []
    for path in paths:
        target = path.relative_to(source)
        if target not in targets:  # such as a GIF, whose 256 colours would not hold what the model makes
            while target in targets or target.suffix.lower() not in WRITABLE:
                target = target.with_name(f"{target.name}.png")
            targets.add(target)
        status = path.stat()
        jobs.append(Job(path, target, status.st_size, status.st_mtime_ns))
    return jobs, left_out
