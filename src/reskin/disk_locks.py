"""A lock on an open file, as the system has it."""

from __future__ import annotations

import errno
import sys

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


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


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
