"""A `reskin.progress.Report` that keeps what it was called with."""

from __future__ import annotations

from typing import NamedTuple


class Reported(NamedTuple):
    """One call: `done` of `total` of `what`."""

    done: int
    total: int | None
    what: str


class Reports(list[Reported]):
    """All calls, in order."""

    def __call__(self, done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        self.append(Reported(done, total, f"{unit} of {what}" if unit else what))
