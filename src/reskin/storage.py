"""How files are written: whole or not at all, and by one process at a time."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from reskin.disk_locks import HeldError, lock_when_let_go
from reskin.errors import DataError, ReskinError, RunError, SettingsError, StorageError
from reskin.holders import Holder, holder, is_alive  # noqa: F401 - the holder is asked for beside `lock`
from reskin.paths import MOST_BYTES, MOST_DIGEST_BYTES, make_folder, open_plain, read_plain
from reskin.renames import tell

TEMPORARY_SUFFIX = ".part"
_TEMPORARY = re.compile(r"\.([0-9]{1,10})-([0-9a-f]{0,4})[0-9a-f]*(?:-packets)?\.part")
_OLD_SECONDS = 86_400.0
_FAILING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV)
_log = logging.getLogger("reskin")

_active: set[str] = set()
"""Temporary files that this process is writing."""
_swept: set[str] = set()
"""Folders that this process has looked through for what killed processes left."""
_watched: list[tuple[str, os.stat_result]] = []
"""Folders that this process works in, as they were when it began."""


def _machine() -> str:
    """Four digits for this machine and its numbering of processes: containers number their own."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:4]


@contextmanager
def commit(path: Path | str) -> Iterator[Path]:
    """Write a file so that its name is either absent, the old content or the complete new one.

    Yields the name of a temporary file in the same folder. When the block ends without an error the file is
    flushed to the disk and renamed to `path`; when it raises, the temporary file is removed. What processes
    of this machine that were killed have left in the folder is removed first.

    Args:
        path: the final name; missing parent folders are made.

    Raises:
        StorageError: the disk is full, read-only or refuses the write for another reason, or a folder that
            is held by `lock` or `watched` was moved away.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with commit(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    # A short name of its own: a long target name plus a suffix could pass the limit of 255 bytes.
    temporary = path.parent / f".{os.getpid()}-{_machine()}{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    _active.add(temporary.stem)
    try:
        check_watched(path)
        make_folder(path.parent)
        _sweep(path.parent)
        yield temporary
        _flush_file(temporary)
        check_watched(path)
        tell(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        check_watched(path)
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):  # the parent may be a file, which is what the error above says
            temporary.unlink(missing_ok=True)
        _active.discard(temporary.stem)
    _flush_folder(path.parent)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Have every write below `folder` fail once it is no longer the folder that it is now.

    Without this a folder that somebody moves or removes would be made anew, and what was written so far would
    be missing without a word.

    Raises:
        StorageError: it is not there.
    """
    try:
        entry = (os.path.abspath(folder), os.stat(folder))
    except OSError as error:
        raise storage_error(folder, error) from error
    _watched.append(entry)
    try:
        yield
    finally:
        _watched.remove(entry)


def check_watched(path: Path) -> None:
    """Whether `path` lies in the folders that it lay in when they were taken into use.

    Raises:
        StorageError: one of them was moved, removed or replaced.
    """
    if not _watched:
        return
    name = os.path.abspath(path)
    for folder, before in list(_watched):
        if name != folder and not name.startswith(folder.rstrip(os.sep) + os.sep):
            continue
        try:
            is_same = os.path.samestat(os.stat(folder), before)
        except OSError:
            is_same = False
        if not is_same:
            what = f"{folder} was moved, removed or replaced while this command worked in it"
            raise StorageError(what, "Bring it back or choose another --out, and run the same command again.")


def storage_error(path: Path, error: OSError) -> ReskinError:
    """The one-line error for a write to `path` that the system refused."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = free_bytes(path.parent) / 1e6
        fix = "Nothing that was there before is lost: free some space and run the same command again."
        return StorageError(f"no space left to write {path} ({free:.0f} MB free)", fix)
    if error.errno in (errno.ELOOP, errno.EINVAL) and error.filename:
        what = f"{error.filename} is not written to: {error.strerror}"
        return StorageError(what, "Remove it, and run the command again.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        fix = "Check the permissions there, or choose another folder to write into."
        return StorageError(f"{path} may not be written ({error.strerror})", fix)
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        path = next((each for each in (path, *path.parents) if each.is_file()), path)
        return StorageError(f"{path} is in the way: it is no folder", "Give another name.")
    fix = "Check the disk." if error.errno in _FAILING else "Check the name."
    return StorageError(f"{path} cannot be written ({error.strerror or error})", fix)


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk that holds `folder` (which need not exist yet)."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _flush_file(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Have the disk note the new name; the file is whole and has its name even where that is refused."""
    if sys.platform == "win32":  # Windows cannot open a folder; its rename is journalled.
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        _log.warning("%s: the disk did not confirm what was written there (%s)", folder, error.strerror)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in `folder`, which the caller holds.

    Files of a process of this machine that is still running stay.
    """
    _remove_temporary(folder, is_held=True)


def _sweep(folder: Path) -> None:
    name = os.path.abspath(folder)
    if name not in _swept:
        _swept.add(name)
        _remove_temporary(folder, is_held=False)


def _remove_temporary(folder: Path, *, is_held: bool) -> None:
    try:
        if folder.is_symlink() and is_held:
            return
        names = [entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return  # not there, or not ours to look into: then it is not ours to clean either
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if found and _is_leftover(folder / name, int(found[1]), found[2], is_held=is_held):
            with suppress(OSError):  # another process may be sweeping as well
                (folder / name).unlink()


def _is_leftover(path: Path, process: int, machine: str, *, is_held: bool) -> bool:
    if machine != _machine():
        return is_held or _age_seconds(path) > _OLD_SECONDS
    if process == os.getpid():
        return path.stem.removesuffix("-packets") not in _active
    return not is_alive(process)


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def to_json(values: Any, *, indent: int | None = None) -> bytes:
    """JSON in UTF-8; names whose bytes are no UTF-8 are kept as escapes, which `from_json` turns back.

    >>> to_json({"file": "caf\\udce9"})
    b'{"file": "caf\\\\udce9"}'
    """
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    if text.isascii():
        return text.encode()
    # In a locale that is not UTF-8 the bytes of a name are held one by one: here they join again.
    joined = re.sub("[\udc80-\udcff]+", lambda found: _joined(found[0]), text)
    return joined.encode("utf-8", "backslashreplace")


def _joined(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def from_json(content: bytes) -> Any:
    """What `to_json` wrote, names in the form in which this system opens files.

    Raises:
        ValueError: it is no JSON.
    """
    values = json.loads(content.decode("utf-8-sig"))
    if sys.getfilesystemencoding().lower() in ("utf-8", "utf8"):
        return values
    return _as_names(values)


def _as_names(values: Any) -> Any:
    if isinstance(values, str):
        return os.fsdecode(values.encode("utf-8", "surrogateescape"))
    if isinstance(values, list):
        return [_as_names(value) for value in values]
    if isinstance(values, dict):
        return {_as_names(key): _as_names(value) for key, value in values.items()}
    return values


def append_line(path: Path, values: dict[str, Any]) -> None:
    """Append one JSON object as a line.

    Raises:
        StorageError: the disk refuses the write, or `path` is a link or no plain file.
    """
    _append(path, to_json(values))


def append_text(path: Path, line: str) -> None:
    """Append one line of text; a last line that a kill cut short is left a line of its own.

    Raises:
        StorageError: the disk refuses the write, or `path` is a link or no plain file.
    """
    _append(path, line.encode("utf-8", "backslashreplace"))


def _append(path: Path, line: bytes) -> None:
    try:
        check_watched(path)
        make_folder(path.parent)
        with open(open_plain(path, os.O_RDWR | os.O_CREAT), "rb+") as file:
            is_shared = os.fstat(file.fileno()).st_nlink > 1  # its other name may lie outside
            if not is_shared:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            content = file.read()
            line = (b"\n" if content and not content.endswith(b"\n") else b"") + line + b"\n"
            if not is_shared:
                file.write(line)
                return
        with commit(path) as temporary:
            temporary.write_bytes(content + line)
    except OSError as error:
        raise storage_error(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file of lines; lines that are damaged or no objects are left out.

    Raises:
        RunError: the file cannot be read, is a link or no plain file.

    >>> read_lines(Path("/nowhere/losses.jsonl"))
    []
    """
    if not os.path.lexists(path):
        return []
    try:
        content = read_plain(path)
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror})", "Check its permissions.") from None
    rows = []
    for line in content.split(b"\n"):
        try:
            row = from_json(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def read_json(path: Path, *, follow: bool = False, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: a plain file.
        follow: follow a link, as for a file that the user named.
        most_bytes: a larger file is refused.

    Raises:
        SettingsError: the file is missing, a link, no plain file, not JSON, or not an object.
    """
    try:
        values = from_json(read_plain(path, follow=follow, most_bytes=most_bytes))
    except FileNotFoundError:
        raise SettingsError(f"no file {path}", "Check the name.") from None
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise SettingsError(what, "Check the file and its permissions.") from None
    except (ValueError, RecursionError) as error:
        what = f"{path} is not readable JSON ({error})"
        raise SettingsError(what, "Correct or replace the file.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no JSON object", 'It must look like {"key": value, ...}.')
    return values


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values` to `path` as indented JSON, whole or not at all.

    Raises:
        StorageError: the disk refuses the write.
    """
    with commit(path) as temporary:
        temporary.write_bytes(to_json(values, indent=2) + b"\n")


def file_digest(path: Path, *, most_bytes: float = MOST_DIGEST_BYTES) -> str:
    """The SHA-256 of a plain file's bytes, in hexadecimal.

    Raises:
        DataError: the file cannot be read, is no plain file, not all there, or larger than `most_bytes`.
    """
    try:
        with open(open_plain(path, follow=True), "rb") as file:
            if os.fstat(file.fileno()).st_size > most_bytes:
                raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 1e9:.0f} GB")
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        fix = (
            "Copy it again or remove it."
            if error.errno in (errno.EINVAL, errno.EFBIG)
            else "Check the name and its permissions."
        )
        raise DataError(f"{path} cannot be read ({error.strerror})", fix) from None


_HOLDER = re.compile(rb"process [0-9]+ on [^\n]{0,300}")


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system lets go of it even when the process is killed.

    Writes below it fail once it has been moved or removed (see `watched`).

    Raises:
        RunError: another process holds it, or its `.lock` is a link or a file that is not ours.
        StorageError: the disk refuses.
    """
    path = folder / ".lock"
    with _taken_lock(folder, path) as file:
        try:
            _name_holder(file, path)
            with watched(folder):
                yield
        finally:
            with suppress(OSError):  # the folder may be gone or read-only by now
                _let_go(file, folder, path)


def _taken_lock(folder: Path, path: Path) -> IO[bytes]:
    """The lock's file, locked."""
    while True:
        file = _opened_lock(folder, path)
        try:
            if _take(file, folder, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # its last holder removed it between our two calls


def _opened_lock(folder: Path, path: Path) -> IO[bytes]:
    """The lock's file, made if it is not there; not locked yet."""
    try:
        make_folder(folder)
        return open(open_plain(path, os.O_RDWR | os.O_CREAT), "rb+", buffering=0)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL) and error.filename == str(path):
            raise _foreign_lock(path, error.strerror or "") from None
        raise storage_error(folder, error) from error


def _take(file: IO[bytes], folder: Path, path: Path) -> bool:
    """Lock the open file; whether it still is the one of that name.

    Raises:
        RunError: another process holds it.
        StorageError: the disk refuses.
    """
    try:
        is_locked = lock_when_let_go(file.fileno(), folder)
    except HeldError:
        said = _HOLDER.fullmatch(file.read(400))
        by = said[0].decode("ascii", "replace") if said else "another process"
        raise RunError(f"{folder} is in use by {by}", "Wait for it, or choose another --out.") from None
    except OSError as error:
        raise storage_error(path, error) from error
    if not is_locked:
        if (other := holder(folder)) and other.process != os.getpid() and other.host == socket.gethostname():
            raise RunError(f"{folder} is in use by {other}", "Wait for it, or choose another --out.")
        _log.warning("%s: its disk knows no locks; start no second command that works there", folder)
    return _is_same(file.fileno(), path)


def _name_holder(file: IO[bytes], path: Path) -> None:
    """Write down who holds the lock, if the file is one that a lock has left."""
    status = os.fstat(file.fileno())
    said = file.read(400)
    if status.st_nlink > 1 or (said and not _HOLDER.fullmatch(said)):
        raise _foreign_lock(path, "it is another file that was put there")
    try:
        file.seek(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}".encode("ascii", "replace"))
        file.truncate()
    except OSError as error:
        raise storage_error(path, error) from error


def _let_go(file: IO[bytes], folder: Path, path: Path) -> None:
    said = os.pread(file.fileno(), 400, 0) if hasattr(os, "pread") else b""
    is_ours = not said or _HOLDER.fullmatch(said) is not None
    if is_ours and os.fstat(file.fileno()).st_nlink == 1 and _is_same(file.fileno(), path):
        path.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def _foreign_lock(path: Path, why: str) -> RunError:
    return RunError(f"{path} is no lock of reskin ({why})", "Remove it, if it is nobody's, and try again.")


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
