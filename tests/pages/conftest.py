"""The run folder that these tests read."""

from __future__ import annotations

from tests.support.finished_run import finished_run

__all__ = ["finished_run"]
