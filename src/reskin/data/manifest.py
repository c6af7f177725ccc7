"""The manifest: where every picture of a dataset comes from, and with which settings it was made."""

from __future__ import annotations

import gc
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from reskin.config import Settings
from reskin.errors import DataError, StorageError
from reskin.faces.crop import Crop
from reskin.faces.framing import read_framing
from reskin.framing import Framing
from reskin.image_formats import IMAGE_SUFFIXES
from reskin.paths import FOLLOW_VARIABLE, follows_links, read_plain, relative_fault, stays_inside
from reskin.storage import from_json, write_json
from reskin.types import Split

MANIFEST_NAME = "manifest.json"

ADOPTED: dict[str, Any] = {"adopted": True}
"""The settings of a manifest that was made up for pictures which were there before."""

_RENAMED_REASONS = {"duplicate-side": "duplicate-domain"}
"""Former name of a screening rule to its name; manifests of earlier versions hold the former ones."""

_MOST = 1 << 53


def _relative(file: str) -> str:
    if fault := relative_fault(file):
        raise ValueError(f"the path {file[:200]!r} is not used: {fault}")
    return file


def _picture(file: str) -> str:
    """Nothing but pictures is moved, shown or left out by name: no state file, nor what is hidden."""
    if "/." in f"/{_relative(file)}" or os.path.splitext(file)[1].lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{file[:200]!r} is no name of a picture")
    return file


RelativePath = Annotated[str, AfterValidator(_relative)]
"""A path that stays below its folder, with forward slashes."""
PicturePath = Annotated[str, AfterValidator(_picture)]
"""Such a path of a picture, nothing of which is hidden."""
Number = Annotated[int, Field(ge=0, le=_MOST)]
Exact = Annotated[str, Field(pattern=r"^-?[0-9]{1,40}(/0*[1-9][0-9]{0,39})?$")]


class _Shape(BaseModel):
    """What is read again out of a group of values that is otherwise kept as it is."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class _Searched(_Shape):
    name: str
    looked_at: Number
    found: Number
    taken: Number
    not_taken: dict[str, Number]


class _Making(_Shape):
    count: Number | None = None
    every_used: Number = 1
    split_used: str | None = None
    ratio: str | None = None
    per_source: list[_Searched] | None = None


class _Splitting(_Shape):
    by: Literal["source", "shot", "block", "random"]
    ratio: str


class _Seen(_Shape):
    score: float
    boxes: list[tuple[float, float, float, float]]


class _Screening(_Shape):
    keep: list[str] = []
    drop: list[str] = []
    overlays: dict[str, _Seen] = {}


def _of(shape: type[_Shape]) -> AfterValidator:
    """Refuse a group of values that is not of this shape; one that is stays as it is."""

    def checked(values: dict[str, Any]) -> dict[str, Any]:
        try:
            shape.model_validate(values)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None
        return values

    return AfterValidator(checked)


class Origin(Settings):
    """A video that pictures were taken from."""

    name: str
    """Name of the file, without its folder."""
    sha256: str
    """Digest of the file's bytes, in hexadecimal; empty where they could not be read."""
    size_bytes: Number
    """Size of the file, in bytes."""
    duration_seconds: FiniteFloat | None = None
    """Length by the file's own account, in seconds."""
    frames: Number | None = None
    """Frames in the file."""
    shots: tuple[int, ...] | None = None
    """The first frame of each shot, where shots were looked for."""
    bars: tuple[int, int, int, int] | None = None
    """Black bars that were cut away: left, top, right, bottom, in px of the upright frame."""


class FrameRecord(Settings):
    """A picture and where it came from; what does not apply is absent."""

    file: PicturePath
    """Path below the manifest's folder, with forward slashes."""
    source: Number | None = None
    """Position of its origin in the manifest's sources, from 0."""
    index: Number | None = None
    """Position of the frame in its video, in the order of showing, from 0."""
    time: Exact | None = None
    """When it is shown, in seconds, as an exact fraction such as 1001/30000."""
    seconds: FiniteFloat | None = None
    """The same, rounded to a float."""
    split: Split = "train"
    """The part of the dataset it belongs to."""
    shot: Number | None = None
    """Number of its shot in its source, from 0."""
    clip: Number | None = None
    """Number of the clip of consecutive frames that it belongs to, in the whole dataset."""
    origin: str | None = None
    """Path of the picture it was made from, below the folder that was given, with forward slashes."""
    sha256: str | None = None
    """Digest of that picture's bytes, in hexadecimal."""
    crop: Crop | None = None
    """How it was cut out of the frame, where it was."""
    scores: dict[str, Annotated[float, Field(allow_inf_nan=True)]] | None = None
    """What screening measured, by name."""
    left_out: tuple[str, ...] | None = None
    """Why it is not used: names of screening rules, "dropped by hand", "balance". Absent: it is used."""

    @field_validator("left_out")
    @classmethod
    def _name_reasons_as_today(cls, left_out: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return left_out and tuple(_RENAMED_REASONS.get(reason, reason) for reason in left_out)


class Manifest(Settings):
    """All there is to know about a prepared folder; equal input and settings give equal bytes."""

    reskin: str
    """Version that made the folder."""
    settings: Annotated[dict[str, Any], _of(_Making)]
    """Settings that made the folder."""
    sources: list[Origin]
    """The videos, in the order given."""
    frames: list[FrameRecord]
    """The pictures, by source and index."""
    damaged: list[str]
    """Damage that was met: one line each, beginning with the source's name."""
    splitting: Annotated[dict[str, Any], _of(_Splitting)] | None = None
    """What the last `reskin split` was asked for; absent where the pictures lie as they were made."""
    screening: Annotated[dict[str, Any], _of(_Screening)] | None = None
    """Thresholds and lists by hand that the last screening used."""
    balance: dict[str, Any] | None = None
    """What the last balancing was asked for, and the shares before and after."""
    licence: str | None = None
    """What the sources may be used for, in the user's words."""
    consent: str | None = None
    """Whether the people who are shown agreed, in the user's words."""

    @field_validator("balance")
    @classmethod
    def _name_domains_as_today(cls, balance: dict[str, Any] | None) -> dict[str, Any] | None:
        return balance and {"domains" if key == "sides" else key: value for key, value in balance.items()}

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        files: set[str] = set()
        for frame in self.frames:
            if frame.file in files:
                raise ValueError(f"{frame.file[:200]!r} is listed twice")
            files.add(frame.file)
        return self

    def used(self) -> list[FrameRecord]:
        """The pictures that are not left out."""
        return [frame for frame in self.frames if not frame.left_out]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none.

    Raises:
        DataError: it is damaged or not of this form, a link, or lists what lies outside of the folder.
    """
    path = folder / MANIFEST_NAME
    try:
        content = read_plain(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "Check its permissions.") from None
    try:
        with _without_collector():
            manifest = _parsed(content)
    except (ValueError, RecursionError) as error:
        why = first_fault(error) if isinstance(error, ValidationError) else str(error)[:200]
        raise DataError(
            f"{path} is no manifest of ours ({why})", "Choose an empty folder with --out."
        ) from None
    check_files(folder, [frame.file for frame in manifest.frames])
    frames = [_with_finite_scores(frame) for frame in manifest.frames]
    return manifest.model_copy(update={"frames": frames})


def _with_finite_scores(frame: FrameRecord) -> FrameRecord:
    """What is no number, or larger than any score, counts as not measured."""
    if not frame.scores or all(abs(value) <= _MOST for value in frame.scores.values()):
        return frame
    scores = {name: value for name, value in frame.scores.items() if abs(value) <= _MOST}
    return frame.model_copy(update={"scores": scores or None})


def _parsed(content: bytes) -> Manifest:
    """A name that is no UTF-8 has an escape in JSON which pydantic's own, faster, reader refuses."""
    is_plain = b"\\ud" not in content.lower() and sys.getfilesystemencoding().lower() in ("utf-8", "utf8")
    return Manifest.model_validate_json(content) if is_plain else Manifest.model_validate(from_json(content))


def check_files(folder: Path, files: Sequence[str]) -> None:
    """Refuse a dataset of which a listed file is a link that leads out of it, a pipe or a device.

    Args:
        folder: the dataset's.
        files: paths below it whose text has been checked; they need not be there.

    Raises:
        DataError: naming the first.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for file in files:
        above, _, name = file.rpartition("/")
        names[above].add(name)
    root = folder.resolve()
    for above, wanted in sorted(names.items()):
        within = folder / above
        if above and within.is_dir() and not _is_below(within, root):
            raise _leads_out(folder, above)
        try:
            entries = list(os.scandir(within))
        except OSError:
            continue  # not there: whoever opens a file of it says so
        odd = [entry for entry in entries if not entry.is_file(follow_symlinks=False)]
        for name in (entry.name for entry in odd if entry.name in wanted):
            path = within / name
            if not (path.is_symlink() and path.is_file() and _is_below(path, root)):
                raise _leads_out(folder, f"{above}/{name}" if above else name)


def _is_below(path: Path, root: Path) -> bool:
    return follows_links() or stays_inside(path, root)


def _leads_out(folder: Path, file: str) -> DataError:
    return DataError(
        f"{folder / MANIFEST_NAME} lists {file[:200]!r}, which is a link out of the folder or no plain file",
        f"Put real files there; if the links are your own, set {FOLLOW_VARIABLE}=1.",
    )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Hold the search for garbage: among 100,000 new records it finds none, and takes half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def first_fault(error: ValidationError) -> str:
    """What is wrong in the first of pydantic's complaints, in one line."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def is_prepared(folder: Path) -> bool:
    """Whether a command of ours made the pictures of a folder, by its manifest.

    Raises:
        DataError: there is a manifest and it is damaged.
    """
    manifest = read_manifest(folder)
    return manifest is not None and manifest.settings != ADOPTED


def left_out_files(folder: Path) -> frozenset[str]:
    """The files that the manifest of `folder` says are not used, as paths below it.

    Raises:
        DataError: there is a manifest and it is damaged.
    """
    manifest = read_manifest(folder)
    return frozenset(frame.file for frame in manifest.frames if frame.left_out) if manifest else frozenset()


def check_made(folder: Path, files: Sequence[str]) -> None:
    """Whether all pictures that a command has made, and its manifest is about to list, are there.

    Raises:
        StorageError: some were removed while they were made.
    """
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise StorageError(
            f"{len(missing)} of {len(files)} pictures were removed from {folder} meanwhile, such as"
            f" {missing[0]}",
            "Run the same command again: it makes them anew.",
        )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into its folder, whole or not at all.

    Raises:
        StorageError: the disk refuses the write.
    """
    write_json(folder / MANIFEST_NAME, manifest.model_dump(exclude_none=True))


def framing_of(folder: Path) -> Framing | None:
    """How the faces of a dataset that `reskin prepare faces` made are framed; None for any other one.

    Args:
        folder: the dataset, or one of its splits.

    Raises:
        DataError: its manifest is damaged.
        SettingsError: its manifest states a framing that there is not.
    """
    is_split = folder.name in get_args(Split) and not (folder / MANIFEST_NAME).exists()
    for root in (folder, *([folder.parent] if is_split else [])):
        manifest = read_manifest(root) if root.is_dir() else None
        if manifest is not None and manifest.settings.get("kind") == "faces":
            return read_framing(manifest.settings, str(root / MANIFEST_NAME))
    return None
