"""Ends of a command that are no faults of what it was given: done in part, or asked to stop."""

from __future__ import annotations

from reskin.errors import ReskinError


class PartialError(ReskinError):
    """The work was done in part; the message counts what was left out and names the first."""

    exit_code = 3


class InterruptedRunError(ReskinError):
    """The user or the system asked to stop; everything is saved.

    Args:
        signal_number: SIGINT (2), SIGTERM (15) and so on; the exit code is 128 plus this.
        what: where the work stopped.
        fix: the command that goes on.
    """

    def __init__(self, signal_number: int, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.exit_code = 128 + signal_number
