"""The manifest: where every picture of a data set comes from, and with which settings it was made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from reskin.config import Settings, read_json, write_json
from reskin.errors import DataError
from reskin.types import Split

MANIFEST_NAME = "manifest.json"


class Origin(Settings):
    """A video that pictures were taken from."""

    name: str
    """Name of the file, without its folder."""
    sha256: str
    """Digest of the file's bytes, in hexadecimal."""
    size_bytes: int
    """Size of the file, in bytes."""
    duration_seconds: float | None = None
    """Length by the file's own account, in seconds."""
    frames: int | None = None
    """Frames in the file."""


class FrameRecord(Settings):
    """A picture and the frame it was."""

    file: str
    """Path below the manifest's folder, with forward slashes."""
    source: int
    """Place of its video in the manifest's sources, from 0."""
    index: int
    """Place of the frame in its video, in the order of showing, from 0."""
    time: str
    """When it is shown, in seconds, as an exact fraction such as 1001/30000."""
    seconds: float
    """The same, rounded to a float."""
    split: Split
    """The part of the data set it belongs to."""


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
    """Damage that was met: one line each, beginning with the video's name."""


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none.

    Raises:
        DataError: it is damaged or not of this form.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        return None
    try:
        return Manifest.model_validate(read_json(path))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} is no manifest of ours ({reason})", "Choose an empty folder with --out."
        ) from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into its folder, whole or not at all.

    Raises:
        StorageError: the disk refuses the write.
    """
    write_json(folder / MANIFEST_NAME, manifest.to_dict())


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
