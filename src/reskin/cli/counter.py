"""How far a command is that counts pictures or frames."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from reskin.training.progress import PLAIN_SECONDS, in_words


class Counter:
    """One line on standard error: drawn over on a terminal, every 30 s elsewhere.

    Args:
        what: what is counted, such as "frames".
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.is_terminal = sys.stderr.isatty()
        self.began = self.shown = time.monotonic()
        self.has_shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_terminal and self.has_shown:
            print(file=sys.stderr)

    def show(self, done: int, total: int | None) -> None:
        """Say that `done` of `total` (None: not known) are finished."""
        now = time.monotonic()
        if now - self.shown < (0.2 if self.is_terminal else PLAIN_SECONDS) and done != total:
            return
        self.shown, self.has_shown = now, True
        rate = done / max(now - self.began, 1e-6)
        line = f"{done}{f'/{total}' if total else ''} {self.what} · {rate:.3g} a second"
        if total and done:
            line += f" · {in_words((total - done) / rate)} left"
        print(
            f"\r{line:<70}" if self.is_terminal else line,
            end="" if self.is_terminal else "\n",
            file=sys.stderr,
        )
