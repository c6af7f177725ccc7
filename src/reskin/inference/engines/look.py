"""A model, a direction and styles as one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.types import Direction


class Look(nn.Module):
    """What a model makes of pictures in one direction and, where it has styles, in these.

    Args:
        model: any translator.
        direction: one of the model's.
        styles: (K, style_size), for a model with styles.
        key: digest of all of these, under which its graphs are kept; "" where none are.
    """

    def __init__(
        self, model: Translator, direction: Direction, styles: Tensor | None = None, *, key: str = ""
    ) -> None:
        super().__init__()
        self.key = key
        self.model, self.direction = model, direction
        self.styles: Tensor | None
        self.register_buffer("styles", styles)
        self.training = False  # of this module alone: whoever calls sees to the model

    @property
    def name(self) -> str:
        """The method as its paper writes it."""
        return self.model.title or type(self.model).__name__

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W), or with K styles (K, N, 3, H, W), for pictures (N, 3, H, W) in [-1, 1]."""
        if self.styles is None:
            return self.model.translate(pictures, self.direction)
        assert isinstance(self.model, Styled), "only a model with styles is given some"
        # One at a time: how many pictures a call takes depends on their size, which no graph holds.
        looks = [self.model.translate_styles(pictures, self.direction, style[None]) for style in self.styles]
        return torch.cat(looks)
