"""Small pictures of a dataset, in one file for each dataset, for the page on which people curate it.

The file belongs to the studio (`reskin studio`): it lies in the studio's folder, `.reskin/thumbs`, and may be
deleted at any time. Commands that have each picture decoded anyway (prepare, screen, inspect) add to it where
a studio was opened on the folder above; elsewhere they keep nothing. A thumbnail counts only for the file it
was made of: with another size or time of change it is made anew.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import os
import sqlite3
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from reskin.databases import inside_plain, keep_journal
from reskin.errors import ReskinError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

EDGE_PX = 128
"""Longest edge of a thumbnail."""
QUALITY = 80
STATE_FOLDER = ".reskin"
"""Name of the studio's folder."""
DEEPEST = 4
"""How many folders above a dataset are looked at for the studio's."""
WAIT_SECONDS = 5.0

_log = logging.getLogger("reskin")
_TABLE = (
    "CREATE TABLE IF NOT EXISTS thumbnail"
    " (file BLOB PRIMARY KEY, stamp TEXT NOT NULL, picture BLOB, fault TEXT NOT NULL) WITHOUT ROWID"
)


@dataclass(frozen=True)
class Thumbnail:
    """What is kept of one picture.

    Attributes:
        stamp: of the file that it was made of, see `stamp_of`.
        picture: a JPEG, at most `EDGE_PX` wide and high; None where the file cannot be read.
        fault: why it cannot be read, "" where it can.
    """

    stamp: str
    picture: bytes | None
    fault: str = ""


class Thumbnails:
    """The thumbnails of one dataset; several threads and processes may use the same file.

    A file that is removed while it is used is made anew by whoever uses it next; what was put into the one
    that was removed, nobody else would see.

    Args:
        path: the file, in a folder of the studio's; it is made where it is not there, and anew where it is
            damaged.

    Raises:
        DataError: the file or its folder is a link.
        sqlite3.Error: the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._database = self._opened()
        self._file = self._identity()

    def get(self, files: Sequence[str]) -> dict[str, Thumbnail]:
        """What is kept of these files (paths below the dataset); those of which nothing is are not in it.

        Raises:
            DataError: the file was removed, and a link has its name.
            sqlite3.Error: the file cannot be read.
        """
        found: dict[str, Thumbnail] = {}
        with self._turn:
            database = self._current()
            for at in range(0, len(files), 500):
                part = [os.fsencode(file) for file in files[at : at + 500]]
                marks = ",".join("?" * len(part))
                rows = database.execute(
                    f"SELECT file, stamp, picture, fault FROM thumbnail WHERE file IN ({marks})",  # noqa: S608 - marks alone
                    part,
                )
                found |= {os.fsdecode(name): Thumbnail(*rest) for name, *rest in rows}
        return found

    def put(self, file: str, thumbnail: Thumbnail) -> None:
        """Keep a thumbnail instead of an earlier one.

        Raises:
            DataError: the file was removed, and a link has its name.
            sqlite3.Error: the disk refuses.
        """
        values = (os.fsencode(file), thumbnail.stamp, thumbnail.picture, thumbnail.fault)
        with self._turn:
            self._current().execute("INSERT OR REPLACE INTO thumbnail VALUES (?, ?, ?, ?)", values)

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._database.close()

    def _current(self) -> sqlite3.Connection:
        """The database; opened anew where its file was removed."""
        if self._identity() != self._file:
            self._database.close()
            self._database = self._opened()
            self._file = self._identity()
        return self._database

    def _identity(self) -> tuple[int, int]:
        with suppress(OSError):
            found = self.path.stat()
            return found.st_dev, found.st_ino
        return 0, 0

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            for name in (self.path.name, f"{self.path.name}-wal", f"{self.path.name}-shm"):
                self.path.with_name(name).unlink(missing_ok=True)
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        inside_plain(self.path.parents[1], f"{self.path.parent.name}/{self.path.name}")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sqlite3.connect(
            self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            # What is lost with the power is made anew.
            keep_journal(found, self.path)
            found.execute("PRAGMA synchronous=OFF")
            found.execute(_TABLE)
            found.execute("SELECT file, stamp, picture, fault FROM thumbnail LIMIT 1").fetchall()
        except BaseException:
            found.close()
            raise
        return found


class ThumbnailKeeper:
    """Keeps thumbnails of pictures that a command has decoded anyway, where there is a studio; for `with`.

    What cannot be kept (a disk that is full, a file that another process holds) is made later by the studio.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: dict[Path, Thumbnails | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for found in self._known.values():
            if found is not None:
                found.close()

    def keep(self, root: Path, file: str, picture: NDArray[np.uint8]) -> None:
        """Keep the thumbnail of a picture.

        Args:
            root: the dataset's folder.
            file: path of the picture below it; it is there.
            picture: what it shows, RGB, uint8, (H, W, 3).
        """
        try:
            if (store := self._store(root)) is not None:
                from PIL import Image

                made = jpeg_of(Image.fromarray(picture))
                store.put(file, Thumbnail(stamp_of(root / file), made))
        except (OSError, sqlite3.Error, ReskinError) as error:
            _log.debug("no thumbnail of %s is kept: %s", file, error)

    def _store(self, root: Path) -> Thumbnails | None:
        with self._turn:
            if root not in self._known:
                self._known[root] = None  # where it cannot be opened it is not tried for each picture
                path = path_for(root)
                self._known[root] = Thumbnails(path) if path is not None else None
            return self._known[root]


def path_for(dataset: Path) -> Path | None:
    """The file of a dataset's thumbnails; None where no studio was opened on a folder above it.

    Args:
        dataset: the dataset's folder.
    """
    folder = dataset.resolve()
    for root in list(folder.parents)[:DEEPEST]:
        state = root / STATE_FOLDER
        with suppress(OSError):
            found = state.lstat()
            is_ours = not hasattr(os, "getuid") or found.st_uid == os.getuid()
            if stat.S_ISDIR(found.st_mode) and is_ours and (state / "jobs").is_dir():
                return state / "thumbs" / f"{folder_id(root, folder)}.sqlite"
    return None


def folder_id(root: Path, folder: Path) -> str:
    """A name for a folder below another one, the same in every process: 16 small letters and digits."""
    digest = hashlib.blake2b(os.fsencode(folder.relative_to(root)), digest_size=10).digest()
    return base64.b32encode(digest).decode("ascii").lower()


def stamp_of(path: Path) -> str:
    """What changes when a file does: its time of change and size.

    Raises:
        OSError: it is not there.
    """
    found = path.stat()
    return f"{found.st_mtime_ns}:{found.st_size}"


def jpeg_of(picture: Image.Image) -> bytes:
    """The thumbnail of a picture."""
    from PIL import Image

    small = picture.convert("RGB")
    small.thumbnail((EDGE_PX, EDGE_PX), Image.Resampling.BOX, reducing_gap=2.0)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=QUALITY)
    return data.getvalue()
