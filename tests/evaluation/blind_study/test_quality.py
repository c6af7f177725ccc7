"""Who is left out, among raters who look and raters who do not."""

from __future__ import annotations

import pytest
from tests.support.inattentive_raters import left_out

from reskin.evaluation.blind_study.design import Kind


@pytest.mark.sweep
@pytest.mark.parametrize("kind", ["real-or-fake", "preference"])
def test_who_does_not_look_is_left_out_and_who_does_is_not(kind: Kind) -> None:
    caught, lost = left_out(kind)
    assert caught >= 0.95 and lost <= 0.02
