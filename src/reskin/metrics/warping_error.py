"""How far a film holds still: the difference between a frame and the next one moved back along the flow.

Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, https://arxiv.org/abs/1808.00449, section
4.2.
The flow is that of the *input* film, so that all methods share it. A blurred or constant film scores well:
never give this
number alone, but beside the input's own, and beside a measure of sharpness.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts
from reskin.metrics.psnr import check_same_shape

FACTS = Facts("warping_error", "pair", better="lower", best=0.0, symmetric=True)
"""Symmetric without a flow, as the contract of metrics calls it."""


def warping_error(
    frames: Tensor, later: Tensor, *, flow: Tensor | None = None, visible: Tensor | None = None
) -> Tensor:
    """Mean squared difference of each frame to a later one, moved back along the flow; lower is steadier.

    Args:
        frames: (N, 3, H, W), float, in [-1, 1].
        later: the frames to compare with, the same shape and range.
        flow: (N, 2, H, W): how far each pixel of `frames` moves until `later`, x before y, px; no motion by
        default.
        visible: (N, H, W) bool: the pixels that can still be seen in `later`; all that stay inside by
        default.

    Returns:
        (N,): the mean over visible pixels and channels, of values in [0, 1]; nan where none is visible.

    Raises:
        ShapeError: shapes that do not fit.

    >>> frame = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> moved = frame.roll(2, dims=3)  # everything moves two px to the right
    >>> flow = torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    >>> warping_error(frame, moved, flow=flow).round(decimals=6)
    tensor([0.])
    """
    check_same_shape(frames, later)
    if frames.shape[1] != 3:
        raise ShapeError(f"frames of shape {tuple(frames.shape)}", "Wanted (N, 3, H, W).")
    count, _, height, width = frames.shape
    flow = frames.new_zeros(count, 2, height, width) if flow is None else flow
    if flow.shape != (count, 2, height, width):
        raise ShapeError(f"flow of shape {tuple(flow.shape)} for frames of {tuple(frames.shape)}")
    back, inside = move_back(later.float(), flow)
    seen = inside if visible is None else inside & visible
    if seen.shape != (count, height, width):
        raise ShapeError(f"visible pixels of shape {tuple(seen.shape)} for frames of {tuple(frames.shape)}")
    squared = ((frames.float() - back) / 2).square().mean(dim=1)  # (N, H, W), of values in [0, 1]
    return (squared * seen).sum(dim=(1, 2)) / seen.sum(dim=(1, 2))


def move_back(later: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Each pixel of the frames before, looked up where it has moved to, bilinearly.

    Args:
        later: (N, C, H, W).
        flow: (N, 2, H, W), px.

    Returns:
        The values, (N, C, H, W), and where they lie inside of `later`, (N, H, W) bool.
    """
    height, width = later.shape[-2:]
    across = torch.arange(width, device=later.device) + flow[:, 0]
    down = torch.arange(height, device=later.device)[:, None] + flow[:, 1]
    inside = (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)
    where = torch.stack([across * (2 / max(1, width - 1)) - 1, down * (2 / max(1, height - 1)) - 1], dim=-1)
    back = F.grid_sample(later, where.to(later.dtype), align_corners=True, padding_mode="border")
    return back, inside


def visible_pixels(forward: Tensor, backward: Tensor) -> Tensor:
    """Pixels that are neither covered in the next frame nor at the border of a motion.

    The criterion of Sundaram et al., "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical
    Flow",
    ECCV 2010, eq. 5 and 6, as Lai et al. use it.

    Args:
        forward: (N, 2, H, W), flow from the frame to the next, px.
        backward: (N, 2, H, W), flow from the next frame to this one, px.

    Returns:
        (N, H, W) bool.
    """
    back, inside = move_back(backward, forward)
    squared = (forward.square() + back.square()).sum(dim=1)
    agrees = (forward + back).square().sum(dim=1) <= 0.01 * squared + 0.5
    down, across = torch.gradient(forward, dim=(2, 3))
    slope = (down.square() + across.square()).sum(dim=1)
    return inside & agrees & (slope <= 0.01 * forward.square().sum(dim=1) + 0.002)
