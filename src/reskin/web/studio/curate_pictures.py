"""Thumbnails that nobody has made yet: a process of its own decodes pictures, never the server.

    python -m reskin.web.studio.curate_pictures DATASET INDEX THUMBNAILS

Each line of its input is a JSON list of files that somebody looks at now; they are made first. In between it
makes those of the whole dataset, at the lowest priority. It ends with its input. A picture that ends the
process twice (a decoder's fault, memory) is not tried again until it changes.
"""

from __future__ import annotations

import json
import os
import queue
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reskin.curation.thumbnails import EDGE_PX, Thumbnail, Thumbnails, jpeg_of, stamp_of
from reskin.errors import ReskinError

ENDED = "reading it ended the process that tried"
MOST_TRIES = 2
IDLE_SECONDS = 60.0
NICE = 10
_READING = "\0"
"""Begins the fault of a picture that is being read: process, and which try it is."""
MOST_BYTES_OF_MEMORY = 6 * 1024**3


@dataclass
class _Maker:
    """A process that makes thumbnails of one dataset."""

    process: subprocess.Popen[str]
    asked_at: float


class Makers:
    """The processes that make thumbnails; one for each dataset that somebody looks at."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: dict[Path, _Maker] = {}

    def ask(self, folder: Path, index: Path, thumbnails: Path, files: Sequence[str]) -> None:
        """Have thumbnails made; this returns at once.

        Args:
            folder: the dataset.
            index: its index, see `curate_index`.
            thumbnails: the file to keep them in.
            files: those that somebody looks at now.

        Raises:
            OSError: no process can be started.
        """
        with self._turn:
            known = self._known.get(folder)
            if known is None or known.process.poll() is not None:
                known = _Maker(_started(folder, index, thumbnails), time.monotonic())
                self._known[folder] = known
            known.asked_at = time.monotonic()
            pipe = known.process.stdin
            assert pipe is not None
            with suppress(BrokenPipeError):  # it has just ended: the next question starts another one
                pipe.write(json.dumps(files) + "\n")
                pipe.flush()

    def rest(self) -> None:
        """End those that were not asked for a minute, and have made all that there is."""
        with self._turn:
            for folder, maker in list(self._known.items()):
                if maker.process.poll() is not None or time.monotonic() - maker.asked_at > IDLE_SECONDS:
                    _end(self._known.pop(folder).process)

    def close(self) -> None:
        """End all."""
        with self._turn:
            for maker in self._known.values():
                _end(maker.process)
            self._known.clear()


def _started(folder: Path, index: Path, thumbnails: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-P", "-m", "reskin.web.studio.curate_pictures"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(  # noqa: S603 - our own command line
        [*words, str(folder), str(index), str(thumbnails)],
        stdin=subprocess.PIPE,
        stdout=quiet,
        stderr=quiet,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    process.terminate()
    process.wait()


def make_thumbnail(folder: Path, file: str, store: Thumbnails) -> None:
    """Make the thumbnail of one picture and keep it, or why there is none.

    Args:
        folder: the dataset.
        file: path below it.
        store: of its thumbnails.

    Raises:
        sqlite3.Error: it cannot be kept.
    """
    from reskin.paths import inside

    try:
        path = inside(folder, file)
        stamp = stamp_of(path)
    except (OSError, ReskinError):
        return  # gone or leading out of the folder: the page says so
    store.put(file, Thumbnail(stamp, None, f"{_READING}{os.getpid()} {tries(store, file, stamp) + 1}"))
    try:
        store.put(file, Thumbnail(stamp, _small(path)))
    except ReskinError as error:
        store.put(file, Thumbnail(stamp, None, error.what.replace(str(path), "").strip(" :") or error.what))


def tries(store: Thumbnails, file: str, stamp: str) -> int:
    """How often a process began to read a picture and did not come to an end.

    Raises:
        sqlite3.Error: the thumbnails cannot be read.
    """
    known = store.get([file]).get(file)
    begun = begun_by(known.fault) if known is not None and known.stamp == stamp else None
    return begun[1] if begun else 0


def begun_by(fault: str) -> tuple[int, int] | None:
    """The process that reads a picture, and how often that was tried; None for any other fault."""
    words = fault.removeprefix(_READING).split(" ")
    if not fault.startswith(_READING) or len(words) != 2 or not all(word.isdecimal() for word in words):
        return None
    return int(words[0]), int(words[1])


def _small(path: Path) -> bytes:
    """A plain JPEG is decoded at a fraction of its size; all else, as training reads it."""
    from PIL import Image, ImageOps

    from reskin.images import opened_image, picture_size

    if path.suffix.lower() in (".jpg", ".jpeg"):
        picture_size(path)  # refuses what is too large
        with suppress(OSError, ValueError, SyntaxError), Image.open(path, formats=("JPEG",)) as opened:
            if opened.mode in ("RGB", "L") and "icc_profile" not in opened.info:
                opened.draft("RGB", (2 * EDGE_PX, 2 * EDGE_PX))
                opened.load()
                return jpeg_of(ImageOps.exif_transpose(opened))
    with opened_image(path) as picture:
        return jpeg_of(Image.fromarray(picture))


def work(folder: Path, store: Thumbnails, wanted: queue.Queue[list[str]], all_files: Iterator[str]) -> None:
    """Make what is asked for, the newest question first, and in between the rest; returns when all is made.

    Args:
        folder: the dataset.
        store: of its thumbnails.
        wanted: lists of files.
        all_files: of the dataset.
    """
    asked: list[list[str]] = []
    while True:
        with suppress(queue.Empty):
            while True:
                asked.append(wanted.get_nowait())
        if asked:
            file = asked[-1].pop(0) if asked[-1] else ""
            if not asked[-1]:
                asked.pop()
            if not file:
                continue
        else:
            found = next(all_files, None)
            if found is None:
                asked.append(wanted.get())  # nothing else to do
                continue
            file = found
        if not _is_made(folder, file, store):
            make_thumbnail(folder, file, store)


def _is_made(folder: Path, file: str, store: Thumbnails) -> bool:
    known = store.get([file]).get(file)
    with suppress(OSError):
        if known is not None and known.stamp == stamp_of(folder / file):
            begun = begun_by(known.fault)
            return begun is None or begun[1] >= MOST_TRIES
    return False


def _files_of(index: Path) -> Iterator[str]:
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{index.as_uri()}?mode=ro", uri=True)) as database,
    ):
        for (file,) in database.execute("SELECT file FROM picture ORDER BY position"):
            yield os.fsdecode(file)


def _listen(lines: IO[str], wanted: queue.Queue[list[str]]) -> None:
    for line in lines:
        with suppress(ValueError):
            wanted.put([str(file) for file in json.loads(line)])
    os._exit(0)  # the server is gone


def main(words: list[str]) -> None:
    """Make thumbnails until the input ends."""
    folder, index, thumbnails = map(Path, words)
    if hasattr(os, "nice"):
        os.nice(NICE)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES_OF_MEMORY, MOST_BYTES_OF_MEMORY))
    wanted: queue.Queue[list[str]] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin, wanted), daemon=True).start()
    work(folder, Thumbnails(thumbnails), wanted, _files_of(index))


if __name__ == "__main__":
    main(sys.argv[1:])
