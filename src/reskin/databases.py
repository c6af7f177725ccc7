"""SQLite files on any disk, also on one of another machine: a journal that all processes may share."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

from reskin.paths import inside

_NETWORK = re.compile(
    r"9p|afpfs|afs|beegfs|ceph|cifs|coda|davfs|fuse\.(?!fuseblk).*|glusterfs|gpfs|lustre|ncpfs|nfs\d?"
    r"|orangefs|smb\d?|smbfs|virtiofs|vboxsf|webdav"
)
"""File systems whose files other machines may write too; memory that processes share does not reach them."""

_BESIDE = ("-journal", "-wal", "-shm")
"""Endings of the files that SQLite keeps beside a database."""


def inside_plain(folder: Path, name: str) -> Path:
    """The path of a database below a folder, to which nothing leads by a link.

    SQLite follows a database that is a link, and waits for a pipe.

    Args:
        folder: it may be a link itself.
        name: path below it, with forward slashes.

    Raises:
        DataError: the database, what SQLite keeps beside it, or a folder on the way is a link or not plain.
    """
    for end in _BESIDE:
        inside(folder, f"{name}{end}", writes=True)
    return inside(folder, name, writes=True)


def keep_journal(database: sqlite3.Connection, path: Path) -> str:
    """Choose how a database keeps what a killed process had begun: WAL, on a network disk DELETE.

    WAL lets processes read while another one writes, by memory that they share: on a network disk two
    machines would damage the file.

    Args:
        database: just opened.
        path: its file.

    Returns:
        What it is now, "wal" or "delete".
    """
    wanted = "DELETE" if is_on_network(path) else "WAL"
    return str(database.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0])


def is_on_network(path: Path) -> bool:
    """Whether a file lies on a disk of another machine; False where the system does not say."""
    if sys.platform == "win32":
        import ctypes

        drive = path.resolve().anchor
        return drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive) == 4
    mounted = _mounted()
    for folder in path.resolve().parents:
        if (kind := mounted.get(str(folder))) is not None:
            return _NETWORK.fullmatch(kind) is not None
    return False


def _mounted() -> dict[str, str]:
    """Mount point to the kind of its file system; the last mount of a folder is the one that is seen."""
    try:
        if sys.platform == "linux":
            text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
            return _of_mountinfo(text)
        done = subprocess.run(["/sbin/mount"], capture_output=True, timeout=10, check=False)
        return dict(re.findall(r" on (/.*) \((\w+)", done.stdout.decode("utf-8", "surrogateescape")))
    except (OSError, subprocess.TimeoutExpired):
        return {}


def _of_mountinfo(text: str) -> dict[str, str]:
    """What Linux says of its mounts.

    >>> _of_mountinfo("36 25 0:30 / /mnt/a\\\\040b rw,relatime shared:1 - nfs4 host:/films rw\\n")
    {'/mnt/a b': 'nfs4'}
    """
    found = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        if len(words := before.split(" ")) > 4 and after:
            place = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), words[4])
            found[place] = after.split(" ")[0]
    return found
