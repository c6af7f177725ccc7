"""How far a run is, on one line."""

from __future__ import annotations

import sys
import time
from typing import TextIO

PLAIN_SECONDS = 30.0


def in_words(seconds: float) -> str:
    """A time span for people.

    >>> in_words(42), in_words(200), in_words(8000)
    ('42 s', '3 min 20 s', '2 h 13 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


class Progress:
    """Writes one line that is drawn over on a terminal, and a plain line every 30 s elsewhere.

    Args:
        total: steps in the run.
        start: steps that were done before this process began.
        stream: where to write; standard error by default.
    """

    def __init__(self, total: int, start: int = 0, stream: TextIO | None = None) -> None:
        self.total, self.start = total, start
        self.stream = stream or sys.stderr
        self.is_terminal = self.stream.isatty()
        self.began = time.monotonic()
        self.shown = self.began if not self.is_terminal else 0.0
        self.width = 0

    def show(self, step: int, losses: dict[str, float]) -> None:
        """Say where `step` is, what a step takes and how long the rest will."""
        now = time.monotonic()
        wait = 0.2 if self.is_terminal else PLAIN_SECONDS
        if step < self.total and now - self.shown < wait:
            return
        self.shown = now
        self._write(self.line(step, losses, now - self.began))

    def line(self, step: int, losses: dict[str, float], seconds: float) -> str:
        """The line for `step`, `seconds` after the start of this process."""
        per_step = seconds / max(1, step - self.start)
        values = " · ".join(f"{name} {value:.3f}" for name, value in losses.items())
        return (
            f"step {step}/{self.total} ({100 * step // self.total} %) · {per_step:.3g} s a step"
            f" · {in_words(per_step * (self.total - step))} left · {values}"
        )

    def _write(self, line: str) -> None:
        if self.is_terminal:
            self.stream.write("\r" + line.ljust(self.width))
            self.width = len(line)
        else:
            self.stream.write(line + "\n")
        self.stream.flush()

    def end(self) -> None:
        """Leave the line as it is and go to the next."""
        if self.is_terminal and self.width:
            self.stream.write("\n")
            self.stream.flush()
            self.width = 0
