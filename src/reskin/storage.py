"""How files are written: whole or not at all, and by one process at a time."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reskin.errors import ReskinError, RunError, SettingsError, StorageError

TEMPORARY_SUFFIX = ".part"


@contextmanager
def commit(path: Path | str) -> Iterator[Path]:
    """Write a file so that its name is either absent, the old content or the complete new one.

    Yields the name of a temporary file in the same folder. When the block ends without an error the file is
    flushed to the disk and renamed to `path`; when it raises, the temporary file is removed.

    Args:
        path: the final name; missing parent folders are made.

    Raises:
        StorageError: the disk is full, read-only or refuses the write for another reason.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with commit(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    # A short name of its own: a long target name plus a suffix could pass the limit of 255 bytes.
    temporary = path.parent / f".{os.getpid()}-{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush_file(temporary)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):  # the parent may be a file, which is what the error above says
            temporary.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> ReskinError:
    """The one-line error for a write to `path` that the system refused."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = free_bytes(path.parent) / 1e6
        return StorageError(
            f"no space left to write {path} ({free:.0f} MB free)",
            "Nothing that was there before is lost: free some space and run the same command again.",
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StorageError(
            f"{path} may not be written ({error.strerror})", "Choose another folder with --out."
        )
    return StorageError(f"{path} cannot be written ({error})", "Check the disk and the name.")


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
    if sys.platform == "win32":  # Windows cannot open a folder; its rename is journalled.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed `commit` left in `folder`."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def append_line(path: Path, values: dict[str, Any]) -> None:
    """Append one JSON object as a line.

    Raises:
        StorageError: the disk refuses the write.
    """
    append_text(path, json.dumps(values))


def append_text(path: Path, line: str) -> None:
    """Append one line of text; a last line that a kill cut short is left a line of its own.

    Raises:
        StorageError: the disk refuses the write.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            is_torn = file.read() not in (b"", b"\n")
            file.write((b"\n" if is_torn else b"") + line.encode() + b"\n")
    except OSError as error:
        raise storage_error(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file of lines; a last line cut short by a kill is left out.

    >>> read_lines(Path("/nowhere/losses.jsonl"))
    []
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        SettingsError: the file is missing, not JSON, or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"no file {path}", "Check the name.") from None
    except (ValueError, OSError, RecursionError) as error:
        raise SettingsError(
            f"{path} is not readable JSON ({error})", "Correct or replace the file."
        ) from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no JSON object", 'It must look like {"key": value, ...}.')
    return values


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values` to `path` as indented JSON, whole or not at all.

    Raises:
        StorageError: the disk refuses the write.
    """
    with commit(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system lets go of it even when the process is killed.

    Raises:
        RunError: another process holds it.
    """
    path = folder / ".lock"
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise storage_error(folder, error) from error
        with file:
            try:
                _lock_file(file.fileno())
            except OSError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise RunError(
                    f"{folder} is in use by {holder}", "Wait for it, or choose another --out."
                ) from None
            if not _is_same(file.fileno(), path):  # its last holder removed it between our two calls
                continue
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                if folder.exists() and not any(folder.iterdir()):
                    folder.rmdir()
            return


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock_file(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock_file(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
