"""The demo goes on from what it has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from reskin.workflows.demo import _seconds_before


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        ('{"seconds": 12.5}', 12.5),
        ('{"seconds": "12"}', 0),
        ('{"seconds": NaN}', 0),
        ("{}", 0),
        ("[]", 0),
        ("no JSON", 0),
        (None, 0),
    ],
)
def test_what_it_took_before_is_read_where_it_is_said(
    tmp_path: Path, content: str | None, seconds: float
) -> None:
    if content is not None:
        (tmp_path / "scores.json").write_text(content)
    assert _seconds_before(tmp_path / "scores.json") == seconds
