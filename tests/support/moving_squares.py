"""The toy pair of domains in motion: a square on grey that moves in a straight line, red in A, blue in B."""

from __future__ import annotations

from typing import Literal

import torch
from tests.support.squares import COLOURS, SIZE, SQUARE
from torch import Tensor


def moving_squares(
    count: int, *, colour: Literal["red", "blue"], seed: int, frames: int = 3, fastest: int = 3
) -> Tensor:
    """`count` clips, (count, frames, 3, 32, 32) in [-1, 1], each of up to `fastest` px a frame."""
    source = torch.Generator().manual_seed(seed)
    reach = fastest * (frames - 1)
    corners = torch.randint(reach, SIZE - SQUARE - reach + 1, (count, 2), generator=source)
    speeds = torch.randint(-fastest, fastest + 1, (count, 2), generator=source)
    clips = torch.zeros(count, frames, 3, SIZE, SIZE)
    for clip, corner, speed in zip(clips, corners, speeds, strict=True):
        for number, frame in enumerate(clip):
            top, left = (corner + number * speed).tolist()
            frame[:, top : top + SQUARE, left : left + SQUARE] = torch.tensor(COLOURS[colour])[:, None, None]
    return clips


def true_flow(frame: Tensor, earlier: Tensor) -> Tensor:
    """How the square of each frame lies to that of an earlier one, (N, 2, H, W), px; grey does not move."""
    inside = (frame - frame[:, :, :1, :1]).abs().sum(dim=1, keepdim=True) > 0.5
    shift = _corner(earlier) - _corner(frame)
    return torch.where(inside, shift[:, :, None, None].to(frame.dtype), 0.0)


def _corner(frames: Tensor) -> Tensor:
    """The left and upper end of each square, (N, 2)."""
    inside = (frames.abs().sum(dim=1) > 0.5).int()
    return torch.stack([inside.amax(dim=1).argmax(dim=1), inside.amax(dim=2).argmax(dim=1)], dim=1)
