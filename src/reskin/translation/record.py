"""What an output folder holds and what it was made from, so that nothing is translated twice or lost."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskin.errors import StorageError
from reskin.inference.engines.backend import Used
from reskin.paths import inside
from reskin.storage import read_json, write_json
from reskin.translation import shards
from reskin.translation.shards import Shard

RECORD_NAME = "translated.json"

_SAVE_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Job:
    """One picture to translate.

    Attributes:
        path: the source.
        target: where it goes, relative to the output folder.
        size: bytes in the source.
        mtime_ns: when the source was last changed.
        mask: its mask, with the bytes in it and when it was last changed; None for none.
    """

    path: Path
    target: Path
    size: int
    mtime_ns: int
    mask: tuple[Path, int, int] | None = None


class Record:
    """The file `translated.json` of an output folder: each picture in it and what it was made from.

    Names are written down before the first picture is made: a file in the folder that is not in the record is
    somebody else's. A kill costs at most what was made in the last two seconds, which is made again.

    Args:
        folder: the output folder; it need not exist yet.
        parts: folders within `folder` that each picture has a file in; "" is the folder itself.
        shard: which part of the source's files this process makes, in a record of its own; None for all.

    Attributes:
        made_by: what changes with the model, see `Engine.identity`; set before anything is asked or noted.
        engine: what computed the pictures, as `Used.facts` gives it, and what was `asked`; empty where the
            record does not say.

    Raises:
        SettingsError: the record is there but is not readable.
    """

    def __init__(
        self, folder: Path, parts: tuple[str, ...] = ("",), *, shard: Shard | None = None, listing: str = ""
    ) -> None:
        self.path, self.parts, self.shard, self.listing = folder / RECORD_NAME, parts, shard, listing
        self.made_by = ""
        self._mine: set[str] = set()
        kept = read_json(self.path) if self.path.exists() else {}
        files = kept.get("files")
        self.files: dict[str, Any] = files if isinstance(files, dict) else {}
        self.engine = kept["engine"] if isinstance(kept.get("engine"), dict) else {}
        if shard is not None:
            self.files |= shards.known_files(folder)
            own = shards.read(folder, shard) or {"files": {}}
            self.engine = own["engine"] if isinstance(own.get("engine"), dict) else self.engine
            self._mine |= set(own["files"])
        self.made: list[Path] = []
        self.saved = time.monotonic()

    def earlier(self, asked: str) -> Used | None:
        """What computed the pictures that are there, for the same model and the same wishes."""
        return Used.from_facts(self.engine) if self.engine.get("asked") == asked else None

    def is_current(self, job: Job) -> bool:
        """Whether the picture is there and was made from this source by this model."""
        return self.files.get(_text(job.target)) == self._entry(job) and all(
            path.is_file() for path in self.outputs(job)
        )

    def is_foreign(self, job: Job) -> bool:
        """Whether the picture's position is taken by a file that is not ours."""
        return _text(job.target) not in self.files and any(map(os.path.lexists, self.outputs(job)))

    def expect(self, jobs: list[Job]) -> None:
        """Note down that these are about to be made.

        Raises:
            StorageError: the disk refuses the write.
            DataError: a folder that pictures go to is a link.
        """
        for folder in sorted({path.parent for job in jobs for path in self.outputs(job)}):
            if folder != self.path.parent:
                below = folder.relative_to(self.path.parent).as_posix()
                inside(self.path.parent, below, kind="folder", writes=True)
        self.files |= {_text(job.target): None for job in jobs}
        self._mine |= {_text(job.target) for job in jobs}
        self.save()

    def add(self, job: Job) -> None:
        """Note down that the picture is made.

        Raises:
            StorageError: the disk refuses the write.
        """
        self.files[_text(job.target)] = self._entry(job)
        self._mine.add(_text(job.target))
        self.made.append(job.target)
        if time.monotonic() - self.saved > _SAVE_EVERY_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the record.

        Raises:
            StorageError: the disk refuses the write.
        """
        if self.shard is None:
            write_json(self.path, {"engine": self.engine, "files": self.files})
        else:
            self._save_shard({"is_done": False})
        self.saved = time.monotonic()

    def _save_shard(self, more: dict[str, Any]) -> None:
        assert self.shard is not None, "asked for where there is one"
        files = {name: self.files[name] for name in sorted(self._mine)}
        values = {"engine": self.engine, "listing": self.listing, "files": files, **more}
        shards.keep(self.path.parent, self.shard, values)

    def finish_shard(self, jobs: list[Job], left_out: int) -> str:
        """Note that the shard is done; where all of them are, write the record of the whole folder.

        Args:
            jobs: of the shard.
            left_out: how many files of the shard could not be made.

        Returns:
            One line on what the others have done.

        Raises:
            StorageError: the disk refuses the write.
        """
        assert self.shard is not None, "asked for where there is one"
        out = self.path.parent
        self._mine |= {_text(job.target) for job in jobs if _text(job.target) in self.files}
        self._save_shard({"is_done": True, "left_out": left_out})
        done = shards.finished(out, self.shard, self.listing)
        if not done.waiting:
            # Another process may write the same at the same time.
            kept = read_json(self.path) if self.path.exists() else {}
            before = kept.get("files") if isinstance(kept.get("files"), dict) else {}
            write_json(self.path, {"engine": self.engine, "files": {**(before or {}), **done.files}})
            shards.clear(out, self.shard)
        return done.in_words(self.shard)

    def check_made(self) -> None:
        """Whether every picture that this run noted down is there.

        Raises:
            StorageError: some were removed meanwhile.
        """
        made = [self.path.parent / part / name for name in self.made for part in self.parts]
        missing = [path for path in made if not path.is_file()]
        if missing:
            raise StorageError(
                f"{missing[0]} and {len(missing) - 1} more were removed while this command worked",
                "Run the same command again: it makes them anew.",
            )

    def outputs(self, job: Job) -> list[Path]:
        """Every file that is made of one picture."""
        return [self.path.parent / part / job.target for part in self.parts]

    def _entry(self, job: Job) -> dict[str, Any]:
        source = _text(job.path.absolute())
        entry = {"source": source, "size": job.size, "mtime_ns": job.mtime_ns, "made_by": self.made_by}
        if job.mask is not None:
            path, size, mtime_ns = job.mask
            entry["mask"] = [_text(path.absolute()), size, mtime_ns]
        return entry


def _text(path: Path) -> str:
    """The name as text that JSON can hold, also where its bytes are no text."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
