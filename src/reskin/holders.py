"""Who works on a folder, as the lock in it says."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from reskin.errors import ReskinError
from reskin.paths import read_plain


class Holder(NamedTuple):
    """Who works on a folder.

    Attributes:
        process: its number.
        host: the machine that it runs on.
        since: when it began, seconds since 1970.
    """

    process: int
    host: str
    since: float

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


def holder(folder: Path) -> Holder | None:
    """Who holds `folder`, as its lock says; takes nothing and writes nothing.

    A process of this machine that has ended holds nothing; of another machine's, only its word is known.
    """
    path = folder / ".lock"
    try:
        text, since = read_plain(path, most_bytes=1000).decode("utf-8"), path.stat().st_mtime
    except (OSError, ValueError, ReskinError):
        return None
    found = re.fullmatch(r"process (\d{1,10}) on (.{1,255})", text)
    if not found:
        return None
    by = Holder(int(found[1]), found[2], since)
    return by if by.host != socket.gethostname() or is_alive(by.process) else None


def is_alive(process: int) -> bool:
    """Whether a process of this machine runs; one that has ended is not there, even if nobody asked how.

    In a container whose first process asks after no other's end, killed processes keep their number for good.
    """
    if sys.platform == "win32":  # there os.kill would end it
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, 0, process)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return stat_of(process)[:1] not in (["Z"], ["X"])


def stat_of(process: int) -> list[str]:
    """Linux's `/proc/N/stat` from the state on, see proc_pid_stat(5); empty elsewhere or if it is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
