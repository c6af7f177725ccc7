"""Whether a process that was started earlier is still the one of its number."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from reskin.holders import is_alive, stat_of


def identity(process: int) -> str:
    """What distinguishes a process from a later one with the same number: boot and start; "" if it has ended.

    Where the system does not say when a process began, the number has to do.
    """
    proc = Path("/proc")
    if (proc / "self/stat").exists():
        with suppress(OSError, IndexError):
            fields = stat_of(process)
            boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"
        return ""
    return str(process) if is_alive(process) else ""


def is_same(process: object, known: object) -> bool:
    """Whether the process with this number is there and is the one whose `identity` was `known`."""
    return isinstance(process, int) and process > 0 and bool(known) and identity(process) == known


def session_of(process: int) -> int:
    """The process that leads the session of another, which is the command where a job has started it.

    Where there are no sessions, or it has ended: the process itself.
    """
    if sys.platform == "win32":
        return process
    with suppress(OSError):
        return os.getsid(process)
    return process
