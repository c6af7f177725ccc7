"""Reading, working and writing at the same time, with bounded memory and one way to fail."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def overlap(
    items: Iterable[T], work: Callable[[T], R], write: Callable[[R], object], *, ahead: int = 4
) -> None:
    """Do `write(work(item))` for each item, in order; the next is read and the last written meanwhile.

    Reading and writing have a thread each; the work stays in the caller's, where Ctrl-C arrives. The first
    exception of the three stops them all and is the one raised. Both threads have ended by then.

    Args:
        items: read from in a thread of its own.
        work: called in the caller's thread.
        write: called in a thread of its own.
        ahead: how many items may wait before the work, and how many results after it.

    >>> squares = []
    >>> overlap(range(4), lambda number: number * number, squares.append)
    >>> squares
    [0, 1, 4, 9]
    """
    waiting: _Line[T] = _Line(ahead)
    finished: _Line[R] = _Line(ahead)
    failures: list[BaseException] = []

    def read_all() -> None:
        for item in items:
            waiting.put(item)
        waiting.end()

    def write_all() -> None:
        for result in finished:
            write(result)

    def work_all() -> None:
        for item in waiting:
            finished.put(work(item))
        finished.end()

    def run(stage: Callable[[], None]) -> None:
        try:
            stage()
        except _StoppedError:
            pass  # another stage failed and has said why
        except BaseException as error:
            failures.append(error)
            waiting.stop()
            finished.stop()

    threads = [threading.Thread(target=run, args=(stage,), daemon=True) for stage in (read_all, write_all)]
    for thread in threads:
        thread.start()
    run(work_all)
    while any(thread.is_alive() for thread in threads):
        run(lambda: _join(threads))  # a Ctrl-C in here stops the stages, and is raised below
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


class _Line(Generic[T]):
    """Items that wait between two stages, in order, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.items: deque[T] = deque()
        self.ended = self.stopped = False
        self.changed = threading.Condition()

    def put(self, item: T) -> None:
        """Add an item, waiting for room."""
        with self.changed:
            self._wait(lambda: len(self.items) < self.size)
            self.items.append(item)
            self.changed.notify_all()

    def __iter__(self) -> Iterator[T]:
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
