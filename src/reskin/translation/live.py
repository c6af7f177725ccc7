"""Frames as they come, through a model and on: no second pass, little memory, measured latency."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.images import Picture
from reskin.inference.engine import Engine
from reskin.inference.pipeline import pipeline
from reskin.inference.rendering import Rendering, check_single_look, feathered, grey_mask
from reskin.methods.translator import Translator
from reskin.translation.face_live import LiveFaces
from reskin.translation.film import Film, FilmOptions, Frames
from reskin.types import Direction

_LOOK_PX = 32
_CUT_LEVELS, _CUT_TIMES = 25.0, 4.0
"""Two frames have a cut between them where they differ by so many levels on average, and by so many times
what neighbouring frames lately did."""

IN_FLIGHT = 3
"""Frames that are worked on at once: each more would keep another stage busy, and add to the latency."""

_PATIENCE_SECONDS = 0.2

_LATELY = 25
"""Frames whose latency is shown, and whose differences tell what is usual."""


@dataclass
class LiveReport:
    """How live translation does.

    Attributes:
        frames: translated so far.
        latencies: of every frame, from its arrival until it was written, seconds.
        dropped: frames of a camera that were not translated.
        seconds: since the first frame arrived.
    """

    frames: int = 0
    latencies: list[float] = field(default_factory=list)
    dropped: int = 0
    seconds: float = 0.0

    def lately(self) -> float:
        """Median latency of the last frames, seconds."""
        return float(np.median(self.latencies[-_LATELY:]))

    def in_words(self) -> str:
        """The whole in one line."""
        middle, high = (float(np.percentile(self.latencies, share)) for share in (50, 95))
        rate = self.frames / max(self.seconds, 1e-6)
        latency = f"latency {1000 * middle:.0f} ms (95 %: {1000 * high:.0f} ms)"
        return f"{self.frames} frames, {rate:.3g} a second, {latency}, {self.dropped} dropped"


@dataclass(frozen=True)
class LiveFrame:
    """A frame that has just come.

    Attributes:
        picture: (H, W, 3), uint8, RGB.
        time: seconds at which it is shown, rising.
        arrival: when it came, seconds of `time.monotonic`.
    """

    picture: Picture
    time: float
    arrival: float


class CutFinder:
    """Says of each frame whether a cut lies before it."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._usual: deque[float] = deque(maxlen=_LATELY)

    def is_cut(self, picture: Picture) -> bool:
        """Whether a new shot begins with this frame; of the first frame False."""
        import cv2

        size = (_LOOK_PX, _LOOK_PX)
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
        before, self._before = self._before, small
        if before is None:
            return False
        difference = float(np.abs(small - before).mean())
        usual = float(np.median(self._usual)) if self._usual else 0.0
        self._usual.append(difference)
        return difference > max(_CUT_LEVELS, _CUT_TIMES * usual)


_EXPECTED_FRAMES = 2000
"""A stream, whose end is not known, is taken to be so long when an engine is chosen for it."""


def translate_live(  # noqa: PLR0913 - each is a choice of the caller
    model: Translator,
    frames: Iterable[LiveFrame],
    write: Callable[[Picture, Fraction], None],
    direction: Direction,
    *,
    film: FilmOptions,
    size: tuple[int, int],
    report: Callable[[LiveReport], None] | None = None,
    compute: Compute | None = None,
    rendering: Rendering | None = None,
    stopped: threading.Event | None = None,
) -> LiveReport:
    """Translate frames as they come, each written as soon as it is done.

    Args:
        model: any translator.
        frames: of one size.
        write: called with each translated frame, (H, W, 3), and its time in seconds.
        direction: one of the model's.
        film: work size, detail, stabiliser and faces; the rest is for films whose end is known.
        size: (width, height) of the frames, px.
        report: called after each frame.
        compute: where and how; by default the model's own device in the precision that is fast there.
        rendering: one style for all frames; a mask that is one picture.
        stopped: set when something has failed, so that `frames` need not wait any longer.

    Returns:
        What it came to.

    Raises:
        PartialError: whoever read the frames has gone.
        SettingsError: the model sees larger frames than there are; see `Film.check_options`.
        ReskinError: as `Engine` and as the source of frames.
    """
    engine = Engine(model, direction, compute, rendering)
    engine.expected = _EXPECTED_FRAMES
    check_single_look(engine.rendering)
    work = _Live(Film(engine, film, []), size, write, report)
    work.stopped = stopped = stopped or threading.Event()
    try:
        stages = (work.film.shrink, work.film.translate, work.film.finish)
        pipeline(work.read(frames), *stages, sink=work.write, ahead=1, stopped=stopped)
    except BrokenPipeError:
        raise PartialError(
            f"whoever read standard output has gone after {work.report.frames} frames",
            "Look at the program behind the pipe.",
        ) from None
    return work.report


class _Live:
    """The frames of one live translation on their way."""

    def __init__(
        self,
        film: Film,
        size: tuple[int, int],
        write: Callable[[Picture, Fraction], None],
        tell: Callable[[LiveReport], None] | None,
    ) -> None:
        self.film, self.to, self.tell = film, write, tell
        self.report = LiveReport()
        self.stopped = threading.Event()
        self._room = threading.Semaphore(IN_FLIGHT)
        self._arrivals: deque[float] = deque()
        self._times: list[float] = []
        self._cuts = CutFinder()
        self._first = 0.0
        self._faces: LiveFaces | None = None
        film.check_options(*size, "the frames")
        mask = film.engine.rendering.mask
        if mask is not None:
            film.mask_at = self._one_mask(size)
        if film.options.faces is not None:
            self._faces = LiveFaces.open(film.options.faces, film.framing, film.face_size)
            film.take_faces(self._faces.at)

    def _one_mask(self, size: tuple[int, int]) -> Callable[[int], NDArray[np.uint8]]:
        from reskin.images import picture_size, read_image

        rendering = self.film.engine.rendering
        path = rendering.mask
        assert path is not None, "asked for where a mask is given"
        if picture_size(path) != size:
            found = "x".join(map(str, picture_size(path)))
            raise SettingsError(
                f"the mask {path} has {found} px, the frames have {size[0]}x{size[1]}",
                "Make the mask in the size of the frames.",
            )
        mask = feathered(grey_mask(read_image(path)), rendering.feather)
        return lambda number: mask

    def read(self, frames: Iterable[LiveFrame]) -> Iterator[Frames]:
        """The frames as the stages take them, with cuts noted as they come."""
        for number, frame in enumerate(self._taken(frames)):
            if number == 0:
                self._first = frame.arrival
            if number == 0 or self._cuts.is_cut(frame.picture):
                self.film.begin_shot(number)
                if self._faces is not None:
                    self._faces.cuts.append(number)
            if self._faces is not None:
                self._faces.times[number] = frame.time
            self._arrivals.append(frame.arrival)
            yield Frames([frame.picture], [Fraction(frame.time).limit_denominator(1_000_000)], [number])

    def _taken(self, frames: Iterable[LiveFrame]) -> Iterator[LiveFrame]:
        """The frames, each taken when there is room for it, so that it is as new as it can be."""
        coming = iter(frames)
        while not self.stopped.is_set():
            if not self._room.acquire(timeout=_PATIENCE_SECONDS):
                continue
            try:
                yield next(coming)
            except StopIteration:
                return

    def write(self, frames: Frames) -> None:
        """Write a frame and note how long it took."""
        self.to(frames.result[0], frames.times[0])
        self._room.release()
        now = time.monotonic()
        self.report.latencies.append(now - self._arrivals.popleft())
        self.report.frames += 1
        self.report.seconds = now - self._first
        if self.tell is not None:
            self.tell(self.report)
