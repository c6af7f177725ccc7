"""Whether the network may be used."""

from __future__ import annotations

import os

from reskin.errors import OfflineError

VARIABLE = "RESKIN_OFFLINE"


def is_offline() -> bool:
    """Whether `--offline`, or `RESKIN_OFFLINE` in the environment (anything but 0), forbids the network."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def check_online(address: str) -> None:
    """Refuse to go to `address` where the network is forbidden; called before every download.

    Raises:
        OfflineError: it is.
    """
    if is_offline():
        raise OfflineError(
            f"{address} would be fetched, and --offline (or {VARIABLE}) forbids the network",
            "Leave it out, or put the file there by hand.",
        )
