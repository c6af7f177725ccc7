"""SimGAN's history of refined pictures (Shrivastava et al., CVPR 2017, section 2.3,
https://arxiv.org/abs/1612.07828)."""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.networks.image_pool import ImagePool


class HistoryBuffer(ImagePool):
    """Gives back a batch that is half new and half old, and keeps half of the new pictures (section 2.3).

    The pool of CycleGAN, which descends from it, decides picture by picture instead. Of an odd number the new
    half is the larger one, so a single picture is given back as it is. Draws come from torch's default random
    numbers of the device; nothing asks the host.

    Args:
        size: how many pictures are kept; 0 gives every picture back as it is.

    Raises:
        SettingsError: `size` is negative.

    >>> buffer = HistoryBuffer(4)
    >>> buffer(torch.ones(2, 3, 4, 4)).shape, int(buffer.count)
    (torch.Size([2, 3, 4, 4]), 1)
    """

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Replace the last half of a batch by earlier pictures.

        Args:
            images: (N, C, H, W), the newest pictures; the same (C, H, W) in every call.

        Returns:
            (N, C, H, W), without gradients; all new while nothing is kept yet.

        Raises:
            ShapeError: the pictures have another shape than those that are kept.
        """
        half = min(len(images) // 2, self.size)
        if half == 0:
            return images.detach()
        if self.images.numel() == 0:
            self.images = images.new_zeros((self.size, *images.shape[1:]))
        if images.shape[1:] != self.images.shape[1:]:
            raise ShapeError(
                f"the buffer keeps pictures of {tuple(self.images.shape[1:])}, got {tuple(images.shape[1:])}",
                "Train with pictures of one size.",
            )
        new, replaced = images[: len(images) - half], images[len(images) - half :]
        old = self.images.index_select(0, (torch.rand(half, device=images.device) * self.count).long())
        given = torch.cat([new, torch.where(self.count > 0, old, replaced)])

        newest = images[torch.rand(len(images), device=images.device).argsort()[:half]]
        anywhere = torch.rand(self.size, device=images.device).argsort()[:half]
        next_free = (self.count + torch.arange(half, device=images.device)) % self.size
        slots = torch.where(self.count < self.size, next_free, anywhere)
        self.images.index_copy_(0, slots, newest)
        self.count.add_(half).clamp_(max=self.size)
        return given
