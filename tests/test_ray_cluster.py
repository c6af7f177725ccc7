"""What is said of a task of a Ray cluster that failed."""

from __future__ import annotations

import pytest

from reskin.errors import RunError
from reskin.ray_cluster import MOST_RETRIES, cause_of, reason_of


class Wrapped(Exception):
    """As Ray wraps what a task raised."""

    def __init__(self, cause: Exception | None, text: str) -> None:
        super().__init__(text)
        self.cause = cause


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Wrapped(RunError("it is in use", "Wait."), "a long trace"), "it is in use. Wait."),
        (Wrapped(ValueError("x"), "a trace\nValueError: x"), "its task failed (ValueError: x)"),
        (Wrapped(None, "node died"), f"its process died {MOST_RETRIES + 1} times (node died)"),
        (OSError(), f"its process died {MOST_RETRIES + 1} times (OSError)"),
    ],
)
def test_why_a_task_failed_is_one_line(error: Exception, says: str) -> None:
    assert reason_of(error) == says


def test_the_cause_is_what_the_task_raised() -> None:
    cause = RunError("a", "b")
    assert cause_of(Wrapped(cause, "")) is cause
    assert cause_of(other := Wrapped(None, "")) is other
