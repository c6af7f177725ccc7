"""A long film in segments of a few seconds, kept beside the target until the film is whole.

A stopped translation goes on behind the last whole segment. Each segment has an encoder of its own, and what
the stages remember of the frames before is kept beside it, so that the result is that of a translation which
was never stopped. What they remember is needed behind the last segment only, and can be as large as many
frames: see `_KEPT_STATES`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from reskin.errors import ReskinError, RunError, SettingsError, StorageError
from reskin.inference.engines.backend import Used
from reskin.paths import open_plain
from reskin.renames import stamp
from reskin.storage import commit, lock, read_json, storage_error, write_json
from reskin.types import Bars
from reskin.video.segments import Segment
from reskin.video.survey import Shot

SEGMENT_SECONDS = 5
"""A stopped translation does at most so much of the film again; a segment begins with a key frame."""

_PREFIX = ".reskin-film-"
_FACTS = "job.json"
_STATE, _KEY = "state.", "key"
_KEPT_STATES, _KEPT_EVERY = 2, 12
"""What the stages remember is kept behind so many segments, the last ones, and behind every twelfth (a minute
of film): where segments were damaged on the disk, a translation goes on from the one before them that has it.
"""
_FINISHED, _STAMP = "finished", "stamp"
_STALE_SECONDS = 30 * 86_400.0


@dataclass(frozen=True)
class Behind:
    """Where a stopped translation goes on.

    Attributes:
        segment: number of the last whole segment.
        frame: number of its last frame in the source.
        state: what the stages remembered there.
    """

    segment: int
    frame: int
    state: dict[str, Tensor]


@dataclass
class Job:
    """What is done of one film.

    Attributes:
        folder: where it is kept.
        key: digest of everything that the result depends on.
        shots: of the film, None where they have not been looked for.
        finished: what was to be said at the end, where the whole film was about to be renamed to its name.
        engine: what computes, as `Used.facts` gives it, and what was `asked`.
        is_shared: whether other processes make segments of it, which need what is noted here.
    """

    folder: Path
    key: str
    shots: list[Shot] | None = None
    finished: dict[str, Any] | None = None
    engine: dict[str, str] = field(default_factory=dict)
    is_shared: bool = False

    def resumable(self, numbers: Iterable[int]) -> Behind | None:
        """Where a translation goes on after these segments, if it can after any.

        Segments behind a missing one, or behind the last that has what the stages remembered, are made again.
        """
        whole: list[tuple[int, int]] = []
        for number in numbers:
            if (segment := self.segment(number)) is None:
                break
            whole.append((number, segment.last))
        for number, last in reversed(whole):
            if (state := self.state(number)) is not None:
                return Behind(number, last, state)
        return None

    def segment(self, number: int) -> Segment | None:
        """A whole segment; None where it is not there, or as in `_tensors`."""
        tensors = self._tensors(self._path(number))
        try:
            return None if tensors is None else Segment.from_tensors(tensors)
        except (KeyError, ValueError):
            return None

    def state(self, number: int) -> dict[str, Tensor] | None:
        """What the stages remembered behind a segment; None where it is not there, or as in `_tensors`."""
        tensors = self._tensors(self._state_path(number))
        if tensors is None:
            return None
        return {name.removeprefix(_STATE): value for name, value in tensors.items() if name != _KEY}

    def _tensors(self, path: Path) -> dict[str, Tensor] | None:
        """What a file holds.

        None where it is damaged on the disk, or one that a process with other settings wrote here after this
        one began.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            tensors = load(_content(path))
        except (SafetensorError, OSError, ValueError):
            return None
        is_ours = _KEY in tensors and tensors[_KEY].numpy().tobytes() == self.key.encode()
        return tensors if is_ours else None

    def holds(self, number: int) -> bool:
        """Whether a file of this segment is there."""
        return self._path(number).exists()

    def save(self, number: int, segment: Segment, state: dict[str, Tensor]) -> None:
        """Keep a segment that is whole, and what the stages remember behind it.

        Raises:
            StorageError: the disk refuses the write.
        """
        self._save(self._state_path(number), {f"{_STATE}{name}": value for name, value in state.items()})
        self._save(self._path(number), segment.to_tensors())
        old = number - _KEPT_STATES
        if old >= 0 and (old + 1) % _KEPT_EVERY:
            self._state_path(old).unlink(missing_ok=True)

    def _save(self, path: Path, tensors: dict[str, Tensor]) -> None:
        import torch
        from safetensors.torch import save_file

        key = torch.frombuffer(bytearray(self.key.encode()), dtype=torch.uint8)
        with commit(path) as temporary:
            save_file(tensors | {_KEY: key}, temporary)

    def keep_shots(self, shots: list[Shot]) -> None:
        """Note the shots, so that they need not be looked for again."""
        self.shots = shots
        self._write()

    def keep_finished(self, values: dict[str, Any], status: os.stat_result) -> None:
        """Note that the whole film is about to be renamed, and what is then to be said.

        Raises:
            StorageError: the disk refuses the write.
        """
        self.finished = {_STAMP: stamp(status), **values}
        self._write()

    def has_finished(self, out: Path) -> bool:
        """Whether `out` is the film that an earlier process made whole, and could not say so any more."""
        return self.finished is not None and _is_stamped(out, self.finished)

    def _write(self) -> None:
        rows = [[shot.first, *shot.bars] for shot in self.shots or []]
        more = {_FINISHED: self.finished} if self.finished else {}
        write_json(self.folder / _FACTS, {"key": self.key, "engine": self.engine, "shots": rows, **more})

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
        self.shots = self.finished = None

    def clear_if_nothing_is_whole(self, out: Path) -> None:
        """Leave nothing where not one segment, no part of a search for faces and not the film is whole."""
        parts = (self._path(0), self._faces_path(0))
        if not (self.is_shared or self.has_finished(out) or any(part.exists() for part in parts)):
            with suppress(OSError):  # moved or removed meanwhile, which the error in flight says
                self.clear()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.segment"

    def _state_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.state"

    def _faces_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.faces.json"


def _content(path: Path) -> bytes:
    with open(open_plain(path), "rb") as file:
        return file.read()


def was_finished(out: Path) -> bool:
    """Whether `out` is what a process that was killed at its very end has left, by whatever settings."""
    try:
        finished = read_json(job_folder(out) / _FACTS).get(_FINISHED)
    except SettingsError:
        return False
    return isinstance(finished, dict) and _is_stamped(out, finished)


def job_folder(out: Path) -> Path:
    """Where what is done of the film that is to be written to `out` lies until then."""
    name = hashlib.sha256(os.fsencode(out.name)).hexdigest()[:16]
    return out.absolute().parent / f"{_PREFIX}{name}"


def _is_stamped(out: Path, finished: dict[str, Any]) -> bool:
    try:
        status = os.lstat(out)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and finished.get(_STAMP) == stamp(status)


@contextmanager
def open_job(out: Path, key: str, engine: dict[str, str] | None = None) -> Iterator[Job]:
    """What is done of the film that is to be written to `out`, held for this process.

    What other settings have left is removed, and so is all of it where no segment is whole at the end.

    Args:
        out: the film that is to be written.
        key: see `Job`.
        engine: see `Job`; for who goes on with it.

    Raises:
        RunError: another process translates to `out`.
        StorageError: the disk refuses the write.
    """
    _sweep(out.absolute().parent)
    folder = job_folder(out)
    if folder.is_symlink():
        raise RunError(f"{folder} is a link", "Remove it, and run the same command again.")
    with _held(folder, out):
        job = _read(folder, key)
        job.engine = engine or {}
        try:
            yield job
        finally:
            job.clear_if_nothing_is_whole(out)


def earlier_engine(out: Path, asked: str) -> Used | None:
    """What computed the segments of the film that are there, for the same model and the same wishes."""
    try:
        engine = read_json(job_folder(out) / _FACTS).get("engine")
    except SettingsError:
        return None  # nothing is there, or it is damaged
    return Used.from_facts(engine) if isinstance(engine, dict) and engine.get("asked") == asked else None


def shared_job(out: Path, key: str) -> Job:
    """What is noted of a film that another process holds, so that this one can make segments of it.

    Raises:
        RunError: that process has ended, or others' settings hold there now.
    """
    job = Job(job_folder(out), key)
    if not _take_facts(job):
        raise RunError(f"nobody shares out {out} any more", "Run the same command again.")
    return job


@contextmanager
def _held(folder: Path, out: Path) -> Iterator[None]:
    try:
        held = lock(folder)
        held.__enter__()
    except RunError as error:
        raise RunError(
            f"{out} is being written: {error.what}", "Wait for it, or choose another name."
        ) from None
    except StorageError as error:
        if isinstance(error.__cause__, OSError):  # of a hidden folder, whose name nobody typed
            raise storage_error(out, error.__cause__) from error.__cause__
        raise
    try:
        yield
    finally:
        held.__exit__(None, None, None)


def _read(folder: Path, key: str) -> Job:
    job = Job(folder, key)
    if not _take_facts(job):
        job.clear()
    return job


def _take_facts(job: Job) -> bool:
    """Read the shots and what was finished; whether they are there and of the same settings."""
    try:
        facts = read_json(job.folder / _FACTS)
        rows = [[int(value) for value in row] for row in facts["shots"]]
    except (SettingsError, KeyError, TypeError, ValueError):
        return False
    if facts.get("key") != job.key or any(len(row) != 5 for row in rows):
        return False
    job.shots = [Shot(row[0], _bars(row)) for row in rows]
    job.finished = _finished_in(facts)
    return True


def _finished_in(facts: dict[str, Any]) -> dict[str, Any] | None:
    """What was to be said of the finished film, if it is of the kinds that it was written as."""
    values = facts.get(_FINISHED)
    if not isinstance(values, dict) or not isinstance(values.get("frames"), int):
        return None
    texts = [values.get("notes"), values.get("damaged")]
    if not isinstance(values.get("bound", ""), str):
        return None
    is_sound = all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in texts)
    return values if is_sound else None


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
