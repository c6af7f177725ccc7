"""Files that a browser sends in pieces: a cut in the middle costs the piece, not the file.

A file that is being sent lies in `.reskin/uploads/`; when it is whole it is moved to `footage/`. Whoever
sends a file of the same name and size again goes on where it was cut.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
import unicodedata
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from reskin.errors import ReskinError, SettingsError
from reskin.image_formats import is_image_name
from reskin.paths import inside
from reskin.storage import commit, free_bytes, read_json, storage_error, write_json
from reskin.video.probe import is_video_name
from reskin.web.studio.forms import DEVICES
from reskin.web.studio.state import StateFolder

FOOTAGE = "footage"
MOST_BYTES = 20 * 2**30
SPARE_BYTES = 5 * 10**9
"""Room on the disk that an upload leaves."""
_LONGEST = 120
KEPT_SECONDS = 7 * 86_400.0
"""How long a part is kept for its rest."""


class TooLargeError(SettingsError):
    """A file, or a piece of one, is larger than what is taken or than the room on the disk."""


class OutOfTurnError(ReskinError):
    """A piece is not the next one of its file, or another page sends one; whoever asks again may go on."""


@dataclass(frozen=True)
class Upload:
    """A file that is being sent.

    Attributes:
        id: of its folder.
        name: of the file.
        size: bytes it will have.
        at: bytes that are there.
        made: its name in the studio's folder once it is whole, "" before.
    """

    id: str
    name: str
    size: int
    at: int
    made: str = ""


class Uploads:
    """What is being sent to a studio.

    Args:
        state: the studio's folder.
    """

    def __init__(self, state: StateFolder) -> None:
        self.state = state
        self._turn = threading.Lock()
        self._busy: set[str] = set()

    def begin(self, name: Any, size: Any) -> Upload:
        """Begin to take a file, or go on with it.

        Raises:
            SettingsError: no name or kind of file that is taken, or nothing in it.
            TooLargeError: it is larger than what is taken, or there is no room for it.
            StorageError: the disk refuses.
        """
        name = plain_name(name)
        if not (is_video_name(name) or is_image_name(name)):
            raise SettingsError(
                f"{name} is neither a video nor a picture by its name", "Send a video, such as .mp4."
            )
        if type(size) is not int or size <= 0:
            raise SettingsError(f"{name} is empty", "Choose another one.")
        if size > MOST_BYTES:
            raise TooLargeError(f"{name} is larger than 20 GiB", "Copy it into the folder yourself.")
        id = hashlib.blake2b(f"{size} {name}".encode(), digest_size=10).hexdigest()
        folder = self._folder(id)
        folder.mkdir(mode=0o700, exist_ok=True)
        at = _size(folder / "part")
        if free_bytes(folder) - SPARE_BYTES < size - at:
            if not at:
                shutil.rmtree(folder, ignore_errors=True)
            raise TooLargeError(
                f"{name} needs {(size - at) / 1e9:.1f} GB, and 5 GB stay free",
                "Make room on the disk, then send it again.",
            )
        write_json(folder / "upload.json", {"name": name, "size": size, "at": time.time()})
        return Upload(id, name, size, at)

    async def take(self, id: str, at: int, pieces: AsyncIterator[bytes]) -> Upload:
        """Add a piece.

        Args:
            id: of the upload.
            at: bytes that were there before, as the sender knows.
            pieces: the bytes; what came before a cut is kept.

        Raises:
            SettingsError: there is no such upload.
            OutOfTurnError: the piece belongs elsewhere, or another page sends the same file.
            TooLargeError: more comes than the file was said to have.
            StorageError: the disk refuses; what was sent is kept.
        """
        upload = self.find(id)
        with self._turn:
            if id in self._busy:
                raise OutOfTurnError(
                    f"{upload.name} is being sent by another page", "Wait for it, or close that page."
                )
            self._busy.add(id)
        try:
            if at != upload.at:
                raise OutOfTurnError(f"{upload.name} goes on at {upload.at} bytes", "Send it from there.")
            await _append(self._folder(id) / "part", pieces, most=upload.size - at)
            return await run_in_threadpool(self._finished, self.find(id))
        finally:
            self._busy.discard(id)

    def find(self, id: str) -> Upload:
        """An upload that was begun.

        Raises:
            SettingsError: there is none.
        """
        known = id.isalnum() and id.isascii() and len(id) == 20
        try:
            values = read_json(self._folder(id) / "upload.json", most_bytes=10_000) if known else {}
            return Upload(id, str(values["name"]), int(values["size"]), _size(self._folder(id) / "part"))
        except (ReskinError, KeyError, TypeError, ValueError):
            raise SettingsError("nothing of this file was begun", "Choose it again.") from None

    def sweep(self) -> None:
        """Remove parts whose rest did not come for a week."""
        with suppress(OSError):
            for entry in os.scandir(self.state.uploads):
                if entry.is_dir(follow_symlinks=False) and time.time() - entry.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(entry.path, ignore_errors=True)

    def _folder(self, id: str) -> Path:
        return self.state.uploads / id

    def _finished(self, upload: Upload) -> Upload:
        """Move a file that is whole to the footage."""
        if upload.at < upload.size:
            return upload
        inside(self.state.root, FOOTAGE, kind="folder", writes=True)
        folder = self.state.root / FOOTAGE
        with self._turn:
            try:
                folder.mkdir(exist_ok=True)
                with open(self._folder(upload.id) / "part", "rb+") as part:
                    os.fsync(part.fileno())  # so that hardly anything can fail once it is moved
                target = _free(folder, upload.name)
                with commit(target) as temporary:
                    os.replace(self._folder(upload.id) / "part", temporary)
            except OSError as error:
                raise storage_error(folder / upload.name, error) from error
        shutil.rmtree(self._folder(upload.id), ignore_errors=True)
        made = target.relative_to(self.state.root).as_posix()
        return Upload(upload.id, upload.name, upload.size, upload.at, made)


async def _append(path: Path, pieces: AsyncIterator[bytes], *, most: int) -> None:
    """Add bytes to a file, at most so many more."""
    try:
        file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK, 0o600), "ab")  # noqa: SIM115 - local, short
    except OSError as error:
        raise storage_error(path, error) from error
    with file:
        async for piece in pieces:
            most -= len(piece)
            if most < 0:
                raise TooLargeError("more was sent than the file was said to have", "Choose it again.")
            try:
                file.write(piece)
            except OSError as error:
                raise storage_error(path, error) from error


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def plain_name(text: Any) -> str:
    """The name of a file as it is kept: signs beside letters, digits, spaces, '.', '-' and '_' become '-'.

    Raises:
        SettingsError: nothing is left of it.

    >>> plain_name("C:\\\\films\\\\a<b>.mp4"), plain_name("影片 1.mp4"), plain_name("../../x.mp4")
    ('a-b-.mp4', '影片 1.mp4', 'x.mp4')
    """
    last = re.split(r"[/\\\\]", text if isinstance(text, str) else "")[-1]
    kept = re.sub(r"[^\w .-]+", "-", unicodedata.normalize("NFC", last)).strip(" .-")
    stem, suffix = os.path.splitext(kept)
    while len(f"{stem}{suffix}".encode()) > _LONGEST and stem:
        stem = stem[:-1]
    if not stem or not suffix or stem.partition(".")[0].strip().lower() in DEVICES:
        raise SettingsError("this is no name for a file", "Rename it, such as film.mp4, and send it again.")
    return f"{stem.strip()}{suffix}"


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _free(folder: Path, name: str) -> Path:
    """The name in a folder, or one with a number where that is taken."""
    stem, suffix = os.path.splitext(name)
    number, target = 1, folder / name
    while os.path.lexists(target):
        number += 1
        target = folder / f"{stem}-{number}{suffix}"
    return target
