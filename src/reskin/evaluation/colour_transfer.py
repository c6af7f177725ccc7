"""Colour transfer as a translator, so that a film can be made by it where nothing learnt is better.

Reinhard et al., "Color Transfer between Images", 2001; see `reskin.evaluation.reinhard`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.config import Settings
from reskin.evaluation.reinhard import Colours, Reinhard
from reskin.images import to_image, to_tensor
from reskin.methods.translator import Translator
from reskin.types import Direction


class ColourTransfer(Translator):
    """Gives every picture of domain A the mean and deviation of the colours of B; all pictures alike.

    Args:
        reinhard: fitted to pictures of B, and of A.
    """

    Config = Settings
    title = "Colour transfer"
    paper = "Reinhard et al. 2001"
    good_for = "colour and contrast of all pictures alike, at once"
    directions: tuple[Direction, ...] = ("a2b",)

    def __init__(self, reinhard: Reinhard) -> None:
        super().__init__()
        target, source = reinhard.target, reinhard.source
        if target is None or source is None:
            raise ValueError("colour transfer is fitted to both domains before it translates")
        for name, colours in (("source", source), ("target", target)):
            self.register_buffer(f"{name}_mean", torch.from_numpy(colours.mean.copy()))
            self.register_buffer(f"{name}_deviation", torch.from_numpy(colours.deviation.copy()))

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        reinhard = Reinhard().fit(self._colours("target"), self._colours("source"))
        made = [to_tensor(reinhard.transfer(picture)) for picture in to_image(images.float().cpu())]
        return torch.cat(made).to(images)

    def _colours(self, name: str) -> Colours:
        mean, deviation = (self.get_buffer(f"{name}_{part}").cpu().numpy() for part in ("mean", "deviation"))
        return Colours(mean, deviation, 1)
