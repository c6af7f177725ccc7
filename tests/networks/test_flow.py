"""Flow: warping by hand, where a flow holds, and the estimate beside the truth of drawn footage."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from reskin.images import to_tensor
from reskin.networks.flow import confidence, dis_flow, warp
from reskin.worlds.footage import Footage

RAMP = torch.arange(16.0).view(1, 1, 4, 4)


def everywhere(across: float, down: float, height: int = 4, width: int = 4) -> Tensor:
    return torch.tensor([across, down]).view(1, 2, 1, 1).expand(1, 2, height, width)


@pytest.mark.parametrize(
    ("across", "down", "rows"),
    [
        (1, 0, [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11], [13, 14, 15, 15]]),
        (0, 0.5, [[2, 3, 4, 5], [6, 7, 8, 9], [10, 11, 12, 13], [12, 13, 14, 15]]),
        (-1.5, 0, [[0, 0, 0.5, 1.5], [4, 4, 4.5, 5.5], [8, 8, 8.5, 9.5], [12, 12, 12.5, 13.5]]),
    ],
)
def test_a_ramp_is_moved_as_by_hand(across: float, down: float, rows: list[list[float]]) -> None:
    torch.testing.assert_close(
        warp(RAMP, everywhere(across, down))[0, 0], torch.tensor(rows, dtype=torch.float32)
    )


def test_flow_and_picture_learn_through_the_warp() -> None:
    picture, flow = RAMP.clone().requires_grad_(), (everywhere(0.5, 0.25).clone()).requires_grad_()
    warp(picture, flow).sum().backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    assert flow.grad is not None
    inner = flow.grad[0, :, 1, 1]
    torch.testing.assert_close(inner, torch.tensor([1.0, 4.0]))  # the slopes of the ramp


def test_where_a_flow_holds() -> None:
    """Three channels that differ by .08 make .0192, by .09 .0243; the bound is .02."""
    frame = torch.tensor([0.08, 0.09]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    found = confidence(frame, torch.zeros(1, 3, 1, 2), torch.zeros(1, 2, 1, 2))
    assert found.shape == (1, 1, 1, 2) and found.flatten().tolist() == [1, 0]


def test_the_estimate_leads_to_the_earlier_frame() -> None:
    """Footage run backwards, of which the true flow to the frame before is known."""
    clip = list(Footage("game", seed=3, frames=6, size=(128, 96)))
    for later, earlier in itertools.pairwise(clip[1:5]):
        frame, before = to_tensor(later.image), to_tensor(earlier.image)
        truth = torch.from_numpy(later.flow).permute(2, 0, 1)[None]
        holds = confidence(frame, before, truth)
        assert holds.mean() > 0.8 and truth.abs().max() > 1
        found = dis_flow(frame, before)
        error = (found - truth).norm(dim=1)[holds[:, 0] > 0]
        still = truth.norm(dim=1)[holds[:, 0] > 0]
        assert error.mean() < 0.7 * still.mean()
        moved, unmoved = (((warp(before, flow) - frame).abs() * holds).mean() for flow in (found, 0 * found))
        assert moved < 0.8 * unmoved


def test_each_pair_of_a_batch_has_its_own_flow_whatever_was_asked_before() -> None:
    frames = (
        torch.nn.functional.interpolate(torch.rand(2, 3, 6, 6), (48, 40), mode="bicubic").clamp(0, 1) * 2 - 1
    )
    earlier = frames.roll(2, dims=3)
    together = dis_flow(frames, earlier)
    apart = torch.cat([dis_flow(frames[n : n + 1], earlier[n : n + 1]) for n in (1, 0)]).flip(0)
    assert together.shape == (2, 2, 48, 40) and together.equal(apart)
    assert together[:, 0, 8:-8, 8:-8].mean().item() == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("size", [(8, 8), (8, 100), (31, 33)])
def test_small_frames_have_a_flow_too(size: tuple[int, int]) -> None:
    frames = torch.rand(1, 3, *size) * 2 - 1
    assert dis_flow(frames, frames).shape == (1, 2, *size)
