"""The benchmark of a film's parts runs: it stands in for the pipeline, which may ask for more than it did."""

from __future__ import annotations

import pytest
from benchmarks.film import overlapped


@pytest.mark.sweep
def test_parts_one_after_the_other_and_at_the_same_time() -> None:
    found = overlapped((320, 192), 4)
    assert set(found) == {"serial_seconds", "overlapped_seconds", "gain"} and min(found.values()) > 0
