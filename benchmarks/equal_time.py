"""Methods taught with the same CPU time on windows of footage: what several tables share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.device import choose_compute
from reskin.methods.base import Method
from reskin.runs.ema import Ema
from reskin.runs.schedule import set_learning_rate
from reskin.training.loop import PlainStep, seed_step
from reskin.types import Batch, Step


class Shots(NamedTuple):
    """Footage that is learnt from.

    Attributes:
        frames: (T, 3, H, W), in [-1, 1].
        cuts: numbers of the first frames of its shots.
    """

    frames: Tensor
    cuts: list[int]

    def starts(self, length: int) -> list[int]:
        """First frames of the windows of so many frames without a cut."""
        last = len(self.frames) - length + 1
        return [n for n in range(last) if not any(n < cut < n + length for cut in self.cuts)]


class Sampling(NamedTuple):
    """What a step sees of two footages.

    Attributes:
        samples: in a step.
        crop: edge of the squares that are cut out, px; None for whole frames squeezed to a square as high.
        length: frames of a sample.
        is_paired: whether a sample of B is the same window as that of A.
    """

    samples: int
    crop: int | None
    length: int = 1
    is_paired: bool = False


def batches(a: Shots, b: Shots, sampling: Sampling, seed: int) -> Iterator[Batch]:
    """Random windows of A and B without a cut, cropped and mirrored alike in all their frames."""
    source = torch.Generator().manual_seed(seed)
    starts = [shots.starts(sampling.length) for shots in (a, b)]
    while True:
        chosen_a, chosen_b = torch.rand(2, sampling.samples, 4, generator=source).tolist()
        chosen_b = chosen_a if sampling.is_paired else chosen_b
        made = [
            torch.stack([_window(shots.frames, first, sampling, where) for where in chosen])
            for shots, first, chosen in ((a, starts[0], chosen_a), (b, starts[1], chosen_b))
        ]
        yield Batch(*made) if sampling.length > 1 else Batch(made[0][:, 0], made[1][:, 0])


def _window(frames: Tensor, starts: list[int], sampling: Sampling, where: list[float]) -> Tensor:
    """One window, (T, 3, H, W); `where` chooses start, top and left edge, and whether it is mirrored."""
    start = starts[int(where[0] * len(starts))]
    clip = frames[start : start + sampling.length]
    if sampling.crop is None:
        height = clip.shape[2]
        clip = F.interpolate(clip, (height, height), mode="bilinear", antialias=True)
    else:
        room = [edge - sampling.crop + 1 for edge in clip.shape[2:]]
        top, left = (int(share * size) for share, size in zip(where[1:3], room, strict=True))
        clip = clip[..., top : top + sampling.crop, left : left + sampling.crop]
    return clip.flip(-1) if where[3] < 0.5 else clip


def teach(
    method: Method,
    drawn: Iterator[Batch],
    *,
    seed: int,
    seconds: float,
    decay: float,
) -> int:
    """Train for `seconds` of CPU time; the rate falls to 0 over the second half of them.

    Args:
        method: it ends with the running mean of its weights.
        drawn: its batches.
        seed: of what is drawn at random in a step.
        seconds: that this process may compute.
        decay: of the running mean.

    Returns:
        The number of steps.
    """
    ema = Ema(method, decay)
    step_of = PlainStep(method, choose_compute("cpu", "fp32"))
    batch, begin, step = next(drawn), time.process_time(), 0
    while (share := (time.process_time() - begin) / seconds) < 1:
        step += 1
        seed_step(seed, step, 0)
        set_learning_rate(method, min(1.0, 2 * (1 - share)))
        step_of(batch, Step(step, step))
        ema.update(step)
        batch = next(drawn)
    ema.swap()
    return step


def slope(frames: Tensor) -> float:
    """Mean difference of neighbouring pixels."""
    return float(frames.diff(dim=2).abs().mean() + frames.diff(dim=3).abs().mean())
