"""A picture's file as its decoder sees it: a plain file of bounded size, and a bounded number of reads.

A decoder believes what a file says of itself. One that is to read a chunk of a thousand gigabytes, or that
looks for a mark byte by byte, would be busy for hours.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from reskin.errors import ImageError
from reskin.image_formats import FORMATS
from reskin.paths import open_plain

MOST_FILE_BYTES = 1 << 32
"""A file of more is no picture; it is also the most that a TIFF of several pages can hold."""

_MOST_READ_BYTES = 1 << 30
"""The most pixels take 0.8 GB, with 16 bits each and not compressed."""
_MOST_READS = 2_000_000
"""A GIF of the most pixels takes half as many; others a few thousand."""


@contextmanager
def opened_header(path: Path) -> Iterator[Image.Image]:
    """A picture whose header is read and whose pixels are not yet.

    Raises:
        ImageError: it is too large, or its decoder reads on and on.
        OSError: it is no plain file or not all there, or the system refuses.
        Exception: whatever a decoder raises for damaged input.
    """
    with _Bounded(open_plain(path, follow=True), path) as file:
        if (size := os.fstat(file.fileno()).st_size) > MOST_FILE_BYTES:
            what = f"{path} has {size / 1e9:.0f} GB, over {MOST_FILE_BYTES / 1e9:.0f}"
            raise ImageError(what, "It is no picture, or not a whole one: remove it.")
        with Image.open(file, formats=FORMATS) as opened:
            yield opened


class _Bounded(io.BufferedReader):
    """A file that ends with an error what would go on for ever.

    Args:
        descriptor: of the open file, which is closed with this.
        path: its name, for the error.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(io.FileIO(descriptor))
        self._path, self._reads, self._left = path, 0, _MOST_READ_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file; see the class.

        Raises:
            ImageError: it was asked for too much at once, or too often.
        """
        self._reads += 1
        if size is None or size < 0:
            coming = os.fstat(self.fileno()).st_size - self.tell()
        else:
            coming = size
        if self._reads > _MOST_READS or coming > self._left:
            raise ImageError(
                f"{self._path} is damaged (it goes on without end)", "Copy it again or remove it."
            )
        content = super().read(size)
        self._left -= len(content)
        return content
