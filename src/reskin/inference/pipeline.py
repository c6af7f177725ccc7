"""Reading, several stages of work and writing at the same time, with bounded memory and one way to fail."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any


def pipeline(
    source: Iterable[Any],
    *stages: Callable[[Any], Any],
    sink: Callable[[Any], object],
    ahead: int = 4,
    stopped: threading.Event | None = None,
    busy: list[float] | None = None,
) -> None:
    """Send each item of `source` through all stages into `sink`, in order; all of them work at the same time.

    Source, sink and stages have a thread each, but for the first stage (without any, the sink): it stays in
    the caller's thread, where Ctrl-C arrives. The first exception of any of them stops all of them and is the
    one raised; every thread has ended by then.

    Args:
        source: read from in a thread of its own.
        stages: each is called with what the one before returned.
        sink: takes what the last stage returned.
        ahead: how many items may wait in front of each stage and of the sink; 1 or more.
        stopped: set as soon as something has failed, for a source that waits for something.
        busy: becomes the seconds that the source, each stage and the sink have worked, without their waiting
            for each other; the largest says what bounds the whole.

    >>> squares = []
    >>> pipeline(range(4), lambda number: number * number, str, sink=squares.append)
    >>> squares
    ['0', '1', '4', '9']
    """
    lines: list[_Line] = [_Line(ahead) for _ in range(len(stages) + 1)]
    failures: list[BaseException] = []
    worked = [0.0] * (len(stages) + 2)

    def timed(part: int, act: Callable[..., Any], *given: Any) -> Any:
        begun = time.perf_counter()
        try:
            return act(*given)
        finally:
            worked[part] += time.perf_counter() - begun

    def read() -> None:
        items = iter(source)
        while (item := timed(0, next, items, lines)) is not lines:  # which is no item of the source
            lines[0].put(item)
        lines[0].end()

    def write() -> None:
        for result in lines[-1]:
            timed(-1, sink, result)

    def work(number: int) -> None:
        for item in lines[number]:
            lines[number + 1].put(timed(number + 1, stages[number], item))
        lines[number + 1].end()

    def run(part: Callable[[], None]) -> None:
        try:
            part()
        except _StoppedError:
            pass  # another part failed and has said why
        except BaseException as error:
            failures.append(error)
            for line in lines:
                line.stop()
            if stopped is not None:
                stopped.set()

    parts: list[Callable[[], None]] = [partial(work, number) for number in range(len(stages))] + [write]
    own = parts.pop(0)
    threads = [threading.Thread(target=run, args=(part,), daemon=True) for part in (read, *parts)]
    for thread in threads:
        thread.start()
    run(own)
    while any(thread.is_alive() for thread in threads):
        run(lambda: _join(threads))  # a Ctrl-C in here stops the stages, and is raised below
    if busy is not None:
        busy[:] = worked
    if failures:
        raise failures[0]


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        while thread.is_alive():
            thread.join(_PATIENCE_SECONDS)


_PATIENCE_SECONDS = 0.2
"""Ctrl-C cannot end a wait without limit on Windows, so every wait is cut into pieces of this length."""


class _StoppedError(Exception):
    """Another stage failed."""


class _Line:
    """Items that wait between two stages, in order, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.items: deque[Any] = deque()
        self.ended = self.stopped = False
        self.changed = threading.Condition()

    def put(self, item: Any) -> None:
        """Add an item, waiting for room."""
        with self.changed:
            self._wait(lambda: len(self.items) < self.size)
            self.items.append(item)
            self.changed.notify_all()

    def __iter__(self) -> Iterator[Any]:
        """The items until `end`."""
        while True:
            with self.changed:
                self._wait(lambda: bool(self.items) or self.ended)
                if not self.items:
                    return
                item = self.items.popleft()
                self.changed.notify_all()
            yield item

    def end(self) -> None:
        """Say that no item follows."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def stop(self) -> None:
        """Forget what waits and send everyone away who waits for it."""
        with self.changed:
            self.stopped = True
            self.items.clear()
            self.changed.notify_all()

    def _wait(self, ready: Callable[[], bool]) -> None:
        while not self.stopped and not ready():
            self.changed.wait(_PATIENCE_SECONDS)
        if self.stopped:
            raise _StoppedError
