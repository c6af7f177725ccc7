"""The same work on every source, in threads, with one count over all of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

Report = Callable[[str, int, int], None]
"""Told what is counted ("frames searched", "faces cut"), how many are done, and of how many."""


class Progress:
    """Counts over several threads.

    Args:
        what: what is counted.
        total: how many there will be.
        report: told after each one, never by two threads at once.

    Attributes:
        stop: set when one thread has failed, so that the others end at their next tick.
    """

    def __init__(self, what: str, total: int, report: Report | None) -> None:
        self._what, self._total, self._report = what, total, report
        self._done, self._lock = 0, threading.Lock()
        self.stop = threading.Event()

    def tick(self) -> None:
        """One more is done.

        Raises:
            InterruptedError: another thread has failed, so that this one need not go on.
        """
        if self.stop.is_set():
            raise InterruptedError
        with self._lock:
            self._done += 1
            if self._report:
                self._report(self._what, self._done, self._total)


def on_every(count: int, work: Callable[[int], T], progress: Progress) -> list[T]:
    """`work(0)` to `work(count - 1)`, each in a thread of its own, as many at once as there are cores.

    Decoding, detecting and encoding let go of Python's lock, so threads are as good as processes here. When
    one fails, or the user stops us, the others are stopped, and its error is raised.

    Args:
        count: how many sources.
        work: does one; calls `progress.tick` as it goes.
        progress: what `work` counts with.
    """
    with ThreadPoolExecutor(max(1, min(count, os.cpu_count() or 1)), thread_name_prefix="faces") as pool:
        waiting = [pool.submit(work, number) for number in range(count)]
        try:
            wait(waiting, return_when=FIRST_EXCEPTION)
            failed = [each.exception() for each in waiting if each.done() and each.exception()]
            if failed and failed[0]:
                raise failed[0]
            return [each.result() for each in waiting]
        except BaseException:
            progress.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
