"""A long film in segments of a few seconds, kept beside the target until the film is whole.

A stopped translation goes on behind the last whole segment. Each segment has an encoder of its own, and what
the stages remember of the frames before is kept with it, so that the result is that of a translation which
was never stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from reskin.errors import ReskinError, RunError, SettingsError
from reskin.paths import open_plain
from reskin.storage import commit, lock, read_json, write_json
from reskin.types import Bars
from reskin.video.segments import Segment
from reskin.video.survey import Shot

SEGMENT_SECONDS = 5
"""A stopped translation does at most so much of the film again; a segment begins with a key frame."""

_PREFIX = ".reskin-film-"
_FACTS = "job.json"
_STATE = "state."
_STALE_SECONDS = 30 * 86_400.0


@dataclass
class Job:
    """What is done of one film.

    Attributes:
        folder: where it is kept.
        key: digest of everything that the result depends on.
        shots: of the film, None where they have not been looked for.
    """

    folder: Path
    key: str
    shots: list[Shot] | None = None

    def take_up(self) -> Iterator[tuple[Segment, dict[str, Tensor]]]:
        """The whole segments in order, each with what the stages remembered behind it."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        number = 0
        while (path := self._path(number)).exists():
            try:
                tensors = load(_content(path))
                segment = Segment.from_tensors(tensors)
            except (SafetensorError, OSError, KeyError, ValueError):
                break  # damaged on the disk: done anew from here on
            state = {name: value for name, value in tensors.items() if name.startswith(_STATE)}
            yield segment, {name.removeprefix(_STATE): value for name, value in state.items()}
            number += 1

    def save(self, number: int, segment: Segment, state: dict[str, Tensor]) -> None:
        """Keep a segment that is whole.

        Raises:
            StorageError: the disk refuses the write.
        """
        from safetensors.torch import save_file

        tensors = segment.to_tensors() | {f"{_STATE}{name}": value for name, value in state.items()}
        with commit(self._path(number)) as temporary:
            save_file(tensors, temporary)

    def keep_shots(self, shots: list[Shot]) -> None:
        """Note the shots, so that they need not be looked for again."""
        self.shots = shots
        rows = [[shot.first, *shot.bars] for shot in shots]
        write_json(self.folder / _FACTS, {"key": self.key, "shots": rows})

    def keep_faces(self, number: int, values: dict[str, Any]) -> None:
        """Keep part `number` of what the search for faces found.

        Raises:
            StorageError: the disk refuses the write.
        """
        write_json(self._faces_path(number), values)

    def faces(self) -> Iterator[dict[str, Any]]:
        """The parts of the search for faces that are there, in order."""
        number = 0
        while (path := self._faces_path(number)).exists():
            try:
                yield read_json(path)
            except SettingsError:
                return  # damaged on the disk: searched anew from here on
            number += 1

    def clear(self) -> None:
        """Remove all that is kept."""
        for path in self.folder.iterdir():
            if path.name != ".lock":
                path.unlink(missing_ok=True)
        self.shots = None

    def clear_if_nothing_is_whole(self) -> None:
        """Leave nothing where not one segment and no part of a search for faces is whole."""
        if not self._path(0).exists() and not self._faces_path(0).exists():
            with suppress(OSError):  # moved or removed meanwhile, which the error in flight says
                self.clear()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.segment"

    def _faces_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.faces.json"


def _content(path: Path) -> bytes:
    with open(open_plain(path), "rb") as file:
        return file.read()


@contextmanager
def open_job(out: Path, key: str) -> Iterator[Job]:
    """What is done of the film that is to be written to `out`, held for this process.

    What other settings have left is removed, and so is all of it where no segment is whole at the end.

    Raises:
        RunError: another process translates to `out`.
        StorageError: the disk refuses the write.
    """
    _sweep(out.absolute().parent)
    name = hashlib.sha256(os.fsencode(out.name)).hexdigest()[:16]
    folder = out.absolute().parent / f"{_PREFIX}{name}"
    if folder.is_symlink():
        raise RunError(f"{folder} is a link", "Remove it, and run the same command again.")
    with _held(folder, out):
        job = _read(folder, key)
        try:
            yield job
        finally:
            job.clear_if_nothing_is_whole()


@contextmanager
def _held(folder: Path, out: Path) -> Iterator[None]:
    try:
        held = lock(folder)
        held.__enter__()
    except RunError as error:
        raise RunError(
            f"{out} is being written: {error.what}", "Wait for it, or choose another name."
        ) from None
    try:
        yield
    finally:
        held.__exit__(None, None, None)


def _read(folder: Path, key: str) -> Job:
    job = Job(folder, key)
    try:
        facts = read_json(folder / _FACTS)
        rows = [[int(value) for value in row] for row in facts["shots"]]
    except (SettingsError, KeyError, TypeError, ValueError):
        facts, rows = {}, []
    if facts.get("key") == key and all(len(row) == 5 for row in rows):
        job.shots = [Shot(row[0], _bars(row)) for row in rows]
    else:
        job.clear()
    return job


def _bars(row: list[int]) -> Bars:
    return row[1], row[2], row[3], row[4]


def _sweep(parent: Path) -> None:
    """Remove what translations left that nobody took up for a month."""
    for folder in parent.glob(f"{_PREFIX}*"):
        if _is_stale(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_stale(folder: Path) -> bool:
    """Whether a folder is old and nobody works in it."""
    try:
        if folder.is_symlink() or time.time() - folder.stat().st_mtime < _STALE_SECONDS:
            return False
        with lock(folder):
            return True
    except (OSError, ReskinError):
        return False  # in use, or not ours to remove
