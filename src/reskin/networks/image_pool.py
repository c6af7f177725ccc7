"""Earlier fakes, shown again to a discriminator so that it does not forget them.

Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017,
https://arxiv.org/abs/1612.07828, section 2.3.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError


class ImagePool(nn.Module):
    """Keeps up to `size` pictures and gives back, with probability 1/2, an older one instead of the newest.

    While it is not full, every picture is kept and given back as it is. After that each picture is either
    exchanged for one that is kept (chosen evenly) or given back without being kept.

    The pool lives on the device of the pictures, asks the host nothing and changes its memory in place, so a
    training step with it can be captured in a CUDA graph once a first call has made the memory. Everything it
    knows is in its state_dict. Draws come from torch's default random numbers of that device.

    Args:
        size: how many pictures are kept; 0 gives every picture back as it is.

    Raises:
        SettingsError: `size` is negative.

    >>> pool = ImagePool(2)
    >>> pool(torch.ones(1, 3, 4, 4)).shape, int(pool.count)
    (torch.Size([1, 3, 4, 4]), 1)
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 0:
            raise SettingsError(f"an image pool of {size} pictures", "Use 0 for none, 50 for the paper's.")
        self.size = size
        self.register_buffer("images", torch.zeros(0))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Exchange some of the newest pictures for older ones.

        Args:
            images: (N, C, H, W), the newest fakes; the same (C, H, W) in every call.

        Returns:
            (N, C, H, W), without gradients.

        Raises:
            ShapeError: the pictures have another shape than those that are kept.
        """
        if self.size == 0:
            return images.detach()
        if self.images.numel() == 0:
            self.images = images.new_zeros((self.size, *images.shape[1:]))
        if images.shape[1:] != self.images.shape[1:]:
            raise ShapeError(
                f"the pool keeps pictures of {tuple(self.images.shape[1:])}, got {tuple(images.shape[1:])}",
                "Train with pictures of one size.",
            )
        heads = torch.rand(len(images), device=images.device) < 0.5
        choices = torch.randint(self.size, (len(images),), device=images.device)
        # One after the other: a picture may be exchanged for one that came earlier in the same batch.
        given = [
            self._exchange(images[i : i + 1], heads[i : i + 1], choices[i : i + 1])
            for i in range(len(images))
        ]
        return torch.cat(given)

    def _exchange(self, image: Tensor, head: Tensor, choice: Tensor) -> Tensor:
        """One picture in, one out; `head` and `choice` are the draws, all (1, ...)."""
        is_full = self.count >= self.size
        slot = torch.where(is_full, choice, self.count)
        kept = self.images.index_select(0, slot)
        is_swapped = is_full & head
        is_stored = ~is_full | head
        given = torch.where(is_swapped.view(1, 1, 1, 1), kept, image)
        self.images.index_copy_(0, slot, torch.where(is_stored.view(1, 1, 1, 1), image, kept))
        self.count.add_(~is_full)
        return given

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Make room for the pictures of a saved pool before torch copies them."""
        saved = state_dict.get(f"{prefix}images")
        if isinstance(saved, Tensor) and saved.shape != self.images.shape:
            if saved.numel() and len(saved) != self.size:
                raise ShapeError(
                    f"the saved pool keeps {len(saved)} pictures, this one {self.size}",
                    "Use the same pool size.",
                )
            self.images = torch.zeros_like(saved, device=self.images.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
