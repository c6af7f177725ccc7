"""What `make` trains: the grade sees whole frames."""

from __future__ import annotations

import pytest

from reskin.methods import find
from reskin.workflows.make_settings import choose_settings


@pytest.mark.parametrize("edge", [33, 90, 160, 384])
def test_the_grade_matches_the_colours_of_whole_frames(edge: int) -> None:
    chosen = choose_settings("grade", edge, is_gpu=False)
    assert chosen["crop_size"] == chosen["load_size"] <= max(32, edge)
    assert chosen["crop_size"] % 4 == 0
    defaults = find("grade").defaults
    assert defaults["crop_size"] == defaults["load_size"]
