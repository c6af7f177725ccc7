"""A Ray cluster (https://docs.ray.io): how it is reached, and what is said of a task that failed."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reskin.errors import ReskinError, RunError, SettingsError

ANSWER_SECONDS = 10
"""An address that does not answer for so long is refused."""

MOST_RETRIES = 20
"""A task whose process died more often than this is given up: most likely it is the task that does it."""

_SETTINGS = 4
"""The type of that frame of HTTP/2, in which Ray's machines speak."""


@dataclass(frozen=True)
class RayAddress:
    """Where a cluster is.

    Attributes:
        text: HOST:PORT; "auto" for the cluster of this machine, or a new one of its processors.
    """

    text: str


def work_in(folder: str) -> None:
    """In a process of the cluster: be in the folder in which the relative paths of a command begin.

    Raises:
        RunError: this machine does not have it.
    """
    try:
        os.chdir(folder)
    except OSError:
        what = f"{socket.gethostname()} has no {folder}"
        raise RunError(what, "Work in a folder that all machines of the cluster see.") from None


def cause_of(error: Exception) -> Exception:
    """What a task raised, which Ray wraps."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def use_own_threads() -> None:
    """In a process of the cluster: take the processor that Ray counts for its task, and no more."""
    import torch

    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))


def reason_of(error: Exception) -> str:
    """Why a task failed, in one line."""
    cause = cause_of(error)
    if isinstance(cause, ReskinError):
        return str(cause)
    last = (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
    if cause is not error:
        return f"its task failed ({last})"
    return f"its process died {MOST_RETRIES + 1} times ({last})"


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster at an address; afterwards this process has left it.

    Raises:
        SettingsError: it is not installed, or nothing answers there.
    """
    try:
        import ray
    except ImportError:
        raise SettingsError("--ray: it is not installed", "Type: pip install 'reskin[ray]'.") from None
    if address != "auto":
        _check_answers(f"--ray {address}", address)
    elif (known := os.environ.get("RAY_ADDRESS", "")) not in ("", "auto", "local"):
        _check_answers(f"RAY_ADDRESS={known}", known)
    try:
        ray.init(
            None if address == "auto" else address,
            log_to_driver=False,
            include_dashboard=None if address != "auto" else False,
            logging_level="ERROR",
        )
    except Exception as error:  # Ray raises what it likes; the reason is what matters
        ray.shutdown()  # what of a cluster of its own has started already
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise SettingsError(f"--ray {address}: {reason}", "Check it with: ray status.") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(said: str, address: str) -> None:
    found = re.fullmatch(r"(?:ray://)?(\[[0-9a-fA-F:]+\]|[^\s:/]+):([0-9]{1,5})", address)
    if found is None or not 0 < int(found[2]) < 65536:
        raise SettingsError(said, "Give auto, or HOST:PORT of a cluster.")
    fix = "Start a cluster (ray start --head), or give --ray auto."
    try:
        with socket.create_connection(
            (found[1].strip("[]"), int(found[2])), timeout=ANSWER_SECONDS
        ) as connection:
            # Ray tries for minutes to be understood, and says so line by line.
            is_ray = os.environ.get("RAY_USE_TLS", "0") == "1" or _speaks_http2(connection)
    except OSError as error:
        what = f"{said}: nothing answers there ({error.strerror or error})"
        raise SettingsError(what, fix) from None
    if not is_ray:
        raise SettingsError(f"{said}: what answers there is no Ray cluster", fix)


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether what listens there begins as gRPC does, with a SETTINGS frame (RFC 9113, sections 3.4 and 6.5).

    Raises:
        OSError: it says nothing within the time of the connection, or leaves.
    """
    no_settings = bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + no_settings)
    with connection.makefile("rb") as stream:
        head = stream.read(9)
    if not head:
        raise ConnectionResetError("it closed the connection")
    return len(head) == 9 and head[3] == _SETTINGS
