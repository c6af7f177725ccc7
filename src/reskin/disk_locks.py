"""A lock on an open file, as the system has it."""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path

from reskin.holders import holder

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


LET_GO_SECONDS = 2.0
"""A process that is killed while it starts another one leaves it its open files until that has begun."""


class HeldError(OSError):
    """Another process has locked the file."""


def lock_file(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where the disk that it lies on knows no locks.

    Some disks of networks know none: Lustre without the mount option flock, some NFS and FUSE.

    Raises:
        HeldError: another process has locked it.
        OSError: the disk cannot be used.
    """
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _HELD:
            raise HeldError(error.errno, error.strerror) from None
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def lock_when_let_go(descriptor: int, folder: Path) -> bool:
    """As `lock_file`; where whoever held the lock of a folder has ended, what it started lets go in a moment.

    Raises:
        HeldError: another process has locked it.
        OSError: the disk cannot be used.
    """
    until = time.monotonic() + LET_GO_SECONDS
    while True:
        try:
            return lock_file(descriptor)
        except HeldError:
            if holder(folder) is not None or time.monotonic() > until:
                raise
            time.sleep(0.02)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
