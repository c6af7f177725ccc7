"""SIGTERM, SIGHUP and SIGBREAK end a command in good order: whatever is half written is removed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


class Stopped(BaseException):
    """A signal asked the process to end; like KeyboardInterrupt nothing on the way catches it.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def name(self) -> str:
        """Its name, such as "SIGTERM"."""
        return signal.Signals(self.number).name


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, the first signal raises `Stopped` and a second one ends the process at once.

    A signal that whoever started us has chosen to ignore, as `nohup` does, stays ignored. Training remembers
    the signal instead, and saves (`training.signals`).
    """
    if threading.current_thread() is not threading.main_thread():  # elsewhere Python refuses handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGINT)}
    ours = [number for number in SIGNALS if before[number] is signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(number)

    for number in ours:
        signal.signal(number, stop)
    if before[signal.SIGINT] is signal.SIG_DFL:  # left so by `cli.start` while modules were loaded
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number in (*ours, signal.SIGINT):
            if before[number] is not None:
                signal.signal(number, before[number])
