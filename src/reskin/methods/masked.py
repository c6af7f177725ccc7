"""The half of a method that says where it changes an image."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from reskin.methods.translator import Translator
from reskin.types import Direction


class Masked(Translator):
    """A translator that knows where it changes an image; a method inherits it before `Method`."""

    @abstractmethod
    def masks(self, images: Tensor, direction: Direction) -> Tensor:
        """Where the look changes: (N, 1, H, W) in [0, 1] for images as in `Translator.translate`."""
