"""Drawn footage to learn from, and drawn clips to measure on, whose truth and motion are known."""

from __future__ import annotations

import functools

import torch
from benchmarks.equal_time import Shots, slope
from torch import Tensor

from reskin.images import to_tensor
from reskin.metrics.psnr import psnr
from reskin.metrics.ssim import ssim
from reskin.metrics.warping_error import move_back, warping_error
from reskin.worlds.footage import Footage

SIZE = (112, 64)
"""Width and height of all frames, px."""
TRAINING_FRAMES, CLIP_FRAMES = 480, 24
CLIPS = (401, 402, 403)
"""Seeds of the test clips, whose scenes are in no training footage."""
SAME = 12.0
"""A pixel is visible in a later frame if the game shows it there within so many levels."""
SPANS = (1, 5)
"""Frames from one to the other whose difference is measured."""


class Clip:
    """A test clip: the film, its truth, and how its pixels move.

    Args:
        footage: the film; of so many frames a scene.
        scene_frames: of those.
    """

    def __init__(self, footage: Footage, scene_frames: int) -> None:
        frames, self._scene_frames = list(footage), scene_frames
        self.film = torch.cat([to_tensor(frame.image) for frame in frames])
        self.truth = torch.cat([to_tensor(frame.other) for frame in frames])
        self.flow = torch.stack([torch.from_numpy(frame.flow).permute(2, 0, 1) for frame in frames])
        self.motion = {span: self._motion(span) for span in SPANS}

    def _motion(self, span: int) -> tuple[Tensor, Tensor]:
        """How far pixels move in `span` frames, and which of them are visible then."""
        count = len(self.film) - span
        total = self.flow[:count].clone()
        inside = torch.ones(count, *total.shape[2:], dtype=torch.bool)
        for number in range(1, span):
            further, is_inside = move_back(self.flow[number : number + count], total)
            total, inside = total + further, inside & is_inside
        back, is_inside = move_back(self.truth[span:], total)
        is_same = (back - self.truth[:count]).abs().amax(dim=1) * 127.5 <= SAME
        scenes = torch.arange(len(self.film)) // self._scene_frames
        is_one_scene = (scenes[:count] == scenes[span:])[:, None, None]
        return total, inside & is_inside & is_same & is_one_scene

    def measure(self, frames: Tensor) -> dict[str, float]:
        """PSNR and SSIM to the truth, warping errors in levels, and sharpness as a share of the truth's."""
        found = {
            "psnr": float(psnr(frames, self.truth).mean()),
            "ssim": float(ssim(frames, self.truth).mean()),
            "sharp": slope(frames) / slope(self.truth),
        }
        for span, (flow, visible) in self.motion.items():
            error = warping_error(frames[:-span], frames[span:], flow=flow, visible=visible)
            is_known = visible.flatten(1).any(dim=1)  # not across a cut
            found[f"e{span}"] = 255 * float(error[is_known].mean().sqrt())
        return found


def drawn_clip(seed: int) -> Clip:
    """A test clip of one scene."""
    return Clip(
        Footage("film", seed=seed, frames=CLIP_FRAMES, size=SIZE, scene_frames=CLIP_FRAMES), CLIP_FRAMES
    )


@functools.lru_cache(maxsize=1)
def footage(seed: int) -> tuple[Shots, Shots]:
    """A film (A) and a game (B) that share no scene."""
    film, game = (
        Footage(look, seed=own, frames=TRAINING_FRAMES, size=SIZE)
        for look, own in (("film", 2 * seed + 1), ("game", 2 * seed + 2))
    )
    cuts = list(range(0, TRAINING_FRAMES, film.scene_frames))
    a, b = (torch.cat([to_tensor(frame.image) for frame in drawn]) for drawn in (film, game))
    return Shots(a, cuts), Shots(b, cuts)
