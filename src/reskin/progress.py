"""How far something is: one protocol, shown as a bar, in plain lines, or as JSON lines for programs.

Whoever works calls a `Report` with what is done. Whoever shows gives one: `Progress` draws a bar on a
terminal, prints a line now and then elsewhere, and appends to the file that the environment variable
`RESKIN_PROGRESS` names, one JSON object a line, for programs that watch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from reskin.errors import ReskinError, printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

PLAIN_SECONDS = 30.0
"""Time between two plain lines."""
TERMINAL_SECONDS = 0.2
EVENT_SECONDS = 0.5
"""Least time between two JSON lines about one thing that is counted."""
VARIABLE = "RESKIN_PROGRESS"
VERSION = 1


class Report(Protocol):
    """What a function that takes time calls: `done` of `total` (None: not known) of `what`."""

    def __call__(self, done: int, total: int | None, /, what: str = ..., unit: str = ...) -> None: ...


def silent(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
    """A `Report` that shows nothing."""


def in_words(seconds: float) -> str:
    """A time span for people.

    >>> in_words(42), in_words(120), in_words(200), in_words(8000)
    ('42 s', '2 min', '3 min 20 s', '2 h 13 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    larger, unit, smaller, rest = (
        (seconds // 60, "min", seconds % 60, "s")
        if seconds < 3600
        else (seconds // 3600, "h", seconds % 3600 // 60, "min")
    )
    return f"{larger} {unit}" + (f" {smaller} {rest}" if smaller else "")


def emit(kind: str, **values: Any) -> None:
    """Append an event to the file that `RESKIN_PROGRESS` names, if it names one; other ranks are silent.

    A disk that is full or a file that cannot be opened loses progress lines, never the work.

    Args:
        kind: begin, stage, count, note, result or end.
        values: its fields, JSON-ready.
    """
    name = os.environ.get(VARIABLE)
    if not name or os.environ.get("RANK", "0") != "0":
        return
    line = json.dumps({"t": round(time.time(), 3), "kind": kind, **values}, ensure_ascii=True) + "\n"
    with suppress(OSError):
        # One write of a whole line, with no fsync: these lines may be lost, and come twice a second.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def emit_begin(command: list[str]) -> None:
    """The first event of a command."""
    emit("begin", version=VERSION, command=command, pid=os.getpid())


def emit_end(code: int, error: BaseException | None = None) -> None:
    """The last event of a command: its exit code, and what was wrong if something was."""
    described = None
    if isinstance(error, ReskinError):
        described = {"what": error.what, "fix": error.fix, "code": type(error).__name__}
    elif error is not None:
        described = {"what": f"{type(error).__name__}: {error}", "fix": "", "code": type(error).__name__}
    emit("end", code=code, error=described)


def stage(name: str, at: int, of: int) -> None:
    """Say that step `at` of `of` of a longer piece of work begins."""
    emit("stage", name=name, at=at, of=of)


def note(text: str, level: str = "info") -> None:
    """Tell programs what people read in a line: a picture left out, a finding about a run."""
    emit("note", level=level, text=text)


def result(what: str, *paths: str | os.PathLike[str]) -> None:
    """Say that something was made, or changed, and where it is."""
    for path in paths:
        emit("result", what=what, path=os.fspath(path))


_drawn: list[Progress] = []
"""Whose bars are on the terminal now."""


def interrupt() -> None:
    """Leave the bars on the terminal as they are, so that a line can be printed below them."""
    for shown in list(_drawn):
        shown.end()


class Progress:
    """Shows counts on standard error: bars on a terminal, a plain line every 30 s elsewhere; and as events.

    Args:
        what: what is counted where the report does not say, such as "frames".
        stream: where to write; standard error by default.
        events: values that every event carries, such as the run folder.
    """

    def __init__(
        self,
        what: str = "",
        *,
        stream: TextIO | None = None,
        events: dict[str, Any] | None = None,
    ) -> None:
        self.what, self.events = what, events or {}
        self.stream = stream if stream is not None else sys.stderr
        self.is_terminal = bool(self.stream is not None and self.stream.isatty())
        self.counts: dict[str, _Count] = {}
        self.bars: Bars | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def __call__(
        self, done: int, total: int | None, /, what: str = "", unit: str = "", note: str = ""
    ) -> None:
        """Say that `done` of `total` (None: not known) are finished.

        Args:
            done: how many.
            total: of how many.
            what: what is counted.
            unit: what one of them is, such as "MB"; by default `what`.
            note: what else stands on the line, such as losses.
        """
        if os.environ.get("RANK", "0") != "0":
            return
        what = what or self.what
        now = time.monotonic()
        count = self.counts.get(what)
        # The clock starts with the first report: what was done before it, or by an earlier process, says
        # nothing about the speed. The same noun may come again in a later stage.
        if count is None or done < count.done:
            count = self.counts[what] = _Count(now, done, self.is_terminal)
        count.done = done
        elapsed = now - count.began
        rate = (done - count.start) / elapsed if elapsed > 0 else 0.0  # 0: nothing can be said of it yet
        is_last = done == total
        left = 0.0 if is_last else (total - done) / rate if total is not None and rate > 0 else None
        if is_last or now - count.told >= EVENT_SECONDS:
            count.told = now
            counted = {"what": what, "done": done, "total": total}
            emit("count", **counted, rate=_rounded(rate), left=_rounded(left), **self.events)
        wait = TERMINAL_SECONDS if self.is_terminal else PLAIN_SECONDS
        if now - count.shown < wait and not is_last:
            return
        count.shown = now
        speed = f"{rate:.3g} a second" if rate >= 1 else f"{1 / rate:.3g} s each" if rate > 0 else ""
        until = f"{in_words(left)} left" if left is not None else ""
        rest = [words for words in (speed, until, note) if words]
        if self.is_terminal:
            self._draw(what, count, done, total, " · ".join(rest))
        else:
            of = f"{done}{f'/{total}' if total is not None else ''} {unit or what}"
            self._print(" · ".join([of, *rest]))

    def end(self) -> None:
        """Leave the bars as they are and go to the next line."""
        if self.bars is not None:
            with suppress(OSError, ValueError):
                self.bars.stop()
            self.bars = None
            _drawn.remove(self)
            for count in self.counts.values():
                count.bar = None

    def _draw(self, what: str, count: _Count, done: int, total: int | None, rest: str) -> None:
        if self.bars is None:
            self.bars = _new_bars(self.stream)
            self.bars.start()
            _drawn.append(self)
        if count.bar is None:
            count.bar = self.bars.add_task(printable(what), total=total, rest="")
        self.bars.update(count.bar, completed=done, total=total, rest=printable(rest), refresh=True)

    def _print(self, line: str) -> None:
        if self.stream is None:
            return
        with suppress(OSError, ValueError):  # a full or closed standard error loses the line, not the work
            self.stream.write(printable(line) + "\n")
            self.stream.flush()


class _Count:
    """What is known of one thing that is counted; times as `time.monotonic` gives them."""

    def __init__(self, now: float, start: int, is_terminal: bool) -> None:
        self.began, self.start, self.done = now, start, start
        self.shown = 0.0 if is_terminal else now
        self.told = 0.0
        self.bar: TaskID | None = None


def _new_bars(stream: TextIO) -> Bars:
    """Bars as rich draws them: name, bar, count, and our own words about speed and rest."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rest]}", markup=False),
        console=Console(file=stream),
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
