"""What the health monitor finds while a run trains: the lines of health.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from reskin.types import Trouble


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or is no longer.

    Attributes:
        step: when it was found.
        kind: of trouble.
        is_over: it was reported before and has passed.
        numbers: what was measured.
        text: what is wrong, in words, with the numbers.
        advice: what to do about it; empty where it is over.
    """

    step: int
    kind: Trouble
    is_over: bool
    numbers: dict[str, float]
    text: str
    advice: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"step {self.step}: {self.text}. {self.advice}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """A line of health.jsonl."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The finding in a line of a known kind; what else is missing or of another type is empty."""
        step, numbers = row.get("step"), row.get("numbers")
        return cls(
            step=step if type(step) is int else 0,
            kind=row["kind"],
            is_over=row.get("is_over") is True,
            numbers=dict(numbers) if isinstance(numbers, dict) else {},
            text=_text(row.get("text")),
            advice=_text(row.get("advice")),
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
