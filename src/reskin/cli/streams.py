"""What is printed, and where: the one module through which every word of the command line goes.

Names of files are shown with control characters escaped. A standard error that is closed or full loses
lines, never the work; a standard output that cannot be written is an error, because a result is lost.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reskin import progress
from reskin.errors import StorageError, printable


def show(*lines: object) -> None:
    """Print results, one line each, on standard output.

    Raises:
        StorageError: they cannot be written.
        BrokenPipeError: the reader has gone, as with `reskin methods | head`.
    """
    _write_result("".join(f"{printable(str(line))}\n" for line in lines))


def show_text(text: str) -> None:
    """Print text of our own that has several lines, such as a help page or JSON, on standard output.

    Raises:
        StorageError, BrokenPipeError: as `show`.
    """
    _write_result(f"{printable(text, lines=True)}\n")


def say(*lines: object) -> None:
    """Print messages, one line each, on standard error; one that cannot be written is lost."""
    progress.interrupt()
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        sys.stderr.write("".join(f"{printable(str(line))}\n" for line in lines))
        sys.stderr.flush()


def table_text(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """A table as text, as wide as the terminal.

    Args:
        headings: of the columns.
        rows: the cells.
        right: headings of the columns that stand to the right.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    text = io.StringIO()
    Console(file=text, width=None if is_terminal else 140, color_system=None, markup=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())


def _write_result(text: str) -> None:
    progress.interrupt()
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise StorageError(
            f"standard output cannot be written ({reason})", "Send it to another file, or leave it open."
        ) from None


class _Handler(logging.Handler):
    """Log records as lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


@contextmanager
def prepared_streams() -> Iterator[None]:
    """Streams that any text can be written to, log lines on standard error, libraries silent."""
    _fill_closed_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")
    root, log, steps = (logging.getLogger(name) for name in ("", "reskin", "reskin.workflows"))
    level, handler = log.level, _Handler()
    log.setLevel(logging.INFO)
    # Whoever embeds the program and has handlers of its own gets the log; what the workflows say of their
    # steps belongs on the screen in any case.
    targets = [steps] if root.handlers else [root]
    for target in targets:
        target.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
            yield
    finally:
        for target in targets:
            target.removeHandler(handler)
        log.setLevel(level)


def abandon(stream: Any) -> None:
    """Make the interpreter's last flush of a stream that cannot be written fail at nothing."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _fill_closed_descriptors() -> None:
    """Open nothing at the numbers 0 to 2 that are closed: else the next file opened would get one of them,
    and what a library prints would land in it."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def silence_libtiff() -> None:
    """Turn off libtiff's own lines on standard error; what it cannot read is Pillow's error all the same."""
    spec = importlib.util.find_spec("PIL")
    if spec is None or spec.origin is None:
        return
    for library in Path(spec.origin).parents[1].glob("pillow.libs/libtiff*"):
        with suppress(OSError, AttributeError):
            tiff = ctypes.CDLL(str(library))
            for setter in (tiff.TIFFSetWarningHandler, tiff.TIFFSetErrorHandler):
                setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
                setter(None)
