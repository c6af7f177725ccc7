"""Models whose translation is known, so that tests need no training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reskin.methods.translator import Translator
from reskin.types import Direction


class Negative(Translator):
    """Turns light to dark; exact in bytes (255 - level), and picky about sizes."""

    size_multiple = 4

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        assert images.dtype == torch.float32
        assert images.shape[-1] % 4 == 0 and images.shape[-2] % 4 == 0
        return -images


class Reflecting(Translator):
    """What generators have inside: reflection, two halvings, instance norm and dropout, and weights."""

    size_multiple = 4
    directions = ("a2b",)

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, 4, 7),
            nn.Conv2d(4, 4, 3, stride=2, padding=1),
            nn.Conv2d(4, 4, 3, stride=2, padding=1),
            nn.InstanceNorm2d(4),
            nn.Dropout(0.5),
            nn.ReflectionPad2d(1),
            nn.Conv2d(4, 4, 3),
            nn.Upsample(scale_factor=4),
            nn.Conv2d(4, 3, 1),
            nn.Tanh(),
        )

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.network(images)


@pytest.fixture
def negative() -> Negative:
    return Negative()


@pytest.fixture
def reflecting() -> Reflecting:
    return Reflecting()
