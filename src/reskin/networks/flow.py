"""Optical flow as vid2vid uses it: frames moved along a flow, the flow of real frames, and where it holds.

Wang et al., "Video-to-Video Synthesis", NeurIPS 2018, https://arxiv.org/abs/1808.06601. Every flow here leads
from a frame to an earlier one, in px, x before y.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.precision import at_least_float32

_DIFFERENCE = 0.02
"""Squared difference, summed over the channels of pixels in [-1, 1], from which a flow is not believed."""

_SMALLEST_PX = 32
"""DIS is shown no smaller frames: its patches would not fit the coarse ones of its pyramid."""


def warp(earlier: Tensor, flow: Tensor) -> Tensor:
    """A frame as the earlier one shows it: each pixel is looked up where the flow leads, bilinearly.

    Args:
        earlier: (N, C, H, W).
        flow: (N, 2, H, W), px; what lies outside is taken from the nearest edge.

    Returns:
        (N, C, H, W), at least float32.

    >>> ramp = torch.arange(16.0).view(1, 1, 4, 4)
    >>> warp(ramp, torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4))[0, 0, 0].tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    earlier, flow = at_least_float32(earlier), at_least_float32(flow)
    height, width = earlier.shape[-2:]
    across = torch.arange(width, device=flow.device) + flow[:, 0]
    down = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    where = torch.stack([across * (2 / max(1, width - 1)) - 1, down * (2 / max(1, height - 1)) - 1], dim=-1)
    return F.grid_sample(earlier, where.to(earlier.dtype), padding_mode="border", align_corners=True)


def confidence(frame: Tensor, earlier: Tensor, flow: Tensor) -> Tensor:
    """1 where the warped earlier frame shows what the frame shows, else 0: (N, 1, H, W).

    Args:
        frame: (N, 3, H, W) in [-1, 1].
        earlier: the same shape.
        flow: (N, 2, H, W), px.

    >>> frame = torch.tensor([0.08, 0.09]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    >>> confidence(frame, torch.zeros(1, 3, 1, 2), torch.zeros(1, 2, 1, 2)).flatten().tolist()
    [1.0, 0.0]
    """
    squared = (frame - warp(earlier, flow)).square().sum(dim=1, keepdim=True)
    return (squared < _DIFFERENCE).to(frame.dtype)


@torch.no_grad()
def dis_flow(frame: Tensor, earlier: Tensor) -> Tensor:
    """The flow between real frames, estimated on the CPU.

    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as OpenCV has it.

    Args:
        frame: (N, 3, H, W) in [-1, 1].
        earlier: the same shape.

    Returns:
        (N, 2, H, W), px, on the device of the frames.
    """
    flows = [_dis(*pair) for pair in zip(_grey(frame), _grey(earlier), strict=True)]
    return torch.from_numpy(np.stack(flows)).to(frame.device, frame.dtype).permute(0, 3, 1, 2).contiguous()


def _grey(frames: Tensor) -> np.ndarray:
    """(N, H, W), uint8."""
    luma = frames.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    levels = ((frames * luma).sum(dim=1) + 1) * 127.5
    return levels.round().clamp(0, 255).to("cpu", torch.uint8).numpy()


def _dis(frame: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """(H, W, 2), float32; a new estimator each time, so that nothing of one pair reaches the next."""
    import cv2

    height, width = frame.shape
    edges = ((0, max(0, _SMALLEST_PX - height)), (0, max(0, _SMALLEST_PX - width)))
    wide = [np.pad(picture, edges, mode="edge") for picture in (frame, earlier)]
    nothing: Any = None  # OpenCV's types do not know that a flow to begin with may be left out
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(wide[0], wide[1], nothing)
    return np.asarray(flow[:height, :width], np.float32)
