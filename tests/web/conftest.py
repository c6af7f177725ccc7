"""A studio, and a run that is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.finished_run import finished_run
from tests.web.studio_case import Case

__all__ = ["finished_run"]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A studio whose client is logged in."""
    made = Case(tmp_path / "films")
    made.log_in()
    return made
