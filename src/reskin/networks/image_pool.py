"""Earlier fakes, shown again to a discriminator so that it does not forget them.

Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017,
https://arxiv.org/abs/1612.07828, section 2.3.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError


class ImagePool(nn.Module):
    """Keeps up to `size` pictures and gives back, with probability 1/2, an older one instead of the newest.

    While it is not full, every picture is kept and given back as it is. After that each picture is either
    exchanged for one that is kept (chosen evenly) or given back without being kept.

    The pool lives on the device of the pictures, asks the host nothing and changes its memory in place, so a
    training step with it can be captured in a CUDA graph once a first call has made the memory. Everything it
    knows is in its state_dict. Draws come from torch's default random numbers of that device.

    Pictures of several sizes (one at a time, as at a batch of 1) are kept in room for the largest of them and
    given back in their own sizes, for which the host must be asked.

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
    edges: Tensor
    """(size, 2): height and width of each picture that is kept; empty while all have the size of `images`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 0:
            raise SettingsError(f"an image pool of {size} pictures", "Use 0 for none, 50 for the paper's.")
        self.size = size
        self.register_buffer("images", torch.zeros(0))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("edges", torch.zeros(0, dtype=torch.int64))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Exchange some of the newest pictures for older ones.

        Args:
            images: (N, C, H, W), or clips (N, T, C, H, W), the newest; of one shape, but for N, and for H
                and W where N is 1.

        Returns:
            The same shape, without gradients; H and W may differ where the pool keeps several sizes.

        Raises:
            ShapeError: other channels than those of the kept pictures, or another size in a batch.
        """
        if self.size == 0:
            return images.detach()
        if self.images.numel() == 0:
            self.images = images.new_zeros((self.size, *images.shape[1:]))
        differs = images.shape[1:] != self.images.shape[1:]
        if differs and (len(images) > 1 or images.shape[1:-2] != self.images.shape[1:-2]):
            raise ShapeError(
                f"the pool keeps pictures of {tuple(self.images.shape[1:])}, got {tuple(images.shape[1:])}",
                "Train with pictures of one size, or with a batch of 1.",
            )
        heads = torch.rand(len(images), device=images.device) < 0.5
        choices = torch.randint(self.size, (len(images),), device=images.device)
        if differs or self.edges.numel():
            return torch.cat(
                [self._exchange_sized(*one) for one in zip(images.split(1), heads, choices, strict=True)]
            )
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
        shape = [1] * image.dim()
        is_swapped = is_full & head
        is_stored = ~is_full | head
        given = torch.where(is_swapped.view(shape), kept, image)
        self.images.index_copy_(0, slot, torch.where(is_stored.view(shape), image, kept))
        self.count.add_(~is_full)
        return given

    def _exchange_sized(self, image: Tensor, head: Tensor, choice: Tensor) -> Tensor:
        """As `_exchange`, for a pool of several sizes."""
        height, width = image.shape[-2:]
        if not self.edges.numel():
            self.edges = self.count.new_tensor(self.images.shape[-2:]).repeat(self.size, 1)
        missing = [
            max(0, new - kept) for new, kept in zip(image.shape[-2:], self.images.shape[-2:], strict=True)
        ]
        if any(missing):
            self.images = F.pad(self.images, (0, missing[1], 0, missing[0]))
        is_full = bool(self.count >= self.size)
        if is_full and not head:
            return image
        slot = int(choice if is_full else self.count)
        kept_height, kept_width = self.edges[slot].tolist()
        given = self.images[slot : slot + 1, ..., :kept_height, :kept_width].clone() if is_full else image
        self.images[slot, ..., :height, :width] = image[0]
        self.edges[slot] = self.edges.new_tensor([height, width])
        self.count.add_(not is_full)
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
        edges = state_dict.setdefault(f"{prefix}edges", self.edges.new_zeros(0))  # a version before had none
        self.edges = torch.zeros_like(edges, device=self.edges.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
