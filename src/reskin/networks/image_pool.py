"""Earlier fakes, shown again to a discriminator so that it does not forget them.

Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017,
https://arxiv.org/abs/1612.07828, section 2.3.
"""

from __future__ import annotations

from functools import partial
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
        if differs and not self.edges.numel():
            self.edges = self.count.new_tensor(self.images.shape[-2:]).repeat(self.size, 1)
        heads = torch.rand(len(images), device=images.device) < 0.5
        choices = torch.randint(self.size, (len(images),), device=images.device)
        exchange = self._exchange_sized if self.edges.numel() else partial(self._exchange, self.images)
        given = []
        # One after the other: a picture may be exchanged for one that came earlier in the same batch.
        for image, head, choice in zip(images.split(1), heads.split(1), choices.split(1), strict=True):
            given.append(exchange(image, head, choice))
            self.count.add_(self.count < self.size)
        return torch.cat(given)

    def _exchange_sized(self, image: Tensor, head: Tensor, choice: Tensor) -> Tensor:
        """One picture in, one out, where the pool keeps several sizes."""
        below, right = (
            kept - new for kept, new in zip(self.images.shape[-2:], image.shape[-2:], strict=True)
        )
        self.images = F.pad(self.images, (0, max(0, -right), 0, max(0, -below)))
        image_in_room = F.pad(image, (0, max(0, right), 0, max(0, below)))
        edges = self._exchange(self.edges, self.edges.new_tensor([image.shape[-2:]]), head, choice)
        height, width = edges[0].tolist()
        return self._exchange(self.images, image_in_room, head, choice)[..., :height, :width]

    def _exchange(self, memory: Tensor, newest: Tensor, head: Tensor, choice: Tensor) -> Tensor:
        """`newest` into `memory`, and what is given back; `head` and `choice` are draws, all (1, ...)."""
        is_full = self.count >= self.size
        slot = torch.where(is_full, choice, self.count)
        kept = memory.index_select(0, slot)
        shape = [1] * memory.dim()
        memory.index_copy_(0, slot, torch.where((~is_full | head).view(shape), newest, kept))
        return torch.where((is_full & head).view(shape), kept, newest)

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
