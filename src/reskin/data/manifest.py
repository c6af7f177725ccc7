"""The manifest: where every picture of a data set comes from, and with which settings it was made."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reskin.config import Settings
from reskin.errors import DataError
from reskin.faces.crop import Crop
from reskin.storage import write_json
from reskin.types import Split

MANIFEST_NAME = "manifest.json"


class Origin(Settings):
    """A video that pictures were taken from."""

    name: str
    """Name of the file, without its folder."""
    sha256: str
    """Digest of the file's bytes, in hexadecimal; empty where they could not be read."""
    size_bytes: int
    """Size of the file, in bytes."""
    duration_seconds: float | None = None
    """Length by the file's own account, in seconds."""
    frames: int | None = None
    """Frames in the file."""
    shots: tuple[int, ...] | None = None
    """The first frame of each shot, where shots were looked for."""
    bars: tuple[int, int, int, int] | None = None
    """Black bars that were cut away: left, top, right, bottom, in px of the upright frame."""


class FrameRecord(Settings):
    """A picture and where it came from; what does not apply is absent."""

    file: str
    """Path below the manifest's folder, with forward slashes."""
    source: int | None = None
    """Place of its origin in the manifest's sources, from 0."""
    index: int | None = None
    """Place of the frame in its video, in the order of showing, from 0."""
    time: str | None = None
    """When it is shown, in seconds, as an exact fraction such as 1001/30000."""
    seconds: float | None = None
    """The same, rounded to a float."""
    split: Split = "train"
    """The part of the data set it belongs to."""
    shot: int | None = None
    """Number of its shot in its source, from 0."""
    clip: int | None = None
    """Number of the clip of consecutive frames that it belongs to, in the whole data set."""
    origin: str | None = None
    """Path of the picture it was made from, below the folder that was given, with forward slashes."""
    sha256: str | None = None
    """Digest of that picture's bytes, in hexadecimal."""
    crop: Crop | None = None
    """How it was cut out of the frame, where it was."""
    scores: dict[str, float] | None = None
    """What screening measured, by name."""
    left_out: tuple[str, ...] | None = None
    """Why it is not used: names of screening rules, "dropped by hand", "balance". Absent: it is used."""


class Manifest(Settings):
    """All there is to know about a prepared folder; equal input and settings give equal bytes."""

    reskin: str
    """Version that made the folder."""
    settings: dict[str, Any]
    """Settings that made the folder."""
    sources: list[Origin]
    """The videos, in the order given."""
    frames: list[FrameRecord]
    """The pictures, by source and index."""
    damaged: list[str]
    """Damage that was met: one line each, beginning with the source's name."""
    splitting: dict[str, Any] | None = None
    """What the last `reskin split` was asked for; absent where the pictures lie as they were made."""
    screening: dict[str, Any] | None = None
    """Thresholds and lists by hand that the last screening used."""
    balance: dict[str, Any] | None = None
    """What the last balancing was asked for, and the shares before and after."""
    licence: str | None = None
    """What the sources may be used for, in the user's words."""
    consent: str | None = None
    """Whether the people who are shown agreed, in the user's words."""

    def used(self) -> list[FrameRecord]:
        """The pictures that are not left out."""
        return [frame for frame in self.frames if not frame.left_out]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none.

    Raises:
        DataError: it is damaged or not of this form.
    """
    path = folder / MANIFEST_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "Check its permissions.") from None
    try:
        with _without_collector():
            return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise DataError(
            f"{path} is no manifest of ours ({_first_fault(error)})", "Choose an empty folder with --out."
        ) from None


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


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def left_out_files(folder: Path) -> frozenset[str]:
    """The files that the manifest of `folder` says are not used, as paths below it.

    Raises:
        DataError: there is a manifest and it is damaged.
    """
    manifest = read_manifest(folder)
    return frozenset(frame.file for frame in manifest.frames if frame.left_out) if manifest else frozenset()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into its folder, whole or not at all.

    Raises:
        StorageError: the disk refuses the write.
    """
    write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json", exclude_none=True))


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror})", "Check the name and its permissions."
        ) from None
