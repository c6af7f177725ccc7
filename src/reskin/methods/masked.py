"""The half of a method that says where it changes an image."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field
from torch import Tensor

from reskin.methods.base import MethodConfig
from reskin.methods.translator import Translator
from reskin.precision import at_least_float32
from reskin.types import Direction

LEAST_SHARE = 1e-6
"""Share of attention below which a given mask pulls no harder."""


class MaskedConfig(MethodConfig):
    """Settings of a method that can be shown where to change an image."""

    mask_weight: float = Field(default=0.0, ge=0)
    """Weight of the cross-entropy of where the look changes against given masks (--mask-a, --mask-b), for
    those domains that have them; not in the paper. 0 for none."""


class Masked(Translator):
    """A translator that knows where it changes an image; a method inherits it before `Method`."""

    @abstractmethod
    def generate_with_masks(self, images: Tensor, direction: Direction) -> tuple[Tensor, Tensor]:
        """Translations and where they change the images, of one pass through the network.

        Args:
            images: as in `Translator.translate`.
            direction: one that is offered.

        Returns:
            Images as `Translator.translate` gives them; masks (N, 1, H, W), 1 where the look changes,
            0 where it does not.
        """

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.generate_with_masks(images, direction)[0]


def missed(background: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of where the look changes against a given mask, mean over pixels.

    A difference would vanish where the attention is sure and wrong, and small things would stay unlearnt.

    Args:
        background: share of the input that is let through, (N, 1, H, W) in [0, 1].
        mask: where the look is to change, the same shape and range.
    """
    stays = at_least_float32(background).clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    return -(mask * (1 - stays).log() + (1 - mask) * stays.log()).mean()
