"""Paths and files in folders that somebody else may have made: nothing leads out of them.

A dataset, run or model folder is something that people pass on. Every path that is read out of a file in
such a folder goes through `inside`, and every file that reskin keeps there for itself is opened by
`open_plain`: no link is followed, and no pipe or device is waited for. The folder itself may be a link, for
the user named it; links in it are followed for reading where they stay inside, and out of it only with
RESKIN_FOLLOW_LINKS=1.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from reskin.errors import DataError

FOLLOW_VARIABLE = "RESKIN_FOLLOW_LINKS"
"""Set to 1 by a user who has put links to other disks into a dataset."""

MOST_BYTES = 1 << 30
"""A file of settings or state that is larger than this is none of ours."""

MOST_DIGEST_BYTES = 1 << 36
"""A larger file is no weights, archive or picture: its digest would take minutes before anyone says so."""

MOST_HOLE = 1 << 30
"""Bytes that a file may state and not hold, where they are more than half of it: the rest of a download that
was broken off, or a trap."""

MOST_DEEP = 256
"""Folders within each other; what goes through deeper ones would run into the interpreter's limit."""

_OPENED = Path("/proc/self/fd")
"""Names of what this process has open, on Linux; other systems have no names that are no UTF-8."""

_MOST_NAME_BYTES = 255
_MOST_HOLES = 100_000
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def follows_links() -> bool:
    """Whether the user allows links that lead out of a dataset to be read through."""
    return os.environ.get(FOLLOW_VARIABLE, "") not in ("", "0")


def relative_fault(text: str) -> str | None:
    """What is wrong with a path that should lie below a folder, on any system; None where nothing is.

    >>> relative_fault("train/a.png"), relative_fault("../a.png")
    (None, 'it leads out of the folder')
    """
    if not text or "\0" in text:
        return "it is empty" if not text else "it holds a NUL character"
    # What is a separator on one system only could lead out of the folder there.
    if re.match(r"[/\\]|[A-Za-z]:[/\\]", text):
        return "it is absolute"
    parts = text.split("/")
    if ".." in re.split(r"[/\\]", text) or (os.name == "nt" and re.search(r"[\\:]", text)):
        return "it leads out of the folder"
    if any(part in ("", ".") for part in parts):
        return "it has an empty part"
    if any(len(os.fsencode(part)) > _MOST_NAME_BYTES for part in parts):
        return f"a name in it is longer than {_MOST_NAME_BYTES} bytes"
    return None


def inside(
    root: Path, relative: str, *, kind: Literal["file", "folder"] = "file", writes: bool = False
) -> Path:
    """The path `relative` below `root`, if it leads nowhere else.

    Args:
        root: a folder; it may be a link itself.
        relative: with forward slashes, as a file in the folder states it; nothing need be there.
        kind: what it has to be if it is there.
        writes: refuse every link on the way, also one that stays below `root`.

    Raises:
        DataError: it is absolute, leads out of `root` by its text or by a link, or is of another kind.
    """
    if fault := relative_fault(relative):
        raise _refused(root, relative, fault)
    path = root
    parts = relative.split("/")
    for number, part in enumerate(parts):
        path = path / part
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                _check_link(root, path, relative, writes=writes)
                mode = os.stat(path).st_mode
        except FileNotFoundError:
            break  # what is not there leads nowhere
        except OSError as error:
            raise _refused(root, relative, error.strerror or str(error)) from None
        wanted = stat.S_ISREG if kind == "file" and number == len(parts) - 1 else stat.S_ISDIR
        if not wanted(mode):
            raise _refused(root, relative, f"{path.name!r} is no plain {_kind(wanted is stat.S_ISREG)}")
    return root.joinpath(*parts)


def _kind(is_file: bool) -> str:
    return "file" if is_file else "folder"


def _check_link(root: Path, path: Path, relative: str, *, writes: bool) -> None:
    if writes:
        raise _refused(root, relative, f"{path.name!r} is a link")
    if not follows_links() and not stays_inside(path, root.resolve()):
        raise _refused(root, relative, f"{path.name!r} is a link that leads out of the folder or nowhere")


def reason_of(error: Exception) -> str:
    """Why a file cannot be read or is no text; what the system says of its name is left out."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it lies in, where they are not there.

    Raises:
        OSError: the system refuses, or it lies in more than `MOST_DEEP` folders.
    """
    if len(folder.parts) > MOST_DEEP:
        raise OSError(errno.ENAMETOOLONG, f"it lies in more than {MOST_DEEP} folders", str(folder))
    folder.mkdir(parents=True, exist_ok=True)


def stays_inside(path: Path, resolved_root: Path) -> bool:
    """Whether `path`, links followed, exists and lies below `resolved_root`."""
    try:
        return path.resolve(strict=True).is_relative_to(resolved_root)
    except (OSError, RuntimeError):  # a link to nowhere, or to itself
        return False


def _refused(root: Path, relative: str, why: str) -> DataError:
    shown = relative if len(relative) <= 200 else f"{relative[:200]}..."
    return DataError(
        f"{root} holds the path {shown!r}, which is not used: {why}",
        "The folder was changed by hand or is not to be trusted: get it anew, or put real files there.",
    )


def check_own(root: Path, names: dict[str, Literal["file", "folder"]]) -> None:
    """Refuse a folder in which a name that reskin writes to is a link or of another kind.

    Args:
        root: a folder; it need not exist.
        names: names directly in it, and what each has to be if it is there.

    Raises:
        DataError: naming the first.
    """
    for name, kind in names.items():
        inside(root, name, kind=kind, writes=True)


def open_plain(path: Path, flags: int = os.O_RDONLY, *, follow: bool = False) -> int:
    """Open a plain file; the descriptor. Pipes and devices are refused and never waited for.

    So is a file most of which is not on the disk (`MOST_HOLE`): reading it would give zeros for hours.

    Args:
        path: its name.
        flags: as for `os.open`; nothing is cut off before the file is known to be plain.
        follow: follow a link at the end of the path, as for a file that the user named.

    Raises:
        OSError: it is a link, no plain file or not all there, or the system refuses.
    """
    assert not flags & os.O_TRUNC, "a file is looked at before it is cut"
    if not follow and os.path.islink(path):
        raise OSError(errno.ELOOP, "it is a link, which is not followed", str(path))
    descriptor = os.open(path, flags | _PLAIN | (0 if follow else _NO_FOLLOW), 0o666)
    fault = _fault_of(descriptor)
    if fault is None:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, fault, str(path))


def _fault_of(descriptor: int) -> str | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return "it is no plain file"
    if status.st_size > MOST_HOLE:
        missing = _missing_bytes(descriptor, status.st_size)
        if missing > max(MOST_HOLE, status.st_size // 2):
            return f"{missing / 1e9:.0f} GB of it are not there: it was not copied or downloaded whole"
    return None


def _missing_bytes(descriptor: int, size: int) -> int:
    """Bytes that a file states and the disk does not hold; 0 where no one can say."""
    if not hasattr(os, "SEEK_HOLE"):
        return 0
    missing, end = 0, 0
    try:
        for _ in range(_MOST_HOLES):
            start = os.lseek(descriptor, end, os.SEEK_HOLE)
            if start >= size:
                break
            end = _next_data(descriptor, start, size)
            missing += end - start
            if end >= size:
                break
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError:
        return 0  # this disk does not know of holes
    return missing


def _next_data(descriptor: int, start: int, size: int) -> int:
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size  # nothing follows


@contextmanager
def in_utf8(path: Path) -> Iterator[Path]:
    """A name of a file for libraries that take no other than UTF-8; one that is UTF-8 stays what it is.

    safetensors refuses others, torch does where it maps a file, and OpenCV ends the process.

    Args:
        path: of a file that is there; the name that is given holds inside the block.

    Raises:
        OSError: it has another name and cannot be opened.
    """
    if not _OPENED.is_dir() or _is_utf8(path):
        yield path
        return
    descriptor = open_plain(path, follow=True)
    try:
        yield _OPENED / str(descriptor)
    finally:
        os.close(descriptor)


def _is_utf8(path: Path) -> bool:
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def read_plain(path: Path, *, follow: bool = False, most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a plain file.

    Args:
        path: its name.
        follow: see `open_plain`.
        most_bytes: a larger file is refused before it is read.

    Raises:
        OSError: it is a link, no plain file or too large, or the system refuses.
    """
    with open(open_plain(path, follow=follow), "rb") as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 1e6:.0f} MB", str(path))
        return file.read(most_bytes)
