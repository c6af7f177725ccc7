"""The stabiliser for files: each translation is averaged with those around it before the recursive one works.

A film that is read from a file has frames to come as well as frames before. The translations of both are
moved onto the frame along the flow of the film and averaged in as far as the film agrees with itself, as in
`reskin.translation.stabilise`: the filter along motion paths of Lang et al., "Practical Temporal Consistency
for Image-Based Graphics Applications", SIGGRAPH 2012.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reskin.images import Picture
from reskin.translation.film import Frames
from reskin.translation.stabilise import (
    FlowPrecision,
    Judged,
    agreement,
    at_size,
    compared,
    flow_between,
    is_small,
    resized_flow,
    warped,
)

REACH = 8
"""Frames before, and as many to come, that are averaged in."""

_FINE, _BY_PIXEL = 2, 4
"""Frames away up to which the flow of small frames is estimated finely, and up to which each pixel is judged
by itself. No margin is needed around what was just uncovered, as it is seen in the frames to come; but in
frames farther away single pixels that happen to look alike bring back what lay over it."""

_AROUND = "around."


@dataclass(frozen=True)
class _Known:
    """A frame and its translation, both at work size; `seen` is how it is compared with others."""

    shot: int
    film: Picture
    made: Picture
    seen: Picture


class TwoSided:
    """Takes translated frames in order and gives them back averaged, as soon as the frames to come are known.

    Args:
        shot_of: the shot of a frame by its number; frames of other shots are not averaged in.
    """

    def __init__(self, shot_of: Callable[[int], int]) -> None:
        self._shot_of = shot_of
        self._around: list[_Known] = []
        self._done = 0
        self._waiting: deque[Frames] = deque()

    def add(self, frames: Frames) -> list[Frames]:
        """Take the next frames; returns those that are ready, in order."""
        for number, film, made in zip(frames.numbers, frames.small, frames.made, strict=True):
            self._know(number, film, made)
        self._waiting.append(frames)
        return self._ready(len(self._around))

    def end(self) -> list[Frames]:
        """No frame follows; returns those that are left."""
        return self._ready(len(self._around) + REACH)

    def state(self) -> dict[str, Tensor]:
        """What is needed behind the frames given back last, to go on with the ones after them."""
        return {
            f"{_AROUND}{name}{at}": torch.from_numpy(np.ascontiguousarray(picture)).clone()
            for at, known in enumerate(self._around[: self._done])
            for name, picture in (("film", known.film), ("made", known.made))
        }

    def restore(self, state: dict[str, Tensor], last: int) -> None:
        """Go on behind frame number `last` as the one did that gave this state."""
        self._done = sum(name.startswith(_AROUND) for name in state) // 2
        for at in range(self._done):
            film, made = (np.asarray(state[f"{_AROUND}{name}{at}"].numpy()) for name in ("film", "made"))
            self._know(last - self._done + 1 + at, film, made)

    def _know(self, number: int, film: Picture, made: Picture) -> None:
        self._around.append(_Known(self._shot_of(number), film, made, compared(film)))

    def _ready(self, known: int) -> list[Frames]:
        """The groups behind which at least `REACH` frames lie among the first `known`, averaged."""
        ready = []
        while self._waiting and self._done + len(self._waiting[0].numbers) + REACH <= known:
            frames = self._waiting.popleft()
            end = self._done + len(frames.numbers)
            frames.made = [self._averaged(at) for at in range(self._done, end)]
            ready.append(frames)
            dropped = max(0, end - REACH)
            del self._around[:dropped]
            self._done, known = end - dropped, known - dropped
            if frames.is_last:
                frames.state |= self.state()
        return ready

    def _averaged(self, at: int) -> Picture:
        """The translation at this position of `_around`, averaged with those around it."""
        mine = self._around[at]
        height, width = mine.made.shape[:2]
        total, weight = mine.made.astype(np.float32), np.ones((height, width, 1), np.float32)
        for number in range(max(0, at - REACH), min(len(self._around), at + REACH + 1)):
            other = self._around[number]
            if other is mine or other.shot != mine.shot or other.made.shape != mine.made.shape:
                continue
            apart = abs(number - at)
            fine: FlowPrecision = "fine" if apart <= _FINE else "medium"
            flow = flow_between(mine.seen, other.seen, fine if is_small(mine.film) else "fast")
            judged: Judged = "pixel" if apart <= _BY_PIXEL else "nearby"
            agrees = agreement(mine.seen, other.seen, flow, judged=judged)
            share = at_size(agrees, height, width)[..., None]
            total += share * warped(other.made, resized_flow(flow, height, width))
            weight += share
        return np.rint(total / weight).astype(np.uint8)
