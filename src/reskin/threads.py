"""Work in threads: an ordered map that runs a bounded number of items ahead, and a budget to share."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def num_cores() -> int:
    """Cores that this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], workers: int | None = None, *, ahead: int | None = None
) -> Iterator[R]:
    """`function` of each item, in order, computed by threads a bounded number of items ahead.

    An error of `function` is raised where its result would come. When the caller stops, for an error, for
    Ctrl-C or because it has enough, nothing more is begun, and what is running is waited for.

    Args:
        function: called from several threads at once.
        items: taken one by one as results are asked for, in the caller's thread.
        workers: threads; by default one for each core.
        ahead: items that may be waiting or running beside the one that is asked for; by default twice the
            number of threads.

    >>> list(map_ahead(abs, [-3, 1, -2], 2))
    [3, 1, 2]
    """
    workers = max(1, workers or num_cores())
    most = max(1, 2 * workers if ahead is None else ahead)
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="map")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Budget:
    """An amount that threads share: who asks for more than is left waits, in the order of asking.

    A thread that holds some already is given more at once, for if it waited, two might wait for each other.

    Args:
        total: the amount; who asks for more than all of it waits until nothing is held.

    >>> budget = Budget(10)
    >>> with budget.take(7):
    ...     budget.used
    7
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._queue = threading.Lock()  # who is first waits for room; the others wait for it
        self._changed = threading.Condition()
        self._mine = threading.local()

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Hold an amount, at least 0, until the `with` block ends."""
        depth = getattr(self._mine, "depth", 0)
        with ExitStack() as stack:
            if depth == 0:
                stack.enter_context(self._queue)
            stack.enter_context(self._changed)
            if depth == 0:
                self._changed.wait_for(lambda: self.used == 0 or self.used + amount <= self.total)
            self.used += amount
            self._mine.depth = depth + 1
        try:
            yield
        finally:
            with self._changed:
                self.used -= amount
                self._mine.depth = depth
                self._changed.notify_all()
