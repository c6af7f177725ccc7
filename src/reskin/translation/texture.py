"""Texture on a graded film: drawn at work size, made to agree with the frame before, enlarged, added.

The grade itself is applied at the frame's own size, so that no edge of the film becomes softer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from reskin.images import Picture
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.networks.bilateral_grid import Grade
from reskin.types import Direction

_STRIP_ROWS = 32
"""Rows at a time, so that the intermediate values stay in the processor's cache."""


@runtime_checkable
class Textured(Protocol):
    """A model that grades and draws a texture on what it has graded."""

    most: float

    def grade(self, images: Tensor, direction: Direction) -> Grade:
        """See `reskin.methods.grade.GradeMethod.grade`."""

    def texture(self, graded: Tensor) -> Tensor:
        """See `reskin.methods.grade_texture.GradeTexture.texture`."""


class Texturer(Translator):
    """The texture of a model alone, as a translator of graded pictures, so that an engine can compute it.

    Args:
        model: what draws; its weights are shared.
    """

    def __init__(self, model: Translator) -> None:
        super().__init__()
        assert isinstance(model, Textured), "asked by who makes it"
        self.model = model

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        assert isinstance(self.model, Textured)
        return self.model.texture(images)


def texture_engine(engine: Engine) -> Engine:
    """What computes the texture of a model, where `engine` does; by PyTorch, since it is small."""
    return Engine(Texturer(engine.model), engine.direction, replace(engine.compute, engine="torch"))


def textured(graded: Picture, texture: Picture, most: float) -> Picture:
    """A graded frame with a texture, as `networks.texture.with_texture`.

    Args:
        graded: (H, W, 3) uint8.
        texture: (h, w, 3) uint8, where 127.5 is none; enlarged to the frame's size.
        most: change of a medium grey by the strongest texture, as a share of 127.5 levels.

    Returns:
        (H, W, 3) uint8.
    """
    import cv2

    height, width = graded.shape[:2]
    values = (texture.astype(np.float32) - np.float32(127.5)) * np.float32(most)
    if texture.shape != graded.shape:
        values = np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    greys = np.arange(256, dtype=np.float32) / np.float32(127.5) - 1
    room = 1 - greys * greys
    made = np.empty_like(graded)
    for top in range(0, height, _STRIP_ROWS):
        part = graded[top : top + _STRIP_ROWS]
        change = cv2.multiply(values[top : top + _STRIP_ROWS], np.asarray(cv2.LUT(part, room), np.float32))
        cv2.add(part, change, dst=made[top : top + len(part)], dtype=cv2.CV_8U)
    return made
