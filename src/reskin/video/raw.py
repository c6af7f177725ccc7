"""Raw frames through pipes, as `ffmpeg -f rawvideo` reads and writes them, and frames of a camera."""

from __future__ import annotations

import select
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from reskin.errors import SettingsError, VideoError

Picture = NDArray[np.uint8]
"""RGB, uint8, (H, W, 3)."""

PixelFormat = Literal["rgb24", "bgr24"]
"""Order of the bytes of a pixel, by FFmpeg's names."""

MOST_EDGE_PX = 16_384
_PATIENCE_SECONDS = 0.2


@dataclass(frozen=True)
class RawFormat:
    """What raw frames are.

    Attributes:
        width: of a frame, px.
        height: of a frame, px.
        pixel_format: order of the bytes.

    Raises:
        SettingsError: there is no such size.
    """

    width: int
    height: int
    pixel_format: PixelFormat = "rgb24"

    def __post_init__(self) -> None:
        if not (0 < self.width <= MOST_EDGE_PX and 0 < self.height <= MOST_EDGE_PX):
            raise SettingsError(
                f"frames of {self.width}x{self.height} px", f"Give 1x1 to {MOST_EDGE_PX}x{MOST_EDGE_PX}."
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.width * self.height * 3

    def read(self, stream: RawIOBase, stopped: threading.Event | None = None) -> Iterator[Picture]:
        """The frames of a stream, RGB, uint8, (H, W, 3), until it ends.

        Args:
            stream: without a buffer.
            stopped: once it is set, no more is waited for.

        Raises:
            VideoError: it ends in the middle of a frame, or holds none.
        """
        count = 0
        while True:
            levels = bytearray(self.frame_bytes)
            got = _fill(stream, memoryview(levels), stopped)
            if (got == 0 and count) or (stopped is not None and stopped.is_set()):
                return
            if got < self.frame_bytes:
                where = f"in the middle of frame {count + 1} ({got} of {self.frame_bytes} bytes)"
                raise VideoError(
                    f"standard input ends {where if got else 'before the first frame'}",
                    f"Check that it holds {self.pixel_format} frames of {self.width}x{self.height}: "
                    f"ffmpeg ... -f rawvideo -pix_fmt {self.pixel_format} -s {self.width}x{self.height} -",
                )
            count += 1
            frame = np.frombuffer(levels, np.uint8).reshape(self.height, self.width, 3)
            yield self._swapped(frame)

    def write(self, stream: RawIOBase, picture: Picture) -> None:
        """Write one frame, (H, W, 3), and send it off.

        Raises:
            BrokenPipeError: whoever read the stream has gone.
        """
        rest = memoryview(self._swapped(picture).tobytes())
        while rest:
            rest = rest[stream.write(rest) or 0 :]

    def _swapped(self, frame: Picture) -> Picture:
        return frame if self.pixel_format == "rgb24" else np.ascontiguousarray(frame[..., ::-1])


def _fill(stream: RawIOBase, into: memoryview, stopped: threading.Event | None) -> int:
    """Read until `into` is full or the stream ends; how many bytes were read."""
    got = 0
    while got < len(into):
        if stopped is not None and not _has_more(stream, stopped):
            break
        count = stream.readinto(into[got:])
        if not count:
            break
        got += count
    return got


def _has_more(stream: RawIOBase, stopped: threading.Event) -> bool:
    """Wait until there is something to read, or the end of the stream; False once `stopped` is set."""
    if sys.platform == "win32":  # where a pipe cannot be waited for
        return not stopped.is_set()
    while not stopped.is_set():
        if select.select([stream], [], [], _PATIENCE_SECONDS)[0]:
            return True
    return False


class Camera:
    """A camera that OpenCV knows; whoever is slow gets the newest frame, and older ones are dropped.

    Args:
        number: of the camera, from 0.

    Attributes:
        dropped: frames that nobody took.

    Raises:
        VideoError: there is no such camera, or it is in use.
    """

    def __init__(self, number: int, device: Any = None) -> None:
        self.number = number
        self._device = device if device is not None else _opened(number)
        self.dropped = 0
        self._newest: tuple[Picture, float] | None = None
        self._ended = False
        self._changed = threading.Condition()
        good, frame = self._device.read()
        if not good:
            self._device.release()
            raise VideoError(f"camera {number} gives no picture", "Check that no other program uses it.")
        self.height, self.width = frame.shape[:2]
        self._put(frame)
        self._thread = threading.Thread(target=self._grab, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(5)
        self._device.release()

    def frames(self) -> Iterator[tuple[Picture, float]]:
        """The newest frame, RGB, (H, W, 3), and when it arrived, in seconds of `time.monotonic`; until the
        end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended)
                if self._newest is None:
                    return
                newest, self._newest = self._newest, None
            yield newest

    def _grab(self) -> None:
        while not self._ended:
            good, frame = self._device.read()
            if not good:
                break
            self._put(frame)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, frame: Picture) -> None:
        picture = np.ascontiguousarray(frame[..., ::-1])
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = picture, time.monotonic()
            self._changed.notify_all()


def _opened(number: int) -> Any:
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        device = cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not device.isOpened():
        raise VideoError(
            f"there is no camera {number}",
            "Check that it is connected and that no other program uses it, or try another number.",
        )
    return device
